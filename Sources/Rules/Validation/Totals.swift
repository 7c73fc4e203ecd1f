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
    /// Counters that have no field: by tariff, by phase, apparent energy. In kWh, kvarh, kVAh, m3 or GJ.
    public var registers: [ObisCode: Entry] = [:]
    /// What each total begins with beside its counter, in the unit of its field, as the operator states it.
    public var starts: [NamedField: FixedDecimal] = [:]

    public init() {}

    static let fields = NamedField.totals(of: .electricity) + NamedField.totals(of: .heat)
    /// More counters than any meter has beside its fields.
    static let rememberedRegisters = 64

    /// The next values are those of another meter.
    mutating func beginEpoch() {
        for field in entries.keys { entries[field]?.isExchanged = true }
        for code in registers.keys { registers[code]?.isExchanged = true }
    }

    /// Takes over the good counters of a reading.
    mutating func observe(_ values: NamedValues, rollOvers: [RollOver]) {
        for field in Self.fields {
            guard let value = values[field] else { continue }
            entries[field] = entries[field]?.followed(by: value, field.unit, rollOvers) ?? Entry(counter: value)
        }
    }

    /// Takes over the good counters of a reading that have no field.
    ///
    /// - Parameter isGood: by position.
    mutating func observe(_ registers: [Register], rollOvers: [RollOver], isGood: (Int) -> Bool) {
        for (index, code, counter, unit) in Self.counters(in: registers) where isGood(index) {
            if let entry = self.registers[code] {
                self.registers[code] = entry.followed(by: counter, unit, rollOvers)
            } else if self.registers.count < Self.rememberedRegisters {
                self.registers[code] = Entry(counter: counter)
            }
        }
    }

    /// The totals of the counters that have no field, in the units that the registers have; one that is not known at
    /// present has no value.
    public func applied(to registers: [Register], keys: [String]) -> [RegisterTotal] {
        var totals: [RegisterTotal] = []
        for (index, code, counter, base) in Self.counters(in: registers) {
            guard let entry = self.registers[code], let unit = registers[index].unit else { continue }
            let total = (entry.counter > counter ? entry.counter : counter).adding(entry.offset)
            totals.append(
                RegisterTotal(key: keys[index], value: total.flatMap { base.convert($0, to: unit) }, unit: unit))
        }
        for (register, key) in zip(registers, keys) where register.value == .unavailable {
            guard let code = register.obis, self.registers[code] != nil else { continue }
            totals.append(RegisterTotal(key: key, value: nil, unit: register.unit))
        }
        return totals
    }

    /// Where the counters that have no field stand; of a code that is repeated, the first.
    private static func counters(
        in registers: [Register]
    ) -> [(index: Int, code: ObisCode, value: FixedDecimal, unit: Unit)] {
        var fields: [ObisCode.Quantity] = []
        var found: [(index: Int, code: ObisCode, value: FixedDecimal, unit: Unit)] = []
        for (index, register) in registers.enumerated() {
            guard let code = register.obis, code.a <= 1, code.isRisingCounter, let number = register.value.number,
                let (value, unit) = register.totalValue(number)
            else { continue }
            // The first total of each direction is a field.
            if code.a == 1, code.c <= 4, code.e == 0 || code.e == 255, !fields.contains(code.quantity) {
                fields.append(code.quantity)
            } else if !found.contains(where: { $0.code == code }) {
                found.append((index, code, value, unit))
            }
        }
        return found
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

extension Register {
    /// In the unit in which its total is kept; nil where the unit is unknown.
    fileprivate func totalValue(_ number: FixedDecimal) -> (number: FixedDecimal, unit: Unit)? {
        guard let unit else { return nil }
        for kept in Self.totalUnits {
            if let total = unit.convert(number, to: kept) { return (total, kept) }
        }
        return nil
    }

    private static let totalUnits: [Unit] = [
        .kilowattHour, .kilovarHour, .kilovoltAmpereHour, .cubicMetre, .gigajoule,
    ]
}

extension Totals.Entry {
    /// - Returns: unchanged where numbers do not fit.
    fileprivate func followed(by value: FixedDecimal, _ unit: Unit?, _ rollOvers: [RollOver]) -> Self {
        guard let fall = counter.subtracting(value) else { return self }
        if !isExchanged, !fall.isNegative, fall < value.step { return self }
        guard isExchanged || !fall.isNegative else { return Self(counter: value, offset: offset) }
        let step = isExchanged ? fall : capacity(for: fall, unit, rollOvers) ?? fall
        return Self(counter: value, offset: offset.adding(step) ?? offset)
    }

    /// The digits that ended, where that explains how far the counter fell.
    private func capacity(for fall: FixedDecimal, _ unit: Unit?, _ rollOvers: [RollOver]) -> FixedDecimal? {
        rollOvers.lazy.compactMap { rollOver in
            unit.flatMap { rollOver.unit?.convert(rollOver.capacity, to: $0) }
        }.first { $0 >= fall && $0.double < fall.double * 1.1 }
    }
}
