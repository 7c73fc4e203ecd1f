import OBIS
import Wire

/// How an identity stands on the wire, as the text that it means, and back.
extension FrameSurvey.Identity.Form {
    /// - Returns: nil for what is none: empty, all zeros, all F, a secret.
    func text(of bytes: [UInt8]) -> [UInt8]? {
        let text: [UInt8]? =
            switch self {
            case .text: bytes
            case .reversedText: bytes.reversed()
            case .hexadecimalText: Hex.bytes(bytes)
            case .digits: Self.upperHex(bytes)
            case .reversedDigits: Self.upperHex(bytes.reversed())
            case .number(let digits): BinaryNumber.digits(of: bytes, atLeast: digits)
            case .reversedNumber: BinaryNumber.digits(of: bytes.reversed(), atLeast: 0)
            case .octets: Array(Hex.string(bytes).utf8)
            case .secret: nil
            }
        guard let text, text.contains(where: { !Self.unset.contains($0) }) else { return nil }
        return text
    }

    private static let unset = Set("0Ff \0".utf8)

    private static func upperHex(_ bytes: [UInt8]) -> [UInt8] { Array(Hex.string(bytes).uppercased().utf8) }

    /// The wire's form of a text of as many characters as `original` means.
    ///
    /// - Returns: nil where it does not fit.
    func encoded(_ text: [UInt8], like original: [UInt8]) -> [UInt8]? {
        let bytes: [UInt8]? =
            switch self {
            case .text: text
            case .reversedText: text.reversed()
            case .hexadecimalText: Self.hexadecimal(text, like: original)
            case .digits, .octets: Hex.bytes(text)
            case .reversedDigits: Hex.bytes(text)?.reversed()
            case .number: Self.padded(BinaryNumber(digits: text), to: original.count)
            case .reversedNumber: Self.padded(BinaryNumber(digits: text), to: original.count)?.reversed()
            case .secret: [UInt8](repeating: UInt8(ascii: "0"), count: original.count)
            }
        return bytes.flatMap { $0.count == original.count ? $0 : nil }
    }

    private static func padded(_ number: BinaryNumber?, to count: Int) -> [UInt8]? {
        guard let number, number.bytes.count <= count else { return nil }
        return [UInt8](repeating: 0, count: count - number.bytes.count) + number.bytes
    }

    private static func hexadecimal(_ text: [UInt8], like original: [UInt8]) -> [UInt8] {
        let isLower = original.contains { $0 >= UInt8(ascii: "a") }
        let digits = Hex.string(text)
        return Array((isLower ? digits : digits.uppercased()).utf8)
    }
}
