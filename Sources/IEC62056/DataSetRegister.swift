import OBIS

extension Register {
    /// One value of a data set as a register.
    ///
    /// - Parameters:
    ///   - address: as printed, empty where there is none.
    ///   - printed: what stands between the parentheses, `value`, `value*unit` or nothing.
    ///   - index: the position where several values share the address, or where there is no address.
    init(address: Span<UInt8>, printed: Span<UInt8>, index: Int?) {
        self.init(
            address: address, code: ObisCode(ascii: address), printed: PrintedValue(printed), printed, index: index)
    }

    /// - Parameters:
    ///   - code: that the address is.
    ///   - places: of value and unit in what is printed.
    init(address: Span<UInt8>, code: ObisCode?, printed places: PrintedValue, _ printed: Span<UInt8>, index: Int?) {
        let isCanonical = address.isEmpty || code?.isSpelled(address) == true
        self.init(
            obis: code,
            printedCode: isCanonical ? nil : address.text,
            value: RegisterValue(printed: printed.extracting(places.content)),
            unit: places.unit.flatMap { Unit(ascii: printed.extracting($0)) },
            text: printed.extracting(places.value).text,
            index: index)
    }
}

/// Where value and unit stand between the parentheses.
struct PrintedValue {
    /// With the blanks around it.
    let value: Range<Int>
    /// Without them.
    let content: Range<Int>
    /// Nil where none is printed.
    let unit: Range<Int>?

    /// The unit stands behind the last asterisk: a value such as `088*C&082` has asterisks of its own. A value of
    /// nothing but asterisks is one that the meter does not have.
    init(_ printed: Span<UInt8>) {
        var separator = printed.count - 1
        while separator >= 0, printed[separator] != UInt8(ascii: "*") { separator -= 1 }
        if separator >= 0, !RegisterValue.isPlaceholder(printed.extracting(printed.content)) {
            value = 0..<separator
            unit = (separator + 1)..<printed.count
        } else {
            value = printed.indices
            unit = nil
        }
        content = printed.extracting(value).content
    }
}

extension RegisterValue {
    /// A number with every digit, a text, or `----` and `********` for a value that the meter does not have.
    ///
    /// - Parameter content: without blanks around it.
    init(printed content: Span<UInt8>) {
        if let number = Self.shortNumber(content) {
            self = .number(number)
        } else if Self.isPlaceholder(content) {
            self = .unavailable
        } else if Self.isNumber(content) {
            self = FixedDecimal(ascii: content).map { .number($0) } ?? .wide(content.text)
        } else if let comma = Self.comma(content) {
            var digits = content.array
            digits[comma] = UInt8(ascii: ".")
            self = RegisterValue(printed: digits.span)
        } else {
            self = .text(content.text)
        }
    }

    /// The usual number: digits without a sign and with at most one point, so few that nothing can overflow.
    ///
    /// - Returns: nil for anything else, which may be a number all the same.
    private static func shortNumber(_ content: Span<UInt8>) -> FixedDecimal? {
        guard content.count <= 18 else { return nil }
        var mantissa: Int64 = 0
        var point: Int?
        for index in content.indices {
            let byte = content[index]
            if byte.isDigit {
                mantissa = mantissa &* 10 &+ Int64(byte & 0x0F)
            } else if byte == UInt8(ascii: "."), point == nil {
                point = index
            } else {
                return nil
            }
        }
        guard content.count > (point == nil ? 0 : 1) else { return nil }
        let decimals = point.map { content.count - 1 - $0 } ?? 0
        return FixedDecimal(mantissa, exponent: Int8(truncatingIfNeeded: -decimals))
    }

    /// Dashes or asterisks where digits would stand: `----`, `******.**`, `--:--:--`.
    static func isPlaceholder(_ content: Span<UInt8>) -> Bool {
        var hasPlaceholder = false
        for index in content.indices {
            switch content[index] {
            case UInt8(ascii: "-"), UInt8(ascii: "*"): hasPlaceholder = true
            case UInt8(ascii: "."), UInt8(ascii: ","), UInt8(ascii: ":"), 0x20: break
            default: return false
            }
        }
        return hasPlaceholder
    }

