import Configuration
import Journal
import MQTT
import OBIS
import Rules

/// The hourly and daily figures of one meter: gathered while its readings pass, published, kept in the journal. A part of
/// the meter's pipeline.
struct SummaryDesk {
    static let stateKey = "summaries"
    private static let keepInterval = Duration.seconds(600)

    private let meter: Meter
    private let node: String
    private let topics: Topics
    private let journal: Journal
    private let events: WaitingEvents
    private let live: LiveTopics
    private let calendar: any LocalCalendar
    private var builder: SummaryBuilder
    private var lastKept: Duration?

    init(
        meter: Meter, node: String, topics: Topics, journal: Journal, events: WaitingEvents, live: LiveTopics,
        calendar: any LocalCalendar, state: [UInt8]?
    ) {
        self.meter = meter
        self.node = node
        self.topics = topics
        self.journal = journal
        self.events = events
        self.live = live
        self.calendar = calendar
        builder = Self.builder(meter, calendar, state)
    }

    private static func builder(_ meter: Meter, _ calendar: any LocalCalendar, _ state: [UInt8]?) -> SummaryBuilder {
        let voltage = meter.limits.nominalVoltage
        return state.flatMap { SummaryBuilder(stored: $0, calendar: calendar, nominalVoltage: voltage) }
            ?? SummaryBuilder(calendar: calendar, nominalVoltage: voltage)
    }

    mutating func restore(_ state: [UInt8]?) {
        guard let state else { return }
        builder = Self.builder(meter, calendar, state)
    }

    mutating func observe(_ reading: Reading, totals: NamedValues, at now: Duration) {
        let closed = builder.observe(reading, totals: totals, at: now)
        tell(closed)
    }

    mutating func note(_ changes: [AnomalyChange]) {
        for change in changes where change.kind == .opened { builder.noteAnomaly(type: change.anomaly.type) }
    }

    mutating func tick(at now: Duration, wall: Timestamp) {
        let closed = builder.tick(wall, at: now)
        tell(closed)
        events.retry(state: stored)
        guard lastKept.map({ now - $0 >= Self.keepInterval }) ?? true else { return }
        if lastKept != nil { events.keep(stored) }
        lastKept = now
    }

    var stored: [UInt8] { builder.stored }

    /// Nothing comes any more: what waits for the journal is tried once more, and the figures of the hour are kept.
    func end() {
        events.retry(state: stored, isLast: true)
        events.keep(stored)
    }

    private func tell(_ closed: [Summary]) {
        guard !closed.isEmpty else { return }
        let drafts = closed.map { summary in
            let payload = SummaryPayload.json(summary, node: node, meter: meter.id, stream: journal.stream)
            let kind = summary.period.rawValue
            live.set(topics.summary(meter.id, kind), payload)
            return EventDraft(meter: meter.id, kind: kind, at: summary.to, payload: payload)
        }
        events.handIn(drafts, state: stored)
    }
}
