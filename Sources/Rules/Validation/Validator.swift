import OBIS

/// Judges telegrams: `good`, `warning` or `error` for each value, with the reason. Throws nothing away.
///
/// Each telegram is judged by `issues`, and the reading that is made of it completed by `complete`.
public struct Validator: Sendable {
    /// So many readings in a row that contradict what was known and agree among themselves are not damaged values:
    /// the counter or the meter was exchanged or reset, and is believed.
    static let believedAfter = 12

    private let identity: IdentityCheck
    private let protection: DemandedProtection
    private let plausibility: Plausibility
    private let counters: CounterCheck
    private let clock: ClockDriftCheck
    public private(set) var state: ValidatorState

    // What is forgotten at a restart.
    private var duplicates = DuplicateCheck()
    private var scale: ScaleCheck
    private var balance = EnergyBalance()
    /// In the newest telegram.
    private var rollOvers: [RollOver] = []

    /// - Parameters:
    ///   - serial: the number of the meter that is expected here; nil accepts any.
    ///   - largestClockDrift: by how much the meter's clock may be wrong.
    ///   - startOffsets: what each total begins with beside the counter, in the unit of its field.
    public init(
        limits: InstallationLimits = InstallationLimits(), bounds: PlausibilityBounds = PlausibilityBounds(),
        serial: String? = nil, protection: DemandedProtection = .none, largestClockDrift: Duration? = nil,
        startOffsets: [NamedField: FixedDecimal] = [:], state: ValidatorState = ValidatorState()
    ) {
        identity = IdentityCheck(serial: serial)
        self.protection = protection
        plausibility = Plausibility(limits: limits, bounds: bounds)
        counters = CounterCheck(largestPower: plausibility.largestPower)
        clock = ClockDriftCheck(limit: largestClockDrift ?? ClockDriftCheck.defaultLimit)
        self.state = state
        self.state.totals.starts = startOffsets
        scale = ScaleCheck(nominal: limits.nominalVoltage)
    }

    /// Everything that is not good about a telegram.
    ///
    /// - Parameters:
    ///   - keys: the JSON key of each register, in their order.
    ///   - arrival: when it arrived; without a clock, nothing that depends on time is judged.
    public mutating func issues(
        of telegram: Telegram, keys: [String], at arrival: Arrival = .unknown
    ) -> [QualityIssue] {
        rollOvers = []
        var issues = telegram.warnings.map { QualityIssue(register: nil, level: .warning, code: .telegram, text: $0) }
        let isExpected = checkSender(telegram, at: arrival, &issues)
        if telegram.meterTime?.isDoubtful == true {
            issues.append(
                QualityIssue(
                    register: nil, level: .warning, code: .clockDoubtful,
                    text: "the meter says that its clock is not right"))
        }
        let wrongScale = isExpected ? scale.objection(to: telegram) : nil
        for (register, key) in zip(telegram.registers, keys) {
            if let wrongScale, ScaleCheck.isJudged(register) {
                issues.append(QualityIssue(register: key, level: .error, code: .wrongScale, text: wrongScale))
            } else if let issue = judge(register, key: key, isExpected: isExpected, at: arrival) {
                issues.append(issue)
            }
        }
        return issues
    }

    /// Everything that is not good about an entry of the meter's load profile. It is older than what is known, so that it is
    /// compared with no counter and no clock, and leaves no trace.
    ///
    /// - Parameter keys: the JSON key of each register, in their order.
    public func issues(ofEntry telegram: Telegram, keys: [String]) -> [QualityIssue] {
        var issues = telegram.warnings.map { QualityIssue(register: nil, level: .warning, code: .telegram, text: $0) }
        if let issue = protection.objection(to: telegram) ?? strangeness(of: telegram) { issues.append(issue) }
        for (register, key) in zip(telegram.registers, keys) {
            if let issue = objection(to: register, key: key) { issues.append(issue) }
        }
        return issues
    }

    /// Adds what only the whole reading shows: its epoch, the clocks, energy against power. Its counters go on in the
    /// totals.
    ///
    /// - Parameter reading: of the telegram that was judged last, with its issues and named values.
    public mutating func complete(_ reading: inout Reading, at arrival: Arrival = .unknown) {
        reading.epoch = state.epoch
        guard !reading.issues.contains(where: { $0.register == nil && $0.level == .error }) else { return }
        if let issue = clock.objection(to: reading) { reading.issues.append(issue) }
        if reading.source == .live, let now = arrival.monotonic,
            let issue = balance.observe(reading.values, tellsExport: reading.tellsExport, at: now)
        {
            reading.issues.append(issue)
        }
        state.totals.observe(reading.values, rollOvers: rollOvers)
        let keys = reading.registerKeys
        let unusable = reading.issues.unusable
        state.totals.observe(reading.registers, rollOvers: rollOvers) { !unusable.contains(keys[$0]) }
    }

