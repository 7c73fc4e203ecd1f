import Configuration
import OBIS
import Rules

/// What is wrong with one meter and its installation. A part of the meter's pipeline.
struct AnomalyDesk {
    static let stateKey = "anomalies"
    /// How often what the engine has learnt is kept, beside every change.
    private static let keepInterval = Duration.seconds(600)

    private let meter: Meter
    private let teller: AnomalyTeller
    private let calendar: any LocalCalendar
    private var engine: AnomalyEngine
    /// Since it was told last.
    private var link = LinkObservation()
    private var lastKept: Duration?

    /// - Parameter state: what was kept before a restart.
    init(meter: Meter, teller: AnomalyTeller, calendar: any LocalCalendar, state: [UInt8]?) {
        self.meter = meter
        self.teller = teller
        self.calendar = calendar
        engine = Self.engine(meter, calendar, state)
        announceAll()
    }

    private static func engine(_ meter: Meter, _ calendar: any LocalCalendar, _ state: [UInt8]?) -> AnomalyEngine {
        AnomalyEngine(
            meter: meter.id, settings: meter.rules, limits: InstallationLimits(meter.limits), interval: meter.interval,
            calendar: calendar, state: state.flatMap { EngineState($0) })
    }

    /// The journal has been opened later than the meter was read: what it kept goes on.
    mutating func restore(_ state: [UInt8]?) {
        guard let state else { return }
        // Nobody would ever close what only the engine before has opened.
        teller.forgetWaiting()
        engine = Self.engine(meter, calendar, state)
        announceAll()
    }

    /// Also what is well, so that a subscriber knows all that it could hear of.
    private func announceAll() {
        for description in RuleRegistry.all where !description.isAcrossMeters {
            let rule = description.explanation(for: InstallationLimits(meter.limits), settings: meter.rules)
            if rule.isActive { teller.announce(description.type, open: engine.open) }
        }
    }

    // MARK: Events

    mutating func observe(_ reading: Reading, seq: Int64?, at now: Duration) -> [AnomalyChange] {
        let changes = engine.observe(reading, seq: seq, at: now)
        return tell(changes)
    }

    mutating func accepted() { link.goodFrames += 1 }

    mutating func repeated() { link.repetitions += 1 }

    mutating func rejected(_ code: String) { link.rejectedFrames[code, default: 0] += 1 }

    mutating func noise(_ count: Int) { link.noiseBytes += count }

    mutating func tick(at now: Duration, wall: Timestamp) -> [AnomalyChange] {
        var changes: [AnomalyChange] = []
        if link != LinkObservation() {
            changes += engine.observe(link, at: now, wall: wall)
            link = LinkObservation()
        }
        changes += engine.tick(at: now, wall: wall)
        teller.handInWaiting(state: engine.stored)
        if lastKept.map({ now - $0 >= Self.keepInterval }) ?? true {
            if lastKept != nil { keep() }
            lastKept = now
        }
        return tell(changes)
    }

    mutating func ignore(_ id: String, reason: String?, until: Timestamp?, wall: Timestamp) -> Bool {
        guard let change = engine.ignore(id: id, reason: reason, until: until, wall: wall) else { return false }
        _ = tell([change])
        return true
    }

    mutating func resolve(_ id: String, wall: Timestamp) -> Bool {
        guard let change = engine.resolve(id: id, wall: wall) else { return false }
        _ = tell([change])
        return true
    }

    /// Keeps what the engine knows.
    private func keep() { teller.keep(stored) }

    /// Nothing comes any more: what waits for the journal is tried once more, and what the engine knows is kept.
    func end() {
        teller.handInWaiting(state: stored, isLast: true)
        keep()
    }

    var stored: [UInt8] { engine.stored }

    /// Those that are ignored too.
    var open: [Anomaly] { engine.open }

    private func tell(_ changes: [AnomalyChange]) -> [AnomalyChange] {
        if !changes.isEmpty { teller.tell(changes, state: engine.stored, open: engine.open) }
        return changes
    }
}
