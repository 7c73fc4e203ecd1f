import OBIS

extension Register {
    /// One value of a data set as a register.
    ///
    /// - Parameters:
    ///   - address: as printed, empty where there is none.
    ///   - printed: what stands between the parentheses, `value`, `value*unit` or nothing.
    ///   - index: the position where several values share the address, or where there is no address.
    init(address: [UInt8], printed: [UInt8], index: Int?) {
        let (value, unit) = Self.split(printed)
        let code = ObisCode(ascii: address.span)
        let name = address.text
        self.init(
            obis: code,
            printedCode: name.isEmpty || name == code?.description ? nil : name,
            value: RegisterValue(printed: value),
            unit: unit.flatMap { Unit(printed: $0.text) },
            text: value.text,
            index: index)
    }

    /// The unit stands behind the last asterisk: a value such as `088*C&082` has asterisks of its own. A value of
    /// nothing but asterisks is one that the meter does not have.
    private static func split(_ printed: [UInt8]) -> (value: ArraySlice<UInt8>, unit: ArraySlice<UInt8>?) {
        let asterisk = UInt8(ascii: "*")
        guard let separator = printed.lastIndex(of: asterisk), !RegisterValue.isPlaceholder(printed.trimmed) else {
            return (printed[...], nil)
        }
        return (printed[..<separator], printed[(separator + 1)...])
    }
}

extension RegisterValue {
    /// A number with every digit, a text, or `----` and `********` for a value that the meter does not have.
    init(printed: ArraySlice<UInt8>) {
        let content = printed.trimmed
        if Self.isPlaceholder(content) {
            self = .unavailable
        } else if Self.isNumber(content) {
            self = FixedDecimal(content.text).map { .number($0) } ?? .wide(content.text)
        } else {
            self = .text(content.text)
        }
    }

    /// Dashes or asterisks where digits would stand: `----`, `******.**`, `--:--:--`.
    static func isPlaceholder(_ content: ArraySlice<UInt8>) -> Bool {
        content.contains { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "*") }
            && content.allSatisfy { noValue.contains($0) }
    }

    private static let noValue = Set("-*.,: ".utf8)

    /// Digits with at most one point and a sign before them. An exponent is none: `001E05` is a status word.
    private static func isNumber(_ content: ArraySlice<UInt8>) -> Bool {
        var rest = content
        if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
        let points = rest.count { $0 == UInt8(ascii: ".") }
        let digits = rest.count { $0.isDigit }
        return digits > 0 && points <= 1 && digits + points == rest.count
    }
}
