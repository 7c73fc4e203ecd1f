import OBIS
import Wire

/// The data of one record as they stand on the wire.
///
/// With a variable length (LVAR) the first byte says what follows:
///
///     00–BF  so many characters            C0–C9, D0–D9  (n − C0), (n − D0) bytes of digits, positive, negative
///     E0–EF  (n − E0) bytes, a number      F0–F4, F5, F6  4 (n − EC), 48, 64 bytes
struct DataField: ~Copyable {
    enum Coding: Hashable, Sendable {
        case none, integer, real, text, binary
        case decimal(isNegative: Bool)
    }

    let coding: Coding
    /// How many bytes they are.
    let count: Int
    /// The eight least significant bytes, also of a text.
    private let bits: UInt64
    /// Texts and what is longer: the least significant byte first, texts from their last character on.
    private let bytes: [UInt8]

    init(_ coding: Coding, number: UInt64, count: Int) {
        self.coding = coding
        self.count = count
        bits = number
        bytes = []
    }

    /// - Parameter isReversed: the most significant byte comes first (CI 76).
    init(_ coding: DataInformation.Coding, isReversed: Bool, _ reader: inout WireReader) throws(WireError) {
        let (kind, length) = try Self.layout(of: coding, &reader)
        var number: UInt64 = 0
        var sent: [UInt8] = []
        if length <= 8, kind != .text, kind != .binary {
            number = try reader.number(length, isReversed: isReversed)
        } else {
            sent = try reader.bytes(length)
            if isReversed { sent.reverse() }
            number = sent.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        self.coding = kind
        count = length
        bits = number
        bytes = sent
    }

    /// By its place, the least significant first.
    private func byte(_ place: Int) -> UInt8 {
        place < 8 ? UInt8(truncatingIfNeeded: bits >> UInt64(8 * place)) : bytes[place]
    }

    private static func layout(
        of coding: DataInformation.Coding, _ reader: inout WireReader
    ) throws(WireError) -> (Coding, Int) {
        switch coding {
        case .none: (.none, 0)
        case .integer(let count): (.integer, Int(count))
        case .real: (.real, 4)
        case .decimal(let count): (.decimal(isNegative: false), Int(count))
        case .variable: try variable(&reader)
        }
    }

    private static func variable(_ reader: inout WireReader) throws(WireError) -> (Coding, Int) {
        let offset = reader.offset
        let first = try reader.uint8()
        switch first {
        case 0x00...0xBF: return (.text, Int(first))
        case 0xC0...0xC9: return (.decimal(isNegative: false), Int(first - 0xC0))
        case 0xD0...0xD9: return (.decimal(isNegative: true), Int(first - 0xD0))
        case 0xE0...0xE8: return (.integer, Int(first - 0xE0))
        case 0xE9...0xEF: return (.binary, Int(first - 0xE0))
        case 0xF0...0xF4: return (.binary, 4 * Int(first - 0xEC))
        case 0xF5: return (.binary, 48)
        case 0xF6: return (.binary, 64)
        default: throw WireError(.malformed, "a variable length of \(first) is reserved", offset: offset)
        }
    }
}

// MARK: - Values

extension DataField {
    /// A number, or why there is none.
    enum Number: Hashable, Sendable {
        case number(FixedDecimal)
        /// The meter has no value: every digit F, the least of all integers, a NaN, no data at all.
        case unavailable
        /// Digits that are none.
        case damaged
    }

    /// - Returns: nil for a text and for more bytes than a number has.
    @inline(__always)
    var number: Number? {
        switch coding {
        case .none: .unavailable
        case .integer: count == 0 || isMarkedInvalid ? .unavailable : .number(FixedDecimal(signed))
        case .real: real
        case .decimal(let isNegative): decimal(isNegative: isNegative)
        case .text, .binary: nil
        }
    }

    /// Bits without a sign: flags, inputs.
    ///
    /// - Returns: nil where the data are no integer.
    var unsigned: RegisterValue? {
        guard coding == .integer, count > 0 else { return nil }
        return Int64(exactly: bits).map { .number(FixedDecimal($0)) } ?? .wide("\(bits)")
    }

