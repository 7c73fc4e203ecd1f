import Crypto

/// Other texts in the place of identifiers: of the same length, digits for digits, letters for letters, hexadecimal digits
/// for hexadecimal digits.
///
/// Within one bundle the same identifier has the same stand-in. Which it is depends on the salt, so that nobody can try
/// all serial numbers to find the one behind a stand-in.
struct StandIns {
    private let key: SymmetricKey

    init(salt: [UInt8]) {
        key = SymmetricKey(data: salt)
    }

    /// - Parameters:
    ///   - text: ASCII characters.
    ///   - keeps: characters at its start that stay.
    /// - Returns: the text itself where nothing in it could be another one.
    func standIn(for text: [UInt8], keeping keeps: Int = 0) -> [UInt8] {
        let zeros = text.dropFirst(keeps).prefix { $0 == UInt8(ascii: "0") }.count
        // The same number with and without zeros in front has the same stand-in.
        let significant = Array(text.dropFirst(keeps + zeros))
        let characters = CharacterClass(of: significant)
        for attempt in UInt8.min..<64 {
            let other = stream(for: significant, attempt: attempt, count: significant.count)
            let candidate = zip(significant, other).enumerated().map { index, pair in
                characters.replaced(pair.0, by: pair.1, isFirst: index == 0 && keeps == 0)
            }
            if candidate != significant, Self.fits(candidate, as: significant) {
                return text.prefix(keeps + zeros) + candidate
            }
        }
        return text
    }

    /// Whether a number needs no more bytes than the other one.
    private static func fits(_ candidate: [UInt8], as significant: [UInt8]) -> Bool {
        guard let old = BinaryNumber(digits: significant), let new = BinaryNumber(digits: candidate) else {
            return true
        }
        return new.bytes.count <= old.bytes.count
    }

    func stream(for text: [UInt8], attempt: UInt8, count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var block: UInt8 = 0
        while bytes.count < count {
            bytes += HMAC<SHA256>.authenticationCode(for: [attempt, block] + text, using: key)
            block &+= 1
        }
        return bytes
    }
}

/// What the characters of a text can be replaced by.
private enum CharacterClass {
    /// Digits, and F where it stands for any digit.
    case digits
    case hexadecimal
    case text

    init(of text: [UInt8]) {
        let isF = { (byte: UInt8) in byte == UInt8(ascii: "F") || byte == UInt8(ascii: "f") }
        if text.allSatisfy({ $0.isDigit || isF($0) }) {
            self = .digits
        } else if text.allSatisfy(\.isHexDigit) {
            self = .hexadecimal
        } else {
            self = .text
        }
    }

    func replaced(_ byte: UInt8, by random: UInt8, isFirst: Bool) -> UInt8 {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            // A number stays one of as many digits.
            isFirst ? UInt8(ascii: "1") + random % 9 : UInt8(ascii: "0") + random % 10
        case UInt8(ascii: "a")...UInt8(ascii: "z"): letter(byte, from: UInt8(ascii: "a"), random)
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): letter(byte, from: UInt8(ascii: "A"), random)
        // Other characters of UTF-8 cannot be replaced byte by byte.
        case 0x80...: UInt8(ascii: "x")
        default: byte
        }
    }

    private func letter(_ byte: UInt8, from first: UInt8, _ random: UInt8) -> UInt8 {
        switch self {
        case .digits: byte
        case .hexadecimal: first + random % 6
        case .text: first + random % 26
        }
    }
}

/// A whole number of any size as bytes, the most significant first, without zeros in front.
struct BinaryNumber {
    private(set) var bytes: [UInt8] = []

    /// - Returns: nil for anything but digits, and for more of them than a serial number has.
    init?(digits: some Sequence<UInt8>) {
        var count = 0
        for digit in digits {
            guard digit.isDigit, count < 40 else { return nil }
            count += 1
            append(digit - UInt8(ascii: "0"))
        }
        guard count > 0 else { return nil }
    }

    private mutating func append(_ digit: UInt8) {
        var carry = UInt16(digit)
        for index in bytes.indices.reversed() {
            carry += UInt16(bytes[index]) * 10
            bytes[index] = UInt8(truncatingIfNeeded: carry)
            carry >>= 8
        }
        if carry > 0 { bytes.insert(UInt8(truncatingIfNeeded: carry), at: 0) }
    }

    /// Decimal digits of a number, at least so many.
    static func digits(of bytes: [UInt8], atLeast count: Int) -> [UInt8] {
        var digits: [UInt8] = []
        var rest = Array(bytes.drop { $0 == 0 })
        while !rest.isEmpty {
            var remainder: UInt16 = 0
            for index in rest.indices {
                let value = remainder << 8 | UInt16(rest[index])
                rest[index] = UInt8(truncatingIfNeeded: value / 10)
                remainder = value % 10
            }
            digits.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: remainder))
            rest = Array(rest.drop { $0 == 0 })
        }
        let padding = max(0, max(1, count) - digits.count)
        return [UInt8](repeating: UInt8(ascii: "0"), count: padding) + digits.reversed()
    }
}

extension UInt8 {
    var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }

    var isLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20) }

    var isHexDigit: Bool { isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self | 0x20) }

    var isCapital: Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) }
}
