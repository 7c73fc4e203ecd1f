/// An exact decimal number: `mantissa × 10^exponent`.
///
/// It keeps every digit that a meter sent: `000123.450` is 123450 × 10⁻³ and prints as `123.450`.
/// Two numbers are equal when their values are (`1.50 == 1.5`).
public struct FixedDecimal: Sendable {
    public let mantissa: Int64
    public let exponent: Int8

    @inlinable
    public init(_ mantissa: Int64, exponent: Int8 = 0) {
        self.mantissa = mantissa
        self.exponent = exponent
    }

    public static let zero = FixedDecimal(0)

    /// The nearest binary number: for statistics only, never for a value that is shown.
    public var double: Double {
        // Dividing by a power of ten is exact to the last bit, multiplying by its inverse is not.
        exponent < 0
            ? Double(mantissa) / Self.doublePower(-Int(exponent))
            : Double(mantissa) * Self.doublePower(Int(exponent))
    }

    private static func doublePower(_ n: Int) -> Double {
        var result = 1.0
        for _ in 0..<n { result *= 10 }
        return result
    }

    public var isNegative: Bool { mantissa < 0 }
    public var isZero: Bool { mantissa == 0 }
}

// MARK: - Text

extension FixedDecimal {
    /// Reads `123`, `-0.5`, `+000.8`, `000123.450`, `.5` and the exponent form `1.5e-05`.
    /// Leading zeros are dropped, digits behind the point are kept.
    ///
    /// - Returns: nil for anything else, and for more digits than 64 bits hold.
    public init?(_ text: some StringProtocol) {
        let ascii = Array(text.utf8)
        self.init(ascii: ascii.span)
    }

    /// The same over the bytes of a telegram.
    public init?(ascii: Span<UInt8>) {
        var index = 0
        let isNegative = ascii.count > 0 && ascii[0] == UInt8(ascii: "-")
        if isNegative || (ascii.count > 0 && ascii[0] == UInt8(ascii: "+")) { index = 1 }

        var mantissa: Int64 = 0
        var digits = 0
        var decimals = 0
        var seenPoint = false
        while index < ascii.count {
            let byte = ascii[index]
            if byte == UInt8(ascii: "."), !seenPoint {
                seenPoint = true
            } else if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
                // Built downwards: the range of Int64 has one more negative number.
                let (tens, overflow) = mantissa.multipliedReportingOverflow(by: 10)
                let (sum, carry) = tens.subtractingReportingOverflow(Int64(byte &- UInt8(ascii: "0")))
                guard !overflow, !carry else { return nil }
                mantissa = sum
                digits += 1
                if seenPoint { decimals += 1 }
            } else {
                break
            }
            index += 1
        }
        guard digits > 0 else { return nil }
        guard let exponent = Self.exponent(in: ascii, at: index, decimals: decimals) else { return nil }
        if !isNegative {
            guard mantissa != .min else { return nil }
            mantissa = -mantissa
        }
        self.init(mantissa, exponent: exponent)
    }

    private static func exponent(in ascii: Span<UInt8>, at start: Int, decimals: Int) -> Int8? {
        var written = 0
        var index = start
        if index < ascii.count {
            guard ascii[index] | 0x20 == UInt8(ascii: "e") else { return nil }
            index += 1
            let isNegative = index < ascii.count && ascii[index] == UInt8(ascii: "-")
            if isNegative || (index < ascii.count && ascii[index] == UInt8(ascii: "+")) { index += 1 }
            guard index < ascii.count, ascii.count - index <= 3 else { return nil }
            while index < ascii.count {
                let byte = ascii[index]
                guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
                written = written * 10 + Int(byte - UInt8(ascii: "0"))
                index += 1
            }
            if isNegative { written = -written }
        }
        return Int8(exactly: written - decimals)
    }

    /// The shortest decimal that reads back as the same binary number.
    ///
    /// - Returns: nil for an infinity, a NaN, and what does not fit 64 bits of digits.
    public init?(_ number: Float) {
        guard number.isFinite else { return nil }
        if let short = Self.short(number) { self = short; return }
        self.init(shortest: "\(number)")
    }

    /// The same where six decimals are enough, without the way over a text. 24 bits times a power of ten up to 10⁶ are
    /// exact in 53 bits, so the decimal that is tried is the nearest of its length.
    private static func short(_ number: Float) -> FixedDecimal? {
        guard number.magnitude < 0x1p24 else { return nil }
        var power = 1.0
        for decimals in Int8(0)...6 {
            let digits = (Double(number) * power).rounded(.toNearestOrEven)
            if Float(digits / power) == number { return FixedDecimal(Int64(digits), exponent: -decimals) }
            power *= 10
        }
        return nil
    }

    /// The shortest decimal that reads back as the same binary number.
    ///
    /// - Returns: nil for an infinity, a NaN, and what does not fit 64 bits of digits.
    public init?(_ number: Double) {
        guard number.isFinite else { return nil }
        self.init(shortest: "\(number)")
    }

    /// `2310.0` is how the language prints a whole number; the wire had no such digit.
    private init?(shortest text: String) {
        self.init(text.hasSuffix(".0") ? text.dropLast(2) : text[...])
    }
}