    /// The characters in reading order (ISO 8859-1) without zeros behind them. Where they are no printable text, and
    /// for bytes, hexadecimal digits in the order of the wire.
    var text: String {
        guard coding == .text else { return Hex.string(bytes) }
        let characters = bytes.drop { $0 == 0 }
        return characters.allSatisfy(Latin1.isPrintable) ? Latin1.text(characters.reversed()) : Hex.string(bytes)
    }

    /// The point in time that the data are.
    var time: TimePoint? { coding == .integer ? TimePoint(bits, count: count) : nil }

    /// Hexadecimal digits, the most significant first.
    var digits: String {
        var result = ""
        for place in (0..<count).reversed() { result += Hex.string([byte(place)]) }
        return result
    }

    /// 80, 8000, …: a signed integer that is invalid (EN 13757-3, type B).
    private var isMarkedInvalid: Bool { bits == 1 << UInt64(8 * min(8, max(1, count)) - 1) }

    private var signed: Int64 {
        let shift = UInt64(64 - 8 * min(8, count))
        return Int64(bitPattern: bits << shift) >> Int64(shift)
    }

    private var real: Number {
        let number = Float(bitPattern: UInt32(truncatingIfNeeded: bits))
        return FixedDecimal(number).map { .number($0) } ?? .unavailable
    }

    /// Two digits in each byte. A first digit F is a minus sign; all F is how a meter says that it has no value.
    @inline(__always)
    private func decimal(isNegative: Bool) -> Number {
        // Nine bytes at most.
        var (low, high) = (bits, count > 8 ? UInt64(bytes[8]) : 0)
        let isAbsent = count > 8 ? low == .max && high == 0xFF : low == (1 << UInt64(8 * count)) &- 1
        guard !isAbsent else { return .unavailable }
        let hasSign = byte(count - 1) >> 4 == 0xF
        if hasSign, count > 8 { high &= 0x0F }
        if hasSign, count <= 8 { low &= ~(0xF << UInt64(8 * count - 4)) }
        guard let low = BinaryCodedDecimal.number(low), let high = BinaryCodedDecimal.number(high) else {
            return .damaged
        }
        let mantissa = high * 10_000_000_000_000_000 + low
        return .number(FixedDecimal(isNegative != hasSign ? -mantissa : mantissa))
    }
}

/// Sixteen digits of four bits each.
enum BinaryCodedDecimal {
    /// - Returns: nil where four bits are no digit.
    static func number(_ digits: UInt64) -> Int64? {
        // 10 to 15: bit 3 with bit 2 or bit 1.
        guard digits >> 3 & (digits >> 2 | digits >> 1) & 0x1111_1111_1111_1111 == 0 else { return nil }
        // Neighbours become one number of twice the bits, all at once: digits, pairs, fours, eights.
        let pairs = (digits >> 4 & 0x0F0F_0F0F_0F0F_0F0F) * 10 + (digits & 0x0F0F_0F0F_0F0F_0F0F)
        let fours = (pairs >> 8 & 0x00FF_00FF_00FF_00FF) * 100 + (pairs & 0x00FF_00FF_00FF_00FF)
        let eights = (fours >> 16 & 0x0000_FFFF_0000_FFFF) * 10_000 + (fours & 0x0000_FFFF_0000_FFFF)
        return Int64((eights >> 32) * 100_000_000 + (eights & 0xFFFF_FFFF))
    }
}

/// Texts of ISO 8859-1, one byte for each character.
enum Latin1 {
    static func isPrintable(_ byte: UInt8) -> Bool { (0x20...0x7E).contains(byte) || byte >= 0xA0 }

    static func text(_ bytes: some Sequence<UInt8>) -> String {
        var text = ""
        for byte in bytes { text.unicodeScalars.append(Unicode.Scalar(byte)) }
        return text
    }
}
