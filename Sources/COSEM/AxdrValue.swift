import OBIS
import Wire

/// A scaler and a unit as a meter sends them: `02 02 0F xx 16 yy` (IEC 62056-6-2, 4.3.2).
struct ScalerUnit: Hashable {
    let scaler: Int8
    let unit: Unit?
}

/// Reads the scalars of a tape as values of registers.
struct AxdrReader {
    let tape: AxdrTape
    /// What the tape was made from.
    let bytes: [UInt8]

    /// The value at `index` of the tape, which must be a scalar.
    func value(at index: Int) -> RegisterValue {
        let item = tape[index]
        var reader = WireReader(bytes.rawSpan).rewound(to: item.offset)
        // The tape was made from these bytes, so nothing can be short here.
        return (try? value(item, &reader)) ?? .unavailable
    }

    private func value(_ item: AxdrTape.Item, _ reader: inout WireReader) throws(WireError) -> RegisterValue {
        switch item.tag {
        case .null, .dontCare, .array, .structure, .compactArray: return .unavailable
        case .boolean: return .flag(try reader.uint8() != 0)
        case .int8: return .number(FixedDecimal(Int64(try reader.int8())))
        case .int16: return .number(FixedDecimal(Int64(Int16(bitPattern: try reader.uint16()))))
        case .int32: return .number(FixedDecimal(Int64(Int32(bitPattern: try reader.uint32()))))
        case .int64: return .number(FixedDecimal(Int64(bitPattern: try reader.uint64())))
        case .uint8, .enumeration: return .number(FixedDecimal(Int64(try reader.uint8())))
        case .uint16: return .number(FixedDecimal(Int64(try reader.uint16())))
        case .uint32: return .number(FixedDecimal(Int64(try reader.uint32())))
        case .uint64:
            let number = try reader.uint64()
            return Int64(exactly: number).map { .number(FixedDecimal($0)) } ?? .wide("\(number)")
        case .float32: return Self.shortest(Float(bitPattern: try reader.uint32())) { FixedDecimal($0) }
        case .float64: return Self.shortest(Double(bitPattern: try reader.uint64())) { FixedDecimal($0) }
        case .bcd: return .text(Hex.string([try reader.uint8()]))
        case .bitString: return .text(try Self.bits(item.count, &reader))
        case .octetString: return Self.octets(try reader.take(item.count))
        case .visibleString, .utf8String: return .text(Self.string(try reader.take(item.count)))
        case .dateTime: return Self.dateTime(try reader.take(item.count))
        case .date, .time: return .text(Hex.string(try reader.bytes(item.count)))
        }
    }

    /// A number that is none (NaN, infinity) is a value that the meter does not have.
    private static func shortest<Number: BinaryFloatingPoint & CustomStringConvertible>(
        _ number: Number, _ exact: (Number) -> FixedDecimal?
    ) -> RegisterValue {
        guard number.isFinite else { return .unavailable }
        return exact(number).map { .number($0) } ?? .wide(number.description)
    }

    private static func bits(_ count: Int, _ reader: inout WireReader) throws(WireError) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(count)
        var byte: UInt8 = 0
        for index in 0..<count {
            if index % 8 == 0 { byte = try reader.uint8() }
            text.append(byte & 0x80 != 0 ? UInt8(ascii: "1") : UInt8(ascii: "0"))
            byte <<= 1
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// A date where the twelve octets are one, text where all are printable, else hexadecimal digits.
    private static func octets(_ octets: RawSpan) -> RegisterValue {
        if octets.byteCount == DateTime.length, let time = DateTime.parse(octets) { return .time(time) }
        for index in 0..<octets.byteCount where !(0x20...0x7E).contains(octets[byte: index]) {
            return .text(Hex.string(octets.array))
        }
        return .text(String(decoding: octets.array, as: UTF8.self))
    }

    private static func dateTime(_ octets: RawSpan) -> RegisterValue {
        DateTime.parse(octets).map { .time($0) } ?? .text(Hex.string(octets.array))
    }

    /// Makers pad fixed-length strings with zero bytes.
    private static func string(_ octets: RawSpan) -> String {
        var end = octets.byteCount
        while end > 0, octets[byte: end - 1] == 0 { end -= 1 }
        return String(decoding: octets.extracting(0..<end).array, as: UTF8.self)
    }

    // MARK: What a value may be

    /// The OBIS code that an octet-string of six is; nil where it cannot be one.
    ///
    /// Group A names a medium (0 to 15), and F is the current value or one of at most 126 past ones.
    func code(at index: Int) -> ObisCode? {
        let item = tape[index]
        guard item.tag == .octetString, item.count == 6 else { return nil }
        var reader = WireReader(bytes.rawSpan).rewound(to: item.offset)
        guard let a = try? reader.uint8(), let b = try? reader.uint8(), let c = try? reader.uint8(),
            let d = try? reader.uint8(), let e = try? reader.uint8(), let f = try? reader.uint8(),
            a <= 15, f == 255 || f <= 126, !Self.isPrintable(a, b, c, d, e, f)
        else { return nil }
        return ObisCode(a, b, c, d, e, f)
    }

    private static func isPrintable(_ bytes: UInt8...) -> Bool {
        bytes.allSatisfy { (0x20...0x7E).contains($0) }
    }

    func integer(at index: Int) -> Int64? {
        if case .number(let number) = value(at: index), number.exponent == 0 { number.mantissa } else { nil }
    }

    /// The scaler and unit that a structure of an integer and an enumeration is; nil for any other item.
    func scalerUnit(at index: Int) -> ScalerUnit? {
        let item = tape[index]
        guard item.tag == .structure, item.count == 2, tape[index + 1].tag == .int8,
            tape[index + 2].tag == .enumeration, let scaler = integer(at: index + 1).flatMap(Int8.init(exactly:)),
            let unit = integer(at: index + 2).flatMap(UInt8.init(exactly:))
        else { return nil }
        return ScalerUnit(scaler: scaler, unit: Unit(code: unit))
    }
}
