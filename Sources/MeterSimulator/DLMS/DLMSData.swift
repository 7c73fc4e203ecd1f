import OBIS
import Wire

/// A value in A-XDR that a client sends with a request, as far as the meter has to understand it.
indirect enum DLMSData: Equatable {
    case null
    /// A structure or an array.
    case list([DLMSData])
    case number(Int)
    case octets([UInt8])

    private static let deepest = 8

    init(_ reader: inout WireReader) throws(WireError) {
        self = try Self.read(&reader, depth: 0)
    }

    private static func read(_ reader: inout WireReader, depth: Int) throws(WireError) -> DLMSData {
        let offset = reader.offset
        switch try reader.uint8() {
        case 0x00: return .null
        case 0x01, 0x02:
            let count = try reader.berLength()
            guard depth < deepest, count <= reader.remaining else {
                throw WireError(.limit, "a list too deep or too long", offset: offset)
            }
            var list: [DLMSData] = []
            for _ in 0..<count { list.append(try read(&reader, depth: depth + 1)) }
            return .list(list)
        case 0x05: return .number(Int(Int32(bitPattern: try reader.uint32())))
        case 0x06: return .number(Int(try reader.uint32()))
        case 0x09: return .octets(try reader.bytes(try reader.berLength()))
        case 0x0F: return .number(Int(try reader.int8()))
        case 0x10: return .number(Int(Int16(bitPattern: try reader.uint16())))
        case 0x11, 0x16: return .number(Int(try reader.uint8()))
        case 0x12: return .number(Int(try reader.uint16()))
        case 0x19: return .octets(try reader.bytes(12))
        case let tag: throw WireError(.unsupported, "a value of type \(tag) in a request", offset: offset)
        }
    }

    var list: [DLMSData]? { if case .list(let list) = self { list } else { nil } }
    var number: Int? { if case .number(let number) = self { number } else { nil } }
    var octets: [UInt8]? { if case .octets(let octets) = self { octets } else { nil } }
}

// MARK: - Time

extension MeterTime {
    /// Twelve octets with weekday, and with deviation and summer time where this time has an offset: deviation is
    /// minutes from local time to UTC.
    var clockOctets: [UInt8] {
        var octets = cosemOctets
        octets[8] = 0
        guard let utcOffset else { return octets }
        let deviation = UInt16(bitPattern: Int16(truncatingIfNeeded: -utcOffset))
        octets[9] = UInt8(deviation >> 8)
        octets[10] = UInt8(deviation & 0xFF)
        octets[11] = isDaylightSaving == true ? 0x80 : 0
        return octets
    }

    /// The seconds that a client names with twelve octets, on this clock's scale.
    ///
    /// - Returns: nil where a part of date or time is unspecified.
    func localSeconds(of octets: [UInt8]) -> Int64? {
        guard octets.count == 12,
            let named = MeterTime(
                year: Int(octets[0]) << 8 | Int(octets[1]), month: Int(octets[2]), day: Int(octets[3]),
                hour: Int(octets[5]), minute: Int(octets[6]), second: octets[7] == 0xFF ? 0 : Int(octets[7]))
        else { return nil }
        let deviation = Int16(bitPattern: UInt16(octets[9]) << 8 | UInt16(octets[10]))
        guard deviation != .min, let utcOffset else { return named.localSeconds }
        return named.localSeconds + Int64(deviation) * 60 + Int64(utcOffset) * 60
    }
}
