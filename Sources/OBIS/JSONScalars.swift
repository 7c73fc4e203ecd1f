/// The numbers, texts, truth values and nulls of a JSON text, with the way to each and every digit as it is written.
///
/// For texts of our own making: reads no deeper than `deepest`, and gives nothing of what is no JSON object.
public struct JSONScalars: Sendable {
    public enum Value: Sendable, Hashable {
        case null
        case bool(Bool)
        /// The digits.
        case number(String)
        case text(String)
    }

    public struct Member: Sendable, Hashable {
        /// Names of the objects around it, then its own; an array's items have its name.
        public let path: [String]
        public let value: Value
    }

    private static let deepest = 8

    /// In the order of the text.
    public private(set) var members: [Member] = []
    private let bytes: [UInt8]
    private var index = 0
    private var path: [String] = []

    /// - Returns: nil where the bytes are no JSON object, or are nested too deeply.
    public init?(_ bytes: [UInt8]) {
        self.bytes = bytes
        guard next == UInt8(ascii: "{"), value(), index == bytes.count else { return nil }
    }

    // MARK: Structure

    /// What stands at the index, behind blanks.
    private var next: UInt8? {
        mutating get {
            while index < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[index]) { index += 1 }
            return index < bytes.count ? bytes[index] : nil
        }
    }

    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: byte) else { return false }
        index += 1
        return true
    }

    private mutating func value() -> Bool {
        switch next {
        case UInt8(ascii: "{")?: return object()
        case UInt8(ascii: "[")?: return array()
        case UInt8(ascii: "\"")?: return add(text().map { .text($0) })
        default: return add(word())
        }
    }

    private mutating func add(_ value: Value?) -> Bool {
        guard let value else { return false }
        members.append(Member(path: path, value: value))
        return true
    }

    private mutating func object() -> Bool {
        guard take("{"), path.count < Self.deepest else { return false }
        if take("}") { return true }
        repeat {
            guard next == UInt8(ascii: "\""), let name = text(), take(":") else { return false }
            path.append(name)
            guard value() else { return false }
            path.removeLast()
        } while take(",")
        return take("}")
    }

    private mutating func array() -> Bool {
        guard take("[") else { return false }
        if take("]") { return true }
        // Only objects count as depth: an array of arrays is none of ours.
        repeat {
            guard next != UInt8(ascii: "["), value() else { return false }
        } while take(",")
        return take("]")
    }

    // MARK: Scalars

    private mutating func word() -> Value? {
        let start = index
        while index < bytes.count, Self.isOfWord(bytes[index]) { index += 1 }
        switch String(decoding: bytes[start..<index], as: UTF8.self) {
        case "null": return .null
        case "true": return .bool(true)
        case "false": return .bool(false)
        case let digits where Self.isNumber(digits): return .number(digits)
        default: return nil
        }
    }

    private static func isOfWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: "+"), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    /// Plain digits with a sign and a point, as we write them; no exponents.
    private static func isNumber(_ text: String) -> Bool {
        let parts = text.drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
        return text.prefix { $0 == "-" }.count <= 1 && (1...2).contains(parts.count)
            && parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }
    }

    private mutating func text() -> String? {
        index += 1
        var text: [UInt8] = []
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let escaped = escaped() else { return nil }
                text += escaped
            case 0..<0x20: return nil
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func escaped() -> [UInt8]? {
        guard index < bytes.count else { return nil }
        let byte = bytes[index]
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            guard index + 4 <= bytes.count else { return nil }
            let digits = String(decoding: bytes[index..<index + 4], as: UTF8.self)
            index += 4
            // We write only control characters in this way, so that no pair of surrogates comes.
            return UInt32(digits, radix: 16).flatMap { Unicode.Scalar($0) }.map { Array(String($0).utf8) }
        default: return nil
        }
    }
}
