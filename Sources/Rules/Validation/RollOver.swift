import OBIS

/// A counter whose digits have ended and that has begun again at zero.
struct RollOver: Sendable, Hashable {
    let capacity: FixedDecimal
    /// The base unit of the counter; nil where it has no unit.
    let unit: Unit?

    /// No display is shorter than this, in base units: five digits of kWh with none behind the point are 10⁸ Wh,
    /// four of m3 are 10⁷ l.
    private static let fewestDigits = 7
    /// A counter is at the end of its digits within a hundredth of them, both sides of it taken together.
    private static let nearness = 100.0

    /// Looks for a number of digits at whose end the counter stood: decimal ones, or the 32 bits of a binary counter
    /// in the scale that it is sent with.
    ///
    /// - Parameter limit: how far it can have risen; nil where nobody knows.
    /// - Returns: how much the digits hold; nil where the counter fell from the middle or into it.
    static func capacity(from last: FixedDecimal, to number: FixedDecimal, _ limit: Double?) -> FixedDecimal? {
        guard !number.isNegative else { return nil }
        return capacities(holding: last).first { capacity in
            guard let rest = capacity.subtracting(last), let rise = rest.adding(number) else { return false }
            return rise.double <= min(limit ?? .infinity, capacity.double / nearness)
        }
    }

    /// Those that are larger than a value, the smallest of each kind.
    private static func capacities(holding value: FixedDecimal) -> [FixedDecimal] {
        let decimal = (fewestDigits...18).lazy.map { FixedDecimal(1, exponent: Int8($0)) }.first { $0 > value }
        let binary = FixedDecimal(1 << 32, exponent: value.exponent)
        return [decimal, binary > value ? binary : nil].compactMap { $0 }
    }
}
