import OBIS

/// Whether a counter that only rises has risen as far as it can have.
///
/// Values are compared in their base unit (Wh, varh, VAh, l, J), since lists of one meter and profiles may state the
/// same counter in another one.
struct CounterCheck {
    /// More counters than any meter has, and few enough to be stored.
    static let rememberedCounters = 256
    /// What a counter may rise faster than the largest power allows.
    static let margin = 1.2
    /// Telegrams that a line held up arrive together.
    static let slack = Duration.seconds(60)

    /// In W: as much as is believed of a measured power. A contract or a fuse that is exceeded is an anomaly, and
    /// must not cost the counter that shows by how much.
    let largestPower: Double

    enum Verdict: Equatable {
        case good
        /// The digits ended. In the base unit, how much that is.
        case rolledOver(capacity: FixedDecimal)
        case decreased, jumped
    }

    /// - Parameters:
    ///   - number: in its base unit.
    ///   - isElectric: whether that is Wh, varh or VAh; how fast anything else rises, nobody has stated.
    func judge(
        _ number: FixedDecimal, _ code: ObisCode, isElectric: Bool, at arrival: Arrival,
        _ counters: inout [ObisCode: ValidatorState.Counter]
    ) -> Verdict {
        guard let last = counters[code] else {
            if counters.count < Self.rememberedCounters { counters[code] = .init(value: number, seen: arrival) }
            return .good
        }
        let limit = isElectric ? allowance(since: last, at: arrival).map { $0 + last.coarserStep(number).double } : nil
        let verdict = Self.compare(number, last.value, limit)
        switch verdict {
        case .good: counters[code] = last.followed(by: number, at: arrival)
        case .rolledOver: counters[code] = .init(value: number, seen: arrival)
        case .decreased, .jumped:
            let doubted = last.isAgreed(by: number, limit) ? last.doubted + 1 : 1
            guard doubted < Validator.believedAfter else {
                counters[code] = .init(value: number, seen: arrival)
                return .good
            }
            counters[code]?.doubted = doubted
            counters[code]?.contender = number
        }
        return verdict
    }

    private static func compare(_ number: FixedDecimal, _ last: FixedDecimal, _ limit: Double?) -> Verdict {
        guard let difference = number.subtracting(last) else { return number < last ? .decreased : .jumped }
        if difference.isNegative {
            if isSameRounded(number, last) { return .good }
            return RollOver.capacity(from: last, to: number, limit).map { .rolledOver(capacity: $0) } ?? .decreased
        }
        guard let limit, difference.double > limit else { return .good }
        return .jumped
    }

    /// Another list of the meter may give the counter with fewer digits.
    private static func isSameRounded(_ number: FixedDecimal, _ last: FixedDecimal) -> Bool {
        guard number.exponent > last.exponent, let difference = last.subtracting(number) else { return false }
        return difference < number.step
    }

    /// How far an energy can have risen, in Wh, varh or VAh; nil where nobody knows.
    ///
    /// A counter may be renewed less often than it is sent, a quarter of an hour's worth at once. What it shows now it
    /// can have begun to count when the value before the last one was still shown.
    private func allowance(since last: ValidatorState.Counter, at arrival: Arrival) -> Double? {
        guard let before = last.before, let elapsed = arrival.elapsed(since: before) else { return nil }
        return largestPower * Self.margin * (elapsed + Self.slack).hours
    }
}

extension ValidatorState.Counter {
    fileprivate func followed(by number: FixedDecimal, at arrival: Arrival) -> Self {
        guard number > value else { return Self(value: value, seen: arrival, before: before) }
        return Self(value: number, seen: arrival, before: seen)
    }

    fileprivate func coarserStep(_ number: FixedDecimal) -> FixedDecimal {
        max(number.step, value.step)
    }

    /// Whether a value goes on where the last one that contradicted stood: a damaged value stands alone.
    fileprivate func isAgreed(by number: FixedDecimal, _ limit: Double?) -> Bool {
        guard doubted > 0, let contender else { return doubted > 0 }
        guard let difference = number.subtracting(contender), !difference.isNegative else { return false }
        return limit.map { difference.double <= $0 } ?? true
    }
}

extension FixedDecimal {
    /// One in the last digit that is given.
    var step: FixedDecimal { FixedDecimal(1, exponent: exponent) }
}

extension ObisCode {
    /// Energy of the current period in one direction or quadrant, in all or by tariff, and the volume or heat of other
    /// meters, or of a device behind one: only ever rises.
    var isRisingCounter: Bool {
        guard f == 255 else { return false }
        return switch (a, c, d, e) {
        case (1, 1...10, 8, _), (1, 21...30, 8, _), (1, 41...50, 8, _), (1, 61...70, 8, _): true
        case (7, 3, 0, 0), (8...9, 1, 0, 0), (5...6, 1...2, 0, 0), (0, 24, 2, 1...4): true
        default: false
        }
    }
}

extension Unit {
    /// The units that counters are compared in.
    fileprivate static let counterBases: [Unit] = [.wattHour, .varHour, .voltAmpereHour, .litre, .joule]

    var isElectricCounterBase: Bool { Self.counterBases.prefix(3).contains(self) }
}

extension Register {
    /// What a device behind a meter tells under one of its four codes (`0-n:24.2.e`), its unit decides: a heat meter has
    /// flow and temperatures there as well. Without a unit the first one is the counter.
    var isRisingCounter: Bool {
        guard let obis, obis.isRisingCounter else { return false }
        guard obis.a == 0 else { return true }
        guard let unit else { return obis.e == 1 }
        return Unit.counterBases.contains { unit.convert(FixedDecimal(0), to: $0) != nil }
    }

    /// A counter's value in its base unit, as given where the unit has none.
    func counterValue(_ number: FixedDecimal) -> (number: FixedDecimal, unit: Unit?) {
        for base in Unit.counterBases {
            if let value = unit?.convert(number, to: base) { return (value, base) }
        }
        return (number, unit)
    }
}
