import OBIS

/// The identification by which a meter signs its messages (DIN 43863-5).
///
///     0A or 09 | medium 1 | maker 3 | block 1 | number 4        0A01 454D48 00 00715A2B is 1EMH0007428651
///     06       | maker 3  | 6 octets                            the older form of EMH
///
/// `0A` counts itself and `09`, of older meters, does not. As printed on meters: medium, maker, the block as two
/// hexadecimal digits, the number as eight decimal ones.
struct ServerID: Hashable {
    /// As printed where the octets have that form, else text where all are printable, else hexadecimal digits.
    let identification: String
    let manufacturer: String?
    let medium: Medium?
    /// The eight digits of the printed form.
    let number: UInt32?

    init(_ octets: [UInt8]) {
        let letters = Self.letters(octets)
        manufacturer = letters.map { String(decoding: octets[$0], as: UTF8.self) }
        guard let letters, letters.lowerBound == 2, let printed = Self.printed(octets) else {
            identification = Octets.text(octets)
            medium = nil
            number = nil
            return
        }
        (identification, number) = printed
        medium = Self.medium(octets[1])
    }

    /// Where the maker's letters stand.
    private static func letters(_ octets: [UInt8]) -> Range<Int>? {
        guard octets.count == 10 else { return nil }
        let range =
            switch octets[0] {
            case 0x09, 0x0A: 2..<5
            case 0x06: 1..<4
            default: 0..<0
            }
        let areLetters = octets[range].allSatisfy { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
        return range.isEmpty || !areLetters ? nil : range
    }

    /// - Returns: nil where a part is too large for its digits.
    private static func printed(_ octets: [UInt8]) -> (String, UInt32)? {
        let number = octets[6...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard octets[1] <= 15, number <= 99_999_999 else { return nil }
        var text: [UInt8] = []
        text.reserveCapacity(14)
        text.append(hexDigit(octets[1]))
        text += octets[2..<5]
        text.append(hexDigit(octets[5] >> 4))
        text.append(hexDigit(octets[5] & 15))
        var power: UInt32 = 10_000_000
        while power > 0 {
            text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / power % 10))
            power /= 10
        }
        return (String(decoding: text, as: UTF8.self), number)
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }

    /// The media of DIN 43863-5, which are those of OBIS value group A.
    private static func medium(_ code: UInt8) -> Medium {
        switch code {
        case 1: .electricity
        case 4, 5, 6: .heat
        case 7: .gas
        case 8, 9: .water
        default: .other
        }
    }
}

/// How octets without a type of their own are shown.
enum Octets {
    /// Text where all octets are printable, else hexadecimal digits.
    static func text(_ octets: [UInt8]) -> String {
        octets.allSatisfy { (0x20...0x7E).contains($0) }
            ? String(decoding: octets, as: UTF8.self) : Hex.string(octets)
    }
}
