import OBIS

/// Compares the sum of sub-meters with the main meter in front of them, over an hour or more.
///
/// It stands beside the engines, because it looks at several meters. Its anomalies belong to the main meter.
public struct BalanceRule: Sendable {
    static let below = RuleParameter.percent("below", 95, in: 0...100, "the sum of the sub-meters, of the main meter")
    static let above = RuleParameter.percent(
        "above", 102, in: 100...1000, "the sum of the sub-meters, of the main meter")
    static let hysteresis = RuleParameter.percent("hysteresis", 1, in: 0...50, "over when it is back by this much")
    static let hold = RuleParameter.duration("for", 3600, "the shortest time over which energies are compared")
    static let floor = RuleParameter.quantity(
        "floor", .wattHour, in: 0...1_000_000_000, "less energy is not compared"
    ) { _ in 200 }
    static let cooldown = RuleParameter.cooldown(0)
    static let severity = RuleParameter.severity(.medium)

    static let description = RuleDescription(
        type: "sub_meter_balance", title: "Sub-meters and main meter disagree",
        what: "In an hour the sub-meters counted less than 95 % or more than 102 % of the main meter.",
        why: "A consumer is not metered, a sub-meter has failed, or something leaks.",
        action: "Compare the meters one by one; look for consumers in front of the sub-meters.",
        parameters: [below, above, hold, floor, hysteresis, severity, cooldown], isAcrossMeters: true,
        make: { _ in nil })

    /// A meter that has not been heard for so many periods spoils the comparison.
    private static let patience: Int64 = 72

    /// What is known of one meter.
    private struct Counter {
        var last: (milliseconds: Int64, energy: Double)?
        /// Its energies at the beginning and the end of the period, where it has passed them.
        var opening: Double?
        var closing: Double?
    }

    private let main: String
    private let subs: [String]
    private let isActive: Bool
    private let low: Ladder
    private let high: Ladder
    private let length: Int64
    private let floor: Double
    private let cooldownTime: Int64
    private var tracks: Tracks
    private var counters: [String: Counter] = [:]
    private var openedAt: Int64?
    private var closesAt: Int64?
    private var stopwatch = Stopwatch()
    /// What a restart left to do at the first event.
    private var unsettled: (state: EngineState, orphans: [Anomaly])?

    /// - Parameters:
    ///   - main: the id of the meter in front.
    ///   - subs: the ids of the meters behind it.
    ///   - settings: those of the main meter.
    ///   - state: what `stored` gave before a restart.
    public init(
        main: String, subs: [String], settings: RuleSettings = RuleSettings(),
        limits: InstallationLimits = InstallationLimits(), state: EngineState? = nil, ids: ULIDSource = ULIDSource()
    ) {
        let description = Self.description
        let context = RuleContext(description, settings: settings.rules[description.type] ?? .init(), limits: limits)
        self.main = main
        self.subs = subs
        isActive = context.isActive && !subs.isEmpty
        length = max(1, context.milliseconds(Self.hold))
        floor = context[Self.floor] / 1000
        cooldownTime = context.milliseconds(Self.cooldown)
        let severity = context.severity(Self.severity, or: .medium)
        func ladder(_ side: Ladder.Side, _ limit: RuleParameter) -> Ladder {
            Ladder(
                side, [context.level(severity, limit)], hysteresis: context[Self.hysteresis], clearFor: 0,
                cooldown: context.milliseconds(Self.cooldown), unit: .percent)
        }
        low = ladder(.below, Self.below)
        high = ladder(.above, Self.above)
        tracks = Tracks(meter: main, descriptions: [description], ids: ids)
        if let state {
            unsettled = (state, tracks.restore(state))
            // Switched off: what is open belongs to no rule any more.
            if !isActive {
                unsettled = (state, tracks.open)
                tracks = Tracks(meter: main, descriptions: [description], ids: ids)
            }
        }
    }

    public var open: [Anomaly] { tracks.open }

    /// Takes the import counter of the main meter or of a sub-meter; of others nothing.
    ///
    /// - Parameters:
    ///   - activeImport: in kWh.
    ///   - seq: of the main meter's readings only.
    public mutating func observe(
        meter: String, activeImport: FixedDecimal, seq: Int64? = nil, at now: Duration, wall: Timestamp
    ) -> [AnomalyChange] {
        guard isActive, meter == main || subs.contains(meter) else { return [] }
        begin(now, wall, seq: meter == main ? seq : nil)
        pass(meter, stopwatch.milliseconds, activeImport.double)
        compare()
        return tracks.end()
    }