extension FixedDecimal: CustomStringConvertible {
    /// Plain digits, never an exponent: a JSON number.
    public var description: String {
        var bytes: [UInt8] = []
        write(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the digits to a text that is being built.
    public func write(to bytes: inout [UInt8]) {
        if mantissa < 0 { bytes.append(UInt8(ascii: "-")) }
        let start = bytes.count
        var rest = mantissa.magnitude
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        let decimals = Int(-Int(exponent))
        // Digits stand reversed until the end, so leading zeros and the point go behind them.
        while decimals > 0, bytes.count - start <= decimals { bytes.append(UInt8(ascii: "0")) }
        bytes[start...].reverse()
        if decimals > 0 {
            bytes.insert(UInt8(ascii: "."), at: bytes.count - decimals)
        } else if mantissa != 0 {
            for _ in 0..<(-decimals) { bytes.append(UInt8(ascii: "0")) }
        }
    }
}

// MARK: - Arithmetic

extension FixedDecimal {
    /// The same digits with the point moved `power` places to the right.
    ///
    /// - Returns: nil when the exponent leaves its range.
    @inlinable
    public func scaled(byPowerOfTen power: Int) -> FixedDecimal? {
        let (sum, overflow) = Int(exponent).addingReportingOverflow(power)
        guard !overflow, let exponent = Int8(exactly: sum) else { return nil }
        return FixedDecimal(mantissa, exponent: exponent)
    }

    /// The exact sum.
    ///
    /// - Returns: nil when it does not fit.
    public func adding(_ other: FixedDecimal) -> FixedDecimal? {
        combining(other) { $0.addingReportingOverflow($1) } ?? (isZero ? other : other.isZero ? self : nil)
    }

    /// The exact difference.
    ///
    /// - Returns: nil when it does not fit.
    public func subtracting(_ other: FixedDecimal) -> FixedDecimal? {
        combining(other) { $0.subtractingReportingOverflow($1) } ?? (other.isZero ? self : nil)
    }

    private func combining(
        _ other: FixedDecimal, _ operation: (Int64, Int64) -> (partialValue: Int64, overflow: Bool)
    ) -> FixedDecimal? {
        let common = min(exponent, other.exponent)
        guard let left = mantissa(at: common), let right = other.mantissa(at: common) else { return nil }
        let (result, overflow) = operation(left, right)
        return overflow ? nil : FixedDecimal(result, exponent: common)
    }

    /// The mantissa that the same value has at a smaller exponent.
    private func mantissa(at exponent: Int8) -> Int64? {
        var result = mantissa
        guard result != 0 else { return 0 }
        for _ in 0..<max(0, Int(self.exponent) - Int(exponent)) {
            let (next, overflow) = result.multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            result = next
        }
        return result
    }

    /// Without trailing zeros behind the point, zero as 0 × 10⁰: one form for each value.
    private var normalized: (mantissa: Int64, exponent: Int) {
        guard mantissa != 0 else { return (0, 0) }
        var (digits, power) = (mantissa, Int(exponent))
        while digits % 10 == 0 {
            digits /= 10
            power += 1
        }
        return (digits, power)
    }
}

extension FixedDecimal: Hashable, Comparable {
    public static func == (lhs: FixedDecimal, rhs: FixedDecimal) -> Bool {
        lhs.normalized == rhs.normalized
    }

    public func hash(into hasher: inout Hasher) {
        let (mantissa, exponent) = normalized
        hasher.combine(mantissa)
        hasher.combine(exponent)
    }

    public static func < (lhs: FixedDecimal, rhs: FixedDecimal) -> Bool {
        let (left, right) = (lhs.mantissa.signum(), rhs.mantissa.signum())
        guard left == right, left != 0 else { return left < right }
        let common = min(lhs.exponent, rhs.exponent)
        switch (lhs.mantissa(at: common), rhs.mantissa(at: common)) {
        case (let left?, let right?): return left < right
        // What does not fit at the common exponent is the larger magnitude.
        case (nil, _): return left < 0
        case (_, nil): return left > 0
        }
    }
}

extension FixedDecimal: ExpressibleByIntegerLiteral {
    public init(integerLiteral value: Int64) {
        self.init(value)
    }
}
