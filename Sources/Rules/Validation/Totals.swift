import OBIS

/// Counters that go on: over an exchange of the meter, the end of its digits and a reset that was believed.
///
/// Each total is the meter's counter and an offset, both exact, and never falls. At the end of its digits a counter
/// goes on by what the digits hold; after an exchange and a reset the total stands where it stood, since of what passed
/// in between nobody knows. A counter that was doubted for jumping ahead and then believed takes its total along: what a
/// meter counts is what is billed.
public struct Totals: Sendable, Hashable {
    public struct Entry: Sendable, Hashable {
        /// The last value of the counter.
        public var counter: FixedDecimal
        /// What is added to it.
        public var offset: FixedDecimal
        /// Whether the next value is the first of another meter.
        public var isExchanged: Bool

        public init(counter: FixedDecimal, offset: FixedDecimal = .zero, isExchanged: Bool = false) {
            self.counter = counter
            self.offset = offset
            self.isExchanged = isExchanged
        }
    }

    /// By field, in its unit.
    public var entries: [NamedField: Entry] = [:]
    /// What each total begins with beside its counter, in the unit of its field, as the operator states it.
    public var starts: [NamedField: FixedDecimal] = [:]

    public init() {}

    static let fields = NamedField.totals(of: .electricity) + NamedField.totals(of: .heat)

    /// The next values are those of another meter.
    mutating func beginEpoch() {
        for field in entries.keys { entries[field]?.isExchanged = true }
    }

    /// Takes over the good counters of a reading.
    mutating func observe(_ values: NamedValues, rollOvers: [RollOver]) {
        for field in Self.fields {
            guard let value = values[field] else { continue }
            entries[field] = entries[field]?.followed(by: value, of: field, rollOvers) ?? Entry(counter: value)
        }
    }

    /// The totals of the meter's counters: of those that `values` has, in the units of their fields.
    public func applied(to values: NamedValues) -> NamedValues {
        var totals = NamedValues()
        for field in Self.fields {
            guard let value = values[field] else { continue }
            let entry = entries[field] ?? Entry(counter: value)
            // A list with fewer digits shows less than was known.
            let counter = entry.counter > value ? entry.counter : value
            totals[field] = counter.adding(entry.offset)?.adding(starts[field] ?? .zero)
        }
        return totals
    }
}

extension Totals.Entry {
    /// - Returns: unchanged where numbers do not fit.
    fileprivate func followed(by value: FixedDecimal, of field: NamedField, _ rollOvers: [RollOver]) -> Self {
        guard let fall = counter.subtracting(value) else { return self }
        if !isExchanged, !fall.isNegative, fall < value.step { return self }
        guard isExchanged || !fall.isNegative else { return Self(counter: value, offset: offset) }
        let step = isExchanged ? fall : capacity(for: fall, of: field, rollOvers) ?? fall
        return Self(counter: value, offset: offset.adding(step) ?? offset)
    }

    /// The digits that ended, where that explains how far the counter fell.
    private func capacity(for fall: FixedDecimal, of field: NamedField, _ rollOvers: [RollOver]) -> FixedDecimal? {
        rollOvers.lazy.compactMap { rollOver in
            field.unit.flatMap { rollOver.unit?.convert(rollOver.capacity, to: $0) }
        }.first { $0 >= fall && $0.double < fall.double * 1.1 }
    }
}