    /// Ends ignorings whose time is over.
    public mutating func tick(at now: Duration, wall: Timestamp) -> [AnomalyChange] {
        begin(now, wall)
        tracks.tick()
        return tracks.end()
    }

    /// See `AnomalyEngine.ignore`.
    public mutating func ignore(id: String, reason: String?, until: Timestamp?, wall: Timestamp) -> AnomalyChange? {
        begin(.milliseconds(stopwatch.milliseconds), wall)
        _ = tracks.ignore(
            id: id, reason: reason.map { String($0.prefix(AnomalyEngine.longestReason)) }, until: until)
        return tracks.end().first { $0.anomaly.id == id }
    }

    /// See `AnomalyEngine.resolve`.
    public mutating func resolve(id: String, wall: Timestamp) -> AnomalyChange? {
        begin(.milliseconds(stopwatch.milliseconds), wall)
        _ = tracks.resolve(id: id, cooldown: cooldownTime)
        return tracks.end().first { $0.anomaly.id == id }
    }

    /// What must survive a restart. A period that has begun begins anew.
    public var stored: [UInt8] {
        if let unsettled { return unsettled.state.bytes }
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("version", EngineState.version)
            tracks.store(&writer)
        }
        return writer.bytes
    }

    // MARK: Periods

    private mutating func begin(_ now: Duration, _ wall: Timestamp, seq: Int64? = nil) {
        stopwatch.advance(to: now)
        tracks.begin(Moment(milliseconds: stopwatch.milliseconds, wall: wall), seq: seq)
        tracks.turn(to: 0)
        guard let (state, orphans) = unsettled else { return }
        unsettled = nil
        tracks.restoreSilences(state)
        for anomaly in orphans { tracks.abandon(anomaly) }
    }

    /// Notes the energies of a meter at the ends of the period, between its readings before and after.
    private mutating func pass(_ meter: String, _ now: Int64, _ energy: Double) {
        var counter = counters[meter] ?? Counter()
        defer { counters[meter] = counter }
        guard let last = counter.last, energy >= last.energy else {
            // The first reading, or a counter that went back: no period that began before it counts.
            counter = Counter(last: (now, energy))
            restart()
            return
        }
        func energyAt(_ instant: Int64?) -> Double? {
            guard let instant, last.milliseconds <= instant, instant <= now else { return nil }
            let span = Double(max(1, now - last.milliseconds))
            return last.energy + (energy - last.energy) * Double(instant - last.milliseconds) / span
        }
        counter.opening = counter.opening ?? energyAt(openedAt)
        counter.closing = counter.closing ?? energyAt(closesAt)
        counter.last = (now, energy)
    }

    private mutating func restart() {
        openedAt = stopwatch.milliseconds
        closesAt = nil
        for meter in counters.keys {
            counters[meter]?.opening = nil
            counters[meter]?.closing = nil
        }
    }

    private mutating func compare() {
        guard let openedAt else { return restart() }
        // One meter that is away must not stretch a period for ever.
        if stopwatch.milliseconds - openedAt > Self.patience * length { return restart() }
        if closesAt == nil, deltas(to: \.opening) != nil { closesAt = max(openedAt + length, stopwatch.milliseconds) }
        guard let openings = deltas(to: \.opening), let closings = deltas(to: \.closing) else { return }
        judge(main: closings.main - openings.main, subs: closings.subs - openings.subs)
        restart()
    }

    /// The energies of the main meter and of all others; nil until every one is known.
    private func deltas(to end: KeyPath<Counter, Double?>) -> (main: Double, subs: Double)? {
        guard let first = counters[main]?[keyPath: end] else { return nil }
        var sum = 0.0
        for sub in subs {
            guard let energy = counters[sub]?[keyPath: end] else { return nil }
            sum += energy
        }
        return (first, sum)
    }

    private mutating func judge(main: Double, subs: Double) {
        guard main > floor else { return }
        let share = 100 * subs / main
        let counted = FixedDecimal(subs, decimals: 3) ?? 0
        let whole = FixedDecimal(main, decimals: 3) ?? 0
        tracks.judge(share, by: share > 100 ? high : low) {
            "The sub-meters counted \(counted) kWh of the \(whole) kWh of the main meter, \($0.measured), with a limit "
                + "of \($0.limit). Look for consumers without a meter, or a meter that has failed."
        }
    }
}
