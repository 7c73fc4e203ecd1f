import OBIS
import Wire

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
            identification = Octets.text(octets.rawSpan)
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
        var number: UInt32 = 0
        for octet in octets[6..<10] { number = number << 8 | UInt32(octet) }
        guard octets[1] <= 15, number <= 99_999_999 else { return nil }
        var rest = number
        var digits: UInt64 = 0
        for place in 0..<8 {
            digits |= UInt64(rest % 10) << UInt64(8 * place)
            rest /= 10
        }
        let text = String(count: 14) { place in
            switch place {
            case 0: hexDigit(octets[1])
            case 1...3: octets[1 + place]
            case 4: hexDigit(octets[5] >> 4)
            case 5: hexDigit(octets[5] & 15)
            default: UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digits >> UInt64(8 * (13 - place)))
            }
        }
        return (text, number)
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
    static func text(_ octets: RawSpan) -> String {
        for index in 0..<octets.byteCount where octets[byte: index] < 0x20 || octets[byte: index] > 0x7E {
            return Hex.string(octets)
        }
        return octets.text
    }
}
