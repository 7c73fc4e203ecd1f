import OBIS

/// A maker's three letters in fifteen bits (IEC 62056-21, A.2, as EN 13757-3 packs them): five bits for each letter,
/// the first highest, 1 for A.
enum Manufacturer {
    private static let letterBase: UInt8 = 0x40

    /// - Returns: nil where a letter is none, as in the 0 of a meter that names no maker.
    static func letters(of code: UInt16) -> String? {
        func number(_ place: Int) -> UInt8 { UInt8(truncatingIfNeeded: code >> UInt16(10 - 5 * place) & 0x1F) }
        for place in 0..<3 where !(1...26).contains(number(place)) { return nil }
        guard code < 0x8000 else { return nil }
        return String(count: 3) { number($0) + letterBase }
    }

    /// - Returns: nil for anything but three letters.
    static func code(of letters: some StringProtocol) -> UInt16? {
        let ascii = Array(letters.utf8)
        guard ascii.count == 3 else { return nil }
        var code: UInt16 = 0
        for letter in ascii {
            let capital = letter & ~0x20
            guard (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(capital) else { return nil }
            code = code << 5 | UInt16(capital - letterBase)
        }
        return code
    }
}
