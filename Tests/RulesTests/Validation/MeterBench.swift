import OBIS
import Rules

/// One meter and its validator in virtual time.
struct MeterBench {
    var validator: Validator
    /// Of this run of the process; nil for what is not live.
    var monotonic: Duration? = .seconds(1000)
    /// Nil while the host's clock is not synchronised.
    var wall: Timestamp? = Timestamp(milliseconds: 1_768_475_896_120)

    init(_ validator: Validator = Validator()) {
        self.validator = validator
    }

    mutating func pass(_ duration: Duration) {
        monotonic = monotonic.map { $0 + duration }
        let milliseconds = duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
        wall = wall.map { Timestamp(milliseconds: $0.milliseconds + milliseconds) }
    }

    /// The same meter after the process began anew.
    mutating func restart(_ make: (ValidatorState) -> Validator = { Validator(state: $0) }) {
        // What the journal does not keep.
        var state = validator.state
        for code in state.counters.keys {
            state.counters[code]?.seen.monotonic = nil
            state.counters[code]?.before?.monotonic = nil
        }
        for list in state.newcomers.keys { state.newcomers[list]?.since.monotonic = nil }
        validator = make(state)
        monotonic = monotonic.map { _ in .seconds(3) }
    }

    /// The reading as the daemon makes it.
    mutating func read(_ telegram: Telegram) -> Reading {
        let arrival = Arrival(monotonic: monotonic, wall: wall)
        let captured = wall ?? Timestamp(milliseconds: 0)
        var reading = Reading(
            source: monotonic == nil ? .replay : .live, device: telegram.meter, time: captured, capturedAt: captured,
            isClockSynchronized: wall != nil, meterTime: telegram.meterTime, registers: telegram.registers)
        let keys = reading.registerKeys
        reading.issues = validator.issues(of: telegram, keys: keys, at: arrival)
        let unusable = Set(reading.issues.filter { $0.level == .error }.map(\.register))
        if !unusable.contains(nil) {
            for (register, key) in zip(telegram.registers, keys) where !unusable.contains(key) {
                if let field = Self.field(register), let number = register.value.number {
                    reading.values[field] = field.unit.flatMap { register.unit?.convert(number, to: $0) }
                }
            }
        }
        validator.complete(&reading, at: arrival)
        return reading
    }

    /// A reading with an import counter in Wh.
    mutating func read(energy: Int64, id: String? = "1") -> Reading {
        read(telegram(register("1-0:1.8.0", "\(energy)", .wattHour), id: id))
    }

    mutating func codes(_ telegram: Telegram) -> [QualityIssue.Code] {
        read(telegram).issues.map(\.code)
    }

    /// The total that a subscriber sees.
    func total(_ reading: Reading, _ field: NamedField = .activeImport) -> String? {
        validator.state.totals.applied(to: reading.values)[field]?.description
    }

    private static func field(_ register: Register) -> NamedField? {
        guard let code = register.obis else { return nil }
        return switch (code.a, code.c, code.d, code.e) {
        case (1, 1, 8, 0): .activeImport
        case (1, 2, 8, 0): .activeExport
        case (1, 16, 7, 0), (1, 1, 7, 0): .activePower
        case (7, 3, 0, 0): .volume
        default: nil
        }
    }
}