    /// What was known before a restart is read later than the first telegrams came: it goes on, with the message counters
    /// that have risen since.
    public mutating func restore(_ known: ValidatorState) {
        let starts = state.totals.starts
        let counters = state.invocationCounters
        state = known
        state.totals.starts = starts
        state.invocationCounters.merge(counters) { $0.highest > $1.highest ? $0 : $1 }
    }

    /// The operator says that the meter was exchanged: the next reading is that of another one.
    public mutating func replaced() {
        state.beginEpoch()
        forgetMeter()
    }

    // MARK: Who sent it

    /// - Returns: whether it is the meter whose values are known.
    private mutating func checkSender(
        _ telegram: Telegram, at arrival: Arrival, _ issues: inout [QualityIssue]
    ) -> Bool {
        if let issue = protection.objection(to: telegram) {
            // Whoever sent it leaves no trace in what is known of the meter.
            issues.append(issue)
            return false
        }
        let isExpected = checkIdentity(telegram, at: arrival, &issues)
        if let ciphering = telegram.ciphering,
            let issue = InvocationCounterCheck.objection(to: ciphering, &state.invocationCounters)
        {
            issues.append(issue)
        }
        if let issue = duplicates.objection(to: telegram) { issues.append(issue) }
        return isExpected
    }

    private mutating func checkIdentity(
        _ telegram: Telegram, at arrival: Arrival, _ issues: inout [QualityIssue]
    ) -> Bool {
        switch identity.judge(telegram, at: arrival, &state) {
        case .known: return true
        case .exchanged(let issue):
            forgetMeter()
            issues.append(issue)
            return true
        case .foreign(let issue):
            issues.append(issue)
            return false
        }
    }

    /// That it is not the meter that is known. Only live readings decide whether another one took its place.
    private func strangeness(of telegram: Telegram) -> QualityIssue? {
        var state = state
        switch identity.judge(telegram, at: .unknown, &state) {
        case .known: return nil
        case .foreign(let issue): return issue
        case .exchanged:
            return QualityIssue(
                register: nil, level: .error, code: .meterChanged,
                text:
                    "the entry is of meter \(telegram.meter.id ?? "without a number"), and not of the one that is read")
        }
    }

    private mutating func forgetMeter() {
        duplicates = DuplicateCheck()
        scale.beginEpoch()
        balance.reset()
    }

    // MARK: Values

    private mutating func judge(
        _ register: Register, key: String, isExpected: Bool, at arrival: Arrival
    ) -> QualityIssue? {
        if let issue = objection(to: register, key: key) { return issue }
        guard isExpected, let code = register.obis, register.isRisingCounter, let number = register.value.number else {
            return nil
        }
        return judgeCounter(register, number, code, key: key, at: arrival)
    }

    /// By the value alone.
    private func objection(to register: Register, key: String) -> QualityIssue? {
        if case .wide = register.value {
            return QualityIssue(
                register: key, level: .warning, code: .wide, text: "more digits than 64 bits hold: kept as text")
        }
        guard let code = register.obis, let number = register.value.number,
            let objection = plausibility.objection(to: number, unit: register.unit, code: code)
        else { return nil }
        return QualityIssue(register: key, level: .error, code: .implausible, text: objection)
    }

    private mutating func judgeCounter(
        _ register: Register, _ given: FixedDecimal, _ code: ObisCode, key: String, at arrival: Arrival
    ) -> QualityIssue? {
        let (number, unit) = register.counterValue(given)
        let last = state.counters[code]?.value ?? number
        let verdict = counters.judge(
            number, code, isElectric: unit?.isElectricCounterBase ?? false, at: arrival, &state.counters)
        /// Only where it is told of.
        var course: String { "from \(last) to \(number)\(unit.map { " \($0.symbol)" } ?? "")" }
        switch verdict {
        case .good: return nil
        case .rolledOver(let capacity):
            rollOvers.append(RollOver(capacity: capacity, unit: unit))
            return QualityIssue(
                register: key, level: .warning, code: .counterRollover,
                text: "the counter reached the end of its digits and went on \(course)")
        case .decreased:
            return QualityIssue(
                register: key, level: .error, code: .counterDecreased, text: "the counter went back \(course)")
        case .jumped:
            return QualityIssue(
                register: key, level: .error, code: .counterJump,
                text: "the counter went \(course), faster than the installation allows")
        }
    }
}

extension Reading {
    /// Whether power comes with a direction: as a net one, or apart for import and export.
    fileprivate var tellsExport: Bool {
        registers.contains { $0.obis.map { $0.a == 1 && $0.f == 255 && $0.d == 7 && [2, 16].contains($0.c) } ?? false }
    }
}
