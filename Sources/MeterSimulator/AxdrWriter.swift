import COSEM
import OBIS

/// Builds A-XDR data as a meter sends it.
struct AxdrWriter {
    private(set) var bytes: [UInt8] = []

    mutating func structure(_ count: Int) { container(.structure, count) }
    mutating func array(_ count: Int) { container(.array, count) }

    mutating func null() { bytes.append(AxdrTag.null.rawValue) }
    mutating func boolean(_ value: Bool) { bytes += [AxdrTag.boolean.rawValue, value ? 1 : 0] }
    mutating func enumeration(_ value: UInt8) { bytes += [AxdrTag.enumeration.rawValue, value] }
    mutating func uint8(_ value: UInt8) { bytes += [AxdrTag.uint8.rawValue, value] }
    mutating func uint16(_ value: Int) { integer(.uint16, UInt64(clamping: value), bytes: 2) }
    mutating func uint32(_ value: Int) { integer(.uint32, UInt64(clamping: value), bytes: 4) }
    mutating func int8(_ value: Int8) { bytes += [AxdrTag.int8.rawValue, UInt8(bitPattern: value)] }
    mutating func int16(_ value: Int) { integer(.int16, UInt64(bitPattern: Int64(value)), bytes: 2) }
    mutating func int32(_ value: Int) { integer(.int32, UInt64(bitPattern: Int64(value)), bytes: 4) }

    mutating func octets(_ value: [UInt8]) {
        bytes.append(AxdrTag.octetString.rawValue)
        bytes += Self.length(value.count)
        bytes += value
    }

    mutating func code(_ code: ObisCode) {
        octets(code.octets)
    }

    /// One byte below 128, else the number of bytes and those.
    static func length(_ count: Int) -> [UInt8] {
        switch count {
        case ..<0x80: [UInt8(count)]
        case ..<0x100: [0x81, UInt8(count)]
        default: [0x82, UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)]
        }
    }

    private mutating func container(_ tag: AxdrTag, _ count: Int) {
        bytes.append(tag.rawValue)
        bytes += Self.length(count)
    }

    private mutating func integer(_ tag: AxdrTag, _ value: UInt64, bytes count: Int) {
        bytes.append(tag.rawValue)
        for shift in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * shift))) }
    }
}

extension ObisCode {
    var octets: [UInt8] { [a, b, c, d, e, f] }
}
