import OBIS

/// What a quantity can physically be: wide bounds that only a wrong scale or a damaged value exceeds.
///
/// Exceeding a contract or a fuse is an anomaly, not a matter of quality. Negative power is export; zero
/// is a value.
struct Plausibility {
    private let bounds: PlausibilityBounds
    private let power: ClosedRange<FixedDecimal>
    private let current: ClosedRange<FixedDecimal>

    /// Three times the largest stated limit, else 1 MW; three times the fuse, else 5 kA.
    init(limits: InstallationLimits, bounds: PlausibilityBounds = PlausibilityBounds()) {
        self.bounds = bounds
        power = bounds.power ?? Self.eitherWay(limits.largestPower, else: 1_000_000)
        current = bounds.current ?? Self.eitherWay(limits.fuse?.double, else: 5000)
    }

    private static func eitherWay(_ limit: Double?, else unlimited: FixedDecimal) -> ClosedRange<FixedDecimal> {
        let bound = limit.flatMap { FixedDecimal(3 * $0.magnitude) } ?? unlimited
        return (FixedDecimal.zero.subtracting(bound) ?? .zero)...bound
    }

    /// The largest power that is believed in either direction, in W.
    var largestPower: Double {
        max(power.lowerBound.double.magnitude, power.upperBound.double.magnitude)
    }

    /// - Returns: why the value cannot be right; nil when it can, and when nothing is known about it.
    func objection(to number: FixedDecimal, unit: Unit?, code: ObisCode) -> String? {
        guard code.a == 1, code.f == 255, code.d == 7, let (range, base) = range(of: code, unit: unit),
            let value = Self.convert(number, unit, to: base), !range.contains(value)
        else { return nil }
        let symbol = base.map { " \($0.symbol)" } ?? ""
        return "\(value)\(symbol) is outside of what is possible here "
            + "(\(range.lowerBound) to \(range.upperBound)\(symbol))"
    }

    private func range(of code: ObisCode, unit: Unit?) -> (ClosedRange<FixedDecimal>, Unit?)? {
        switch code.e {
        case 0, 255: value(of: code, unit: unit)
        case ObisCode.totalDistortion: distortion(of: code)
        // A tariff, or one harmonic.
        default: nil
        }
    }

    private func value(of code: ObisCode, unit: Unit?) -> (ClosedRange<FixedDecimal>, Unit?)? {
        switch code.c {
        case 12, 32, 52, 72: return (bounds.voltage ?? 0...400, .volt)
        case 14: return (bounds.frequency ?? 40...70, .hertz)
        case 13, 33, 53, 73: return (bounds.powerFactor ?? -1...1, nil)
        case 11, 31, 51, 71, 91: return (current, .ampere)
        // Active, reactive and apparent power: in all, and per phase.
        case 1...10, 15, 16, 21...30, 35, 36, 41...50, 55, 56, 61...70, 75, 76:
            return [Unit.watt, .var, .voltAmpere].first { unit?.convert(0, to: $0) != nil }.map { (power, $0) }
        default: return nil
        }
    }

    private func distortion(of code: ObisCode) -> (ClosedRange<FixedDecimal>, Unit?)? {
        switch code.c {
        case 12, 32, 52, 72: (bounds.distortion ?? 0...100, .percent)
        case 11, 31, 51, 71, 91: (bounds.distortion ?? 0...1000, .percent)
        default: nil
        }
    }

    private static func convert(_ number: FixedDecimal, _ unit: Unit?, to base: Unit?) -> FixedDecimal? {
        guard let base else { return unit == nil ? number : nil }
        return unit?.convert(number, to: base)
    }
}

extension ObisCode {
    /// Value group E of total harmonic distortion.
    fileprivate static let totalDistortion: UInt8 = 124
}
