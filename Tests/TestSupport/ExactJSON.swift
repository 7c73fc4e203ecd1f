/// A JSON text with its keys in their order and its numbers as they are written. The usual readers keep neither.
public indirect enum ExactJSON: Sendable, Equatable {
    case null
    case bool(Bool)
    /// The digits.
    case number(String)
    case string(String)
    case array([ExactJSON])
    case object([Member])

    public struct Member: Sendable, Equatable {
        public let key: String
        public let value: ExactJSON
    }

    /// - Returns: nil for a text that is no JSON.
    public init?(_ text: String) {
        var parser = Parser(bytes: Array(text.utf8))
        guard let value = parser.value(), parser.isAtEnd else { return nil }
        self = value
    }

    // MARK: Access

    /// The first member of this name.
    public subscript(key: String) -> ExactJSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    public subscript(index: Int) -> ExactJSON? {
        guard case .array(let items) = self, items.indices.contains(index) else { return nil }
        return items[index]
    }

    /// The names of an object's members, in order.
    public var keys: [String] {
        if case .object(let members) = self { members.map(\.key) } else { [] }
    }

    public var items: [ExactJSON] {
        if case .array(let items) = self { items } else { [] }
    }

    public var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// A number's digits.
    public var digits: String? {
        if case .number(let digits) = self { digits } else { nil }
    }

    public var int: Int? { digits.flatMap { Int($0) } }

    public var bool: Bool? {
        if case .bool(let flag) = self { flag } else { nil }
    }

    // MARK: Reading

    private struct Parser {
        let bytes: [UInt8]
        var index = 0

        var isAtEnd: Bool { index == bytes.count }

        private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

        private mutating func skipBlanks() {
            while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { index += 1 }
        }

        private mutating func take(_ text: String) -> Bool {
            guard bytes[index...].starts(with: text.utf8) else { return false }
            index += text.utf8.count
            return true
        }

        mutating func value() -> ExactJSON? {
            skipBlanks()
            defer { skipBlanks() }
            switch next {
            case UInt8(ascii: "{"): return object()
            case UInt8(ascii: "["): return array()
            case UInt8(ascii: "\""): return string().map { .string($0) }
            case UInt8(ascii: "t"): return take("true") ? .bool(true) : nil
            case UInt8(ascii: "f"): return take("false") ? .bool(false) : nil
            case UInt8(ascii: "n"): return take("null") ? .null : nil
            default: return number()
            }
        }

        private mutating func object() -> ExactJSON? {
            index += 1
            var members: [Member] = []
            skipBlanks()
            if take("}") { return .object([]) }
            repeat {
                skipBlanks()
                guard next == UInt8(ascii: "\""), let key = string() else { return nil }
                skipBlanks()
                guard take(":"), let value = value() else { return nil }
                members.append(Member(key: key, value: value))
            } while take(",")
            return take("}") ? .object(members) : nil
        }

        private mutating func array() -> ExactJSON? {
            index += 1
            var items: [ExactJSON] = []
            skipBlanks()
            if take("]") { return .array([]) }
            repeat {
                guard let value = value() else { return nil }
                items.append(value)
            } while take(",")
            return take("]") ? .array(items) : nil
        }

        /// RFC 8259, 6: no leading zero, no plus, no bare point.
        private mutating func number() -> ExactJSON? {
            let start = index
            _ = take("-")
            guard let first = next, isDigit(first) else { return nil }
            index += 1
            if first != UInt8(ascii: "0") { skipDigits() }
            if take(".") {
                guard let digit = next, isDigit(digit) else { return nil }
                skipDigits()
            }
            return .number(String(decoding: bytes[start..<index], as: UTF8.self))
        }

        private mutating func skipDigits() {
            while let byte = next, isDigit(byte) { index += 1 }
        }

        private func isDigit(_ byte: UInt8) -> Bool {
            byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
        }

        private mutating func string() -> String? {
            index += 1
            var text: [UInt8] = []
            while let byte = next {
                index += 1
                switch byte {
                case UInt8(ascii: "\""): return String(validating: text, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    guard let escaped = escape() else { return nil }
                    text += escaped
                case 0..<0x20: return nil
                default: text.append(byte)
                }
            }
            return nil
        }

        private mutating func escape() -> [UInt8]? {
            guard let byte = next else { return nil }
            index += 1
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
            case UInt8(ascii: "n"): return [0x0A]
            case UInt8(ascii: "r"): return [0x0D]
            case UInt8(ascii: "t"): return [0x09]
            case UInt8(ascii: "u"):
                guard index + 4 <= bytes.count else { return nil }
                let digits = String(decoding: bytes[index..<index + 4], as: UTF8.self)
                index += 4
                return UInt32(digits, radix: 16).flatMap { Unicode.Scalar($0) }.map {
                    Array(String($0).utf8)
                }
            default: return nil
            }
        }
    }
}
