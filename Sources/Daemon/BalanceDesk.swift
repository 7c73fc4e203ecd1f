import Configuration
import Journal
import Logging
import OBIS
import Rules

/// Compares the meters that stand behind one with it. Its anomalies are those of the meter in front.
actor BalanceDesk {
    private static let stateKey = "balance"

    nonisolated let main: String
    private let teller: AnomalyTeller
    private var rule: BalanceRule

    /// - Parameter subs: the meters behind it.
    init(main: Meter, subs: [String], _ backbone: Backbone, logger: Logger) async {
        self.main = main.id
        teller = AnomalyTeller(
            meter: main.id, node: backbone.node, topics: backbone.topics,
            events: backbone.waiting.events(of: main.id, stateKey: Self.stateKey), live: backbone.live, logger: logger)
        let stored = try? await backbone.journal.value(forKey: Self.stateKey, meter: main.id)
        rule = BalanceRule(
            main: main.id, subs: subs, settings: main.rules, limits: InstallationLimits(main.limits),
            state: stored.flatMap { EngineState($0) })
        for description in RuleRegistry.all where description.isAcrossMeters {
            teller.announce(description.type, open: rule.open)
        }
    }

    /// Closes what is open of a meter behind which none stands any more, also since the daemon ran last.
    static func abandon(_ main: Meter, _ backbone: Backbone, _ clock: any HostClock, logger: Logger) async {
        let stored = try? await backbone.journal.value(forKey: stateKey, meter: main.id)
        guard let state = stored.flatMap({ $0 }), EngineState(state) != nil else { return }
        let desk = await BalanceDesk(main: main, subs: [], backbone, logger: logger)
        await desk.tick(at: clock.monotonic, wall: clock.now)
    }

    /// - Parameter total: what the meter has counted, in kWh, over all exchanges.
    func observe(_ meter: String, total: FixedDecimal, seq: Int64?, at now: Duration, wall: Timestamp) {
        let changes = rule.observe(meter: meter, activeImport: total, seq: seq, at: now, wall: wall)
        tell(changes)
    }

    func tick(at now: Duration, wall: Timestamp) {
        let changes = rule.tick(at: now, wall: wall)
        tell(changes)
        teller.handInWaiting(state: rule.stored)
    }

    func ignore(_ id: String, reason: String?, until: Timestamp?, wall: Timestamp) -> Bool {
        guard let change = rule.ignore(id: id, reason: reason, until: until, wall: wall) else { return false }
        tell([change])
        return true
    }

    func resolve(_ id: String, wall: Timestamp) -> Bool {
        guard let change = rule.resolve(id: id, wall: wall) else { return false }
        tell([change])
        return true
    }

    /// Those that are ignored too.
    var open: [Anomaly] { rule.open }

    /// Nothing comes any more: what waits for the journal is tried once more, and what the rule knows is kept.
    func end() {
        teller.handInWaiting(state: rule.stored, isLast: true)
        teller.keep(rule.stored)
    }

    private func tell(_ changes: [AnomalyChange]) {
        guard !changes.isEmpty else { return }
        teller.tell(changes, state: rule.stored, open: rule.open)
    }
}
