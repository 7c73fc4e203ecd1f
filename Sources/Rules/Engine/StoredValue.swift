import OBIS

/// A JSON text that was read back: what an engine stored before a restart.
indirect enum StoredValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case number(FixedDecimal)
    case string(String)
    case array([StoredValue])
    case object([String: StoredValue])

    /// More bytes than an engine ever stores.
    static let mostBytes = 65_536
    static let deepestNesting = 16

    /// - Returns: nil for anything that is not one whole JSON text, and for what is too large or too deep.
    init?(_ bytes: [UInt8]) {
        guard bytes.count <= Self.mostBytes else { return nil }
        var reader = JSONReader(bytes: bytes)
        guard let value = reader.value(depth: 0), reader.isAtEnd else { return nil }
        self = value
    }

    subscript(key: String) -> StoredValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    var number: FixedDecimal? {
        if case .number(let value) = self { value } else { nil }
    }

    var double: Double? { number?.double }

    var integer: Int? {
        guard let number, number.exponent == 0 else { return nil }
        return Int(exactly: number.mantissa)
    }

    var string: String? {
        if case .string(let value) = self { value } else { nil }
    }

    var timestamp: Timestamp? { string.flatMap { Timestamp($0) } }

    var array: [StoredValue]? {
        if case .array(let values) = self { values } else { nil }
    }
}

/// Reads what `JSONWriter` writes (RFC 8259), and refuses everything else without a trap.
private struct JSONReader {
    let bytes: [UInt8]
    private var index = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { index == bytes.count }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    mutating func value(depth: Int) -> StoredValue? {
        guard depth < StoredValue.deepestNesting, let next else { return nil }
        switch next {
        case UInt8(ascii: "{"): return object(depth: depth + 1)
        case UInt8(ascii: "["): return array(depth: depth + 1)
        case UInt8(ascii: "\""): return string().map { .string($0) }
        case UInt8(ascii: "n"): return literal("null", .null)
        case UInt8(ascii: "t"): return literal("true", .bool(true))
        case UInt8(ascii: "f"): return literal("false", .bool(false))
        default: return number()
        }
    }

    private mutating func literal(_ word: StaticString, _ value: StoredValue) -> StoredValue? {
        for character in "\(word)".unicodeScalars {
            guard take(character) else { return nil }
        }
        return value
    }

    private mutating func number() -> StoredValue? {
        let start = index
        while let next, next == UInt8(ascii: "-") || next == UInt8(ascii: ".") || (48...57).contains(next) {
            index += 1
        }
        return FixedDecimal(ascii: bytes[start..<index].span).map { .number($0) }
    }

    private mutating func object(depth: Int) -> StoredValue? {
        var members: [String: StoredValue] = [:]
        guard take("{") else { return nil }
        if take("}") { return .object(members) }
        repeat {
            guard let key = string(), take(":"), let value = value(depth: depth) else { return nil }
            members[key] = value
        } while take(",")
        return take("}") ? .object(members) : nil
    }

    private mutating func array(depth: Int) -> StoredValue? {
        var values: [StoredValue] = []
        guard take("[") else { return nil }
        if take("]") { return .array(values) }
        repeat {
            guard let value = value(depth: depth) else { return nil }
            values.append(value)
        } while take(",")
        return take("]") ? .array(values) : nil
    }

    private mutating func string() -> String? {
        guard take("\"") else { return nil }
        var text: [UInt8] = []
        while let byte = next {
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return String(validating: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let escaped = escaped() else { return nil }
                text.append(escaped)
            case 0..<0x20: return nil
            default: text.append(byte)
            }
        }
        return nil
    }

    /// What follows a reverse solidus. Only control characters are written as numbers.
    private mutating func escaped() -> UInt8? {
        guard let byte = next else { return nil }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return byte
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "u"):
            guard index + 4 <= bytes.count else { return nil }
            let digits = String(decoding: bytes[index..<(index + 4)], as: UTF8.self)
            index += 4
            guard let code = UInt16(digits, radix: 16), code < 0x80 else { return nil }
            return UInt8(code)
        default: return nil
        }
    }
}
