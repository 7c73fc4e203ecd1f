import OBIS
import Wire

/// The data of one record as they stand on the wire.
///
/// With a variable length (LVAR) the first byte says what follows:
///
///     00–BF  so many characters            C0–C9, D0–D9  (n − C0), (n − D0) bytes of digits, positive, negative
///     E0–EF  (n − E0) bytes, a number      F0–F4, F5, F6  4 (n − EC), 48, 64 bytes
struct DataField: Hashable, Sendable {
    enum Coding: Hashable, Sendable {
        case none, integer, real, text, binary
        case decimal(isNegative: Bool)
    }

    let coding: Coding
    /// How many bytes they are.
    let count: Int
    /// Up to eight bytes as a number without a sign, unless it is `bytes` that has them.
    private let bits: UInt64
    /// Texts and long data: the least significant byte first, texts from their last character on.
    private let bytes: [UInt8]

    init(_ coding: Coding, number: UInt64, count: Int) {
        self.coding = coding
        self.count = count
        bits = number
        bytes = []
    }

    /// - Parameter isReversed: the most significant byte comes first (CI 76).
    init(_ coding: DataInformation.Coding, isReversed: Bool, _ reader: inout WireReader) throws(WireError) {
        switch coding {
        case .none: (self.coding, count) = (.none, 0)
        case .integer(let count): (self.coding, self.count) = (.integer, count)
        case .real: (self.coding, count) = (.real, 4)
        case .decimal(let count): (self.coding, self.count) = (.decimal(isNegative: false), count)
        case .variable: (self.coding, count) = try Self.variable(&reader)
        }
        if count <= 8, self.coding != .text, self.coding != .binary {
            bits = try reader.number(count, isReversed: isReversed)
            bytes = []
        } else {
            let sent = try reader.bytes(count)
            bits = 0
            bytes = isReversed ? sent.reversed() : sent
        }
    }

    /// By its place, the least significant first.
    private func byte(_ place: Int) -> UInt8 {
        bytes.isEmpty ? UInt8(truncatingIfNeeded: bits >> UInt64(8 * place)) : bytes[place]
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
        /// The meter has no value: every digit F, a NaN, no data at all.
        case unavailable
        /// Digits that are none.
        case damaged
    }

    /// - Returns: nil for a text and for more bytes than a number has.
    var number: Number? {
        switch coding {
        case .none: .unavailable
        case .integer: count == 0 ? .unavailable : .number(FixedDecimal(signed))
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
    var digits: String { Hex.string((0..<count).reversed().map(byte)) }

    private var signed: Int64 {
        let shift = UInt64(64 - 8 * min(8, count))
        return Int64(bitPattern: bits << shift) >> Int64(shift)
    }

    private var real: Number {
        let number = Float(bitPattern: UInt32(truncatingIfNeeded: bits))
        return FixedDecimal(number).map { .number($0) } ?? .unavailable
    }

    /// Two digits in each byte. A first digit F is a minus sign; all F is how a meter says that it has no value.
    private func decimal(isNegative: Bool) -> Number {
        var isNegative = isNegative
        guard (0..<count).contains(where: { byte($0) != 0xFF }) else { return .unavailable }
        var mantissa: Int64 = 0
        for place in (0..<count).reversed() {
            var high = byte(place) >> 4
            let low = byte(place) & 0xF
            if high == 0xF, place == count - 1 { (high, isNegative) = (0, !isNegative) }
            // Nine bytes at most: 18 digits fit.
            guard high <= 9, low <= 9, mantissa <= Int64.max / 100 - 1 else { return .damaged }
            mantissa = mantissa * 100 + Int64(high * 10 + low)
        }
        return .number(FixedDecimal(isNegative ? -mantissa : mantissa))
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
