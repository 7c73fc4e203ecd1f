import OBIS

/// A text by which a meter or its installation could be recognised, and what stands for it.
struct Identifier: Hashable {
    let text: [UInt8]
    let standIn: [UInt8]

    /// A form in which it can stand in bytes, and the same form of the stand-in.
    struct Pattern: Hashable {
        let bytes: [UInt8]
        let replacement: [UInt8]
        /// A number in binary or in packed digits, which a measured value could be as well.
        let isNumeric: Bool
        /// Whether parts of it are looked for in what is damaged.
        var hasParts = true
    }

    /// Fewer characters occur by chance in too many places.
    static let shortest = 6

    /// Without zeros in front.
    static func significantCount(_ text: [UInt8]) -> Int { text.drop { $0 == UInt8(ascii: "0") }.count }

    var isLong: Bool { Self.significantCount(text) >= Self.shortest }

    // MARK: Forms

    /// Empty for one that is too short to be looked for.
    var patterns: [Pattern] {
        guard isLong else { return [] }
        return texts + packed + numbers
    }

    /// In log lines and JSON, where binary forms are shown as hexadecimal digits.
    var printedPatterns: [Pattern] {
        guard isLong else { return [] }
        return texts
            + (packed + numbers).flatMap { pattern in
                Self.cases(Hex.string(pattern.bytes), Hex.string(pattern.replacement))
            }
    }

    /// The characters, also reversed, without zeros in front, and as hexadecimal digits.
    private var texts: [Pattern] {
        let zeros = min(text.count - Self.significantCount(text), standIn.count)
        let short = (Array(text.dropFirst(zeros)), Array(standIn.dropFirst(zeros)))
        var patterns: [Pattern] = []
        for (old, new) in zeros == 0 ? [short] : [(text, standIn), short] {
            let strings = (String(decoding: old, as: UTF8.self), String(decoding: new, as: UTF8.self))
            patterns += Self.cases(strings.0, strings.1)
            patterns.append(Pattern(bytes: old, replacement: new, isNumeric: false))
            // Only M-Bus has this, and twice as many parts would be found in too many values.
            patterns.append(
                Pattern(bytes: old.reversed(), replacement: new.reversed(), isNumeric: false, hasParts: false))
            patterns += Self.cases(Hex.string(old), Hex.string(new))
        }
        return patterns
    }

    private static func cases(_ old: String, _ new: String) -> [Pattern] {
        [(old.lowercased(), new.lowercased()), (old.uppercased(), new.uppercased())].compactMap { old, new in
            let (old, new) = (Array(old.utf8), Array(new.utf8))
            return old.count == new.count ? Pattern(bytes: old, replacement: new, isNumeric: false) : nil
        }
    }

    /// Two hexadecimal digits in each byte, in both orders.
    private var packed: [Pattern] {
        let padding: [UInt8] = text.count.isMultiple(of: 2) ? [] : [UInt8(ascii: "0")]
        guard text.allSatisfy(\.isHexDigit), let old = Hex.bytes(padding + text), let new = Hex.bytes(padding + standIn)
        else { return [] }
        return Self.bothOrders(old, new)
    }

    /// A binary number of four bytes or more, in both orders.
    private var numbers: [Pattern] {
        guard let old = BinaryNumber(digits: text)?.bytes, let new = BinaryNumber(digits: standIn)?.bytes,
            old.count >= 3
        else { return [] }
        let width = max(4, old.count, new.count)
        func padded(_ bytes: [UInt8]) -> [UInt8] { [UInt8](repeating: 0, count: width - bytes.count) + bytes }
        return Self.bothOrders(padded(old), padded(new))
    }

    private static func bothOrders(_ old: [UInt8], _ new: [UInt8]) -> [Pattern] {
        [
            Pattern(bytes: old, replacement: new, isNumeric: true),
            Pattern(bytes: old.reversed(), replacement: new.reversed(), isNumeric: true),
        ]
    }
}

extension Identifier {
    /// How many characters at the start name a country, a maker or a medium, and stay: `LGZ1030…`, `1EMH00…`, `E0012…`,
    /// and the octets of an SML server id.
    static func makerPrefix(of text: [UInt8]) -> Int {
        if let prefix = serverPrefix(of: text) { return prefix }
        let medium = text.first.map { $0.isDigit } == true && text.dropFirst().first?.isCapital == true ? 1 : 0
        let letters = text.dropFirst(medium).prefix(while: \.isCapital).count
        let rest = text.dropFirst(medium + letters)
        guard (1...4).contains(letters), rest.count >= 4, rest.allSatisfy({ $0.isDigit || $0.isLetter }),
            rest.contains(where: \.isDigit)
        else { return 0 }
        return medium + letters
    }

    /// Hexadecimal digits of `0A medium maker block` or `06 maker`.
    private static func serverPrefix(of text: [UInt8]) -> Int? {
        guard text.count == 20, text.allSatisfy(\.isHexDigit), let octets = Hex.bytes(text) else { return nil }
        if [0x09, 0x0A].contains(octets[0]), octets[2..<5].allSatisfy(\.isCapital) { return 12 }
        return octets[0] == 0x06 && octets[1..<4].allSatisfy(\.isCapital) ? 8 : nil
    }
}
