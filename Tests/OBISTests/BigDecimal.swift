import OBIS

/// A decimal of any length, written digit by digit and slowly: the judge of `FixedDecimal`.
struct BigDecimal: Equatable {
    /// Most significant first, without zeros at either end; empty for zero.
    private(set) var digits: [Int]
    private(set) var isNegative: Bool
    /// The power of ten of the last digit.
    private(set) var exponent: Int

    init(digits: [Int], isNegative: Bool, exponent: Int) {
        var digits = Array(digits.drop { $0 == 0 })
        var exponent = exponent
        while digits.last == 0 {
            digits.removeLast()
            exponent += 1
        }
        self.digits = digits
        self.isNegative = isNegative && !digits.isEmpty
        self.exponent = digits.isEmpty ? 0 : exponent
    }

    init(_ number: FixedDecimal) {
        let digits = "\(number.mantissa.magnitude)".compactMap(\.wholeNumberValue)
        self.init(digits: digits, isNegative: number.mantissa < 0, exponent: Int(number.exponent))
    }

    /// Reads plain digits with at most one point.
    init(plain text: String) {
        let isNegative = text.hasPrefix("-")
        let parts = text.drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
        let digits = parts.joined().compactMap(\.wholeNumberValue)
        self.init(digits: digits, isNegative: isNegative, exponent: parts.count > 1 ? -parts[1].count : 0)
    }

    var negated: BigDecimal { BigDecimal(digits: digits, isNegative: !isNegative, exponent: exponent) }

    /// Whether this value times 10^-exponent is an integer of 64 bits.
    func fitsInt64(at common: Int) -> Bool {
        guard !digits.isEmpty else { return true }
        guard exponent >= common else { return false }
        let zeros = exponent - common
        guard digits.count + zeros <= 19 else { return false }
        let text = (isNegative ? "-" : "") + digits.map(String.init).joined() + String(repeating: "0", count: zeros)
        return Int64(text) != nil
    }

    static func + (left: BigDecimal, right: BigDecimal) -> BigDecimal {
        let common = min(left.exponent, right.exponent)
        let (l, r) = aligned(left, right, at: common)
        if left.isNegative == right.isNegative {
            return BigDecimal(digits: sum(l, r), isNegative: left.isNegative, exponent: common)
        }
        let isLeftLarger = !l.lexicographicallyPrecedes(r)
        let difference = isLeftLarger ? difference(l, r) : difference(r, l)
        return BigDecimal(
            digits: difference, isNegative: isLeftLarger ? left.isNegative : right.isNegative, exponent: common)
    }

    static func < (left: BigDecimal, right: BigDecimal) -> Bool {
        (left + right.negated).isNegative
    }

    /// Both as digits of the same power of ten and the same length.
    private static func aligned(_ left: BigDecimal, _ right: BigDecimal, at common: Int) -> ([Int], [Int]) {
        let l = left.digits + Array(repeating: 0, count: left.exponent - common)
        let r = right.digits + Array(repeating: 0, count: right.exponent - common)
        let width = max(l.count, r.count)
        return (
            Array(repeating: 0, count: width - l.count) + l,
            Array(repeating: 0, count: width - r.count) + r
        )
    }

    private static func sum(_ left: [Int], _ right: [Int]) -> [Int] {
        var result: [Int] = []
        var carry = 0
        for (l, r) in zip(left, right).reversed() {
            let total = l + r + carry
            result.append(total % 10)
            carry = total / 10
        }
        return [carry] + result.reversed()
    }

    /// `left` must not be smaller.
    private static func difference(_ left: [Int], _ right: [Int]) -> [Int] {
        var result: [Int] = []
        var borrow = 0
        for (l, r) in zip(left, right).reversed() {
            let total = l - r - borrow
            result.append((total + 10) % 10)
            borrow = total < 0 ? 1 : 0
        }
        return result.reversed()
    }
}
