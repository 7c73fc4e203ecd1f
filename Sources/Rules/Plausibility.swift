import OBIS

/// What a quantity can physically be: wide bounds that only a wrong scale or a damaged value exceeds.
///
/// Exceeding a contract or a fuse is an anomaly, not a matter of quality. Negative power is export; zero
/// is a value.
struct Plausibility {
    private let power: ClosedRange<Double>
    private let current: ClosedRange<Double>

    /// Three times the largest stated limit, else 1 MW; three times the fuse, else 5 kA.
    init(limits: InstallationLimits) {
        let largest = 3 * (limits.largestPower ?? 1_000_000 / 3)
        power = -largest...largest
        let amperes = limits.fuse.map { 3 * $0.double } ?? 5000
        current = -amperes...amperes
    }

    /// - Returns: why the value cannot be right; nil when it can, and when nothing is known about it.
    func objection(to number: FixedDecimal, unit: Unit?, code: ObisCode) -> String? {
        guard code.a == 1, code.f == 255, code.d == 7, code.e == 0 || code.e == 255,
            let (range, base) = bounds(of: code, unit: unit), let value = Self.convert(number, unit, to: base),
            !range.contains(value.double)
        else { return nil }
        let symbol = base.map { " \($0.symbol)" } ?? ""
        return "\(value)\(symbol) is outside of what is possible here "
            + "(\(Self.text(range.lowerBound)) to \(Self.text(range.upperBound))\(symbol))"
    }

    private func bounds(of code: ObisCode, unit: Unit?) -> (ClosedRange<Double>, Unit?)? {
        switch code.c {
        case 12, 32, 52, 72: return (0...400, .volt)
        case 14: return (40...70, .hertz)
        case 13, 33, 53, 73: return (-1...1, nil)
        case 11, 31, 51, 71, 91: return (current, .ampere)
        // Active, reactive and apparent power: in all, and per phase.
        case 1...10, 15, 16, 21...30, 35, 36, 41...50, 55, 56, 61...70, 75, 76:
            return [Unit.watt, .var, .voltAmpere].first { unit?.convert(0, to: $0) != nil }.map { (power, $0) }
        default: return nil
        }
    }

    private static func convert(_ number: FixedDecimal, _ unit: Unit?, to base: Unit?) -> FixedDecimal? {
        guard let base else { return unit == nil ? number : nil }
        return unit?.convert(number, to: base)
    }

    private static func text(_ bound: Double) -> String {
        FixedDecimal(bound)?.description ?? "\(bound)"
    }
}