    /// Where some meters print a comma for the point; nil where it does not stand between digits, or anything else is there.
    private static func comma(_ content: Span<UInt8>) -> Int? {
        var comma: Int?
        for index in content.indices where !content[index].isDigit {
            if content[index] == UInt8(ascii: ","), comma == nil {
                comma = index
            } else if index > 0 || content[index] != UInt8(ascii: "-") && content[index] != UInt8(ascii: "+") {
                return nil
            }
        }
        guard let comma, comma > 0, content[comma - 1].isDigit, comma < content.count - 1 else { return nil }
        return comma
    }

    /// Digits with at most one point and a sign before them. An exponent is none: `001E05` is a status word.
    private static func isNumber(_ content: Span<UInt8>) -> Bool {
        guard !content.isEmpty else { return false }
        let hasSign = content[0] == UInt8(ascii: "+") || content[0] == UInt8(ascii: "-")
        var points = 0
        for index in (hasSign ? 1 : 0)..<content.count where !content[index].isDigit {
            guard content[index] == UInt8(ascii: "."), points == 0 else { return false }
            points = 1
        }
        return content.count > points + (hasSign ? 1 : 0)
    }
}

extension Unit {
    /// - Returns: nil for blanks and for nothing.
    fileprivate init?(ascii: Span<UInt8>) {
        let spelling = ascii.extracting(ascii.content)
        if let packed = Self.packed(spelling) {
            for index in Self.common.indices where Self.common[index].spelling == packed {
                self = Self.common[index].unit
                return
            }
        }
        self.init(printed: ascii.text)
    }

    /// What meters print most, each spelling as one number.
    private static let common: [(spelling: UInt64, unit: Unit)] = [
        "kWh", "V", "A", "kW", "kvarh", "kvar", "m3", "Wh", "W", "Hz", "s", "GJ", "MWh",
    ].compactMap { spelling in
        let bytes = Array(spelling.utf8)
        guard let packed = packed(bytes.span), let unit = Unit(printed: spelling) else { return nil }
        return (packed, unit)
    }

    private static func packed(_ spelling: Span<UInt8>) -> UInt64? {
        guard !spelling.isEmpty, spelling.count <= 8 else { return nil }
        var packed: UInt64 = 0
        for index in spelling.indices { packed = packed << 8 | UInt64(spelling[index]) }
        return packed
    }
}

extension ObisCode {
    /// Whether the code is spelled in full and with nothing superfluous, `1-0:1.8.0*255`.
    func isSpelled(_ ascii: Span<UInt8>) -> Bool {
        // Most meters leave the last group out.
        guard ascii.count >= 11, (2...4).contains(where: { ascii[ascii.count - $0] == UInt8(ascii: "*") }) else {
            return false
        }
        var rest = 0
        return Self.takes(a, then: UInt8(ascii: "-"), ascii, &rest)
            && Self.takes(b, then: UInt8(ascii: ":"), ascii, &rest)
            && Self.takes(c, then: UInt8(ascii: "."), ascii, &rest)
            && Self.takes(d, then: UInt8(ascii: "."), ascii, &rest)
            && Self.takes(e, then: UInt8(ascii: "*"), ascii, &rest) && Self.takes(f, then: nil, ascii, &rest)
    }

    /// Whether a number without leading zeros stands at a place, and behind it a separator or the end. The place moves
    /// behind both.
    private static func takes(_ number: UInt8, then separator: UInt8?, _ ascii: Span<UInt8>, _ place: inout Int) -> Bool
    {
        let end = place + (number >= 100 ? 3 : number >= 10 ? 2 : 1)
        guard end <= ascii.count else { return false }
        var rest = number
        var index = end
        while index > place {
            index -= 1
            guard ascii[index] == UInt8(ascii: "0") + rest % 10 else { return false }
            rest /= 10
        }
        place = end + 1
        guard let separator else { return end == ascii.count }
        return end < ascii.count && ascii[end] == separator
    }
}
