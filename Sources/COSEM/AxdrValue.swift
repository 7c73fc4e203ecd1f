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

    subscript(index: Int) -> AxdrTape.Item { tape[index] }

    /// The value at `index` of the tape, which must be a scalar.
    func value(at index: Int) -> RegisterValue {
        let item = tape[index]
        var reader = WireReader(bytes.rawSpan).rewound(to: item.offset)
        // The tape was made from these bytes, so nothing can be short here.
        return (try? Self.value(item.tag, count: item.count, &reader)) ?? .unavailable
    }

    /// The content of a scalar.
    ///
    /// - Parameter count: bits of a bit-string, else bytes.
    static func value(
        _ tag: AxdrTag, count: Int, _ reader: inout WireReader
    ) throws(WireError) -> RegisterValue {
        switch tag {
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
        case .float32: return shortest(Float(bitPattern: try reader.uint32())) { FixedDecimal($0) }
        case .float64: return shortest(Double(bitPattern: try reader.uint64())) { FixedDecimal($0) }
        case .bcd: return .text(Hex.string([try reader.uint8()]))
        case .bitString: return .text(try bits(count, &reader))
        case .octetString: return octets(try reader.take(count))
        case .visibleString, .utf8String: return .text(string(try reader.take(count)))
        case .dateTime: return dateTime(try reader.take(count))
        case .date, .time: return .text(Hex.string(try reader.bytes(count)))
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
        return .text(octets.text)
    }

    private static func dateTime(_ octets: RawSpan) -> RegisterValue {
        DateTime.parse(octets).map { .time($0) } ?? .text(Hex.string(octets.array))
    }

    /// Makers pad fixed-length strings with zero bytes.
    private static func string(_ octets: RawSpan) -> String {
        var end = octets.byteCount
        while end > 0, octets[byte: end - 1] == 0 { end -= 1 }
        return octets.extracting(0..<end).text
    }

    // MARK: What a value may be

    /// The OBIS code that an octet-string of six is; nil where it cannot be one.
    ///
    /// Group A names a medium (0 to 15), and F is the current value or one of at most 126 past ones.
    func code(at index: Int) -> ObisCode? {
        let item = tape[index]
        guard item.tag == .octetString, item.count == 6 else { return nil }
        var reader = WireReader(bytes.rawSpan).rewound(to: item.offset)
        guard let ab = try? reader.uint16(), let cdef = try? reader.uint32() else { return nil }
        return Self.code(packed: UInt64(ab) << 32 | UInt64(cdef))
    }

    /// The same for six octets in one number, the first one highest.
    static func code(packed octets: UInt64) -> ObisCode? {
        let code = ObisCode(packed: octets)
        guard code.a <= 15, code.f == 255 || code.f <= 126, !isPrintable(code) else { return nil }
        return code
    }

    private static func isPrintable(_ code: ObisCode) -> Bool {
        let printable: ClosedRange<UInt8> = 0x20...0x7E
        return printable.contains(code.a) && printable.contains(code.b) && printable.contains(code.c)
            && printable.contains(code.d) && printable.contains(code.e) && printable.contains(code.f)
    }

    /// The whole number at `index`, where one stands there.
    func integer(at index: Int) -> Int64? {
        let item = tape[index]
        let reader = WireReader(bytes.rawSpan)
        switch item.tag {
        // What names and scales a value is one of these.
        case .uint8, .enumeration: return reader.peek(ahead: item.offset).map { Int64($0) }
        case .int8: return reader.peek(ahead: item.offset).map { Int64(Int8(bitPattern: $0)) }
        case .uint16:
            guard let high = reader.peek(ahead: item.offset), let low = reader.peek(ahead: item.offset + 1) else {
                return nil
            }
            return Int64(high) << 8 | Int64(low)
        default:
            if case .number(let number) = value(at: index), number.exponent == 0 { return number.mantissa }
            return nil
        }
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
