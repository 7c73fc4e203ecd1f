import Journal
import LogMessages
import Logging
import MQTT
import OBIS

/// Brings changes of anomalies of one meter into the journal, to the retained topics and into the log.
struct AnomalyTeller: Sendable {
    static let eventKind = "anomaly"

    let meter: String
    let node: String
    let topics: Topics
    let live: LiveTopics
    private let events: WaitingEvents
    private let log: PacedLog

    /// - Parameter events: of whoever finds changes.
    init(meter: String, node: String, topics: Topics, events: WaitingEvents, live: LiveTopics, logger: Logger) {
        self.meter = meter
        self.node = node
        self.topics = topics
        self.live = live
        self.events = events
        log = PacedLog(logger)
    }

    /// - Parameters:
    ///   - state: to be kept with the changes.
    ///   - open: all anomalies that are open afterwards.
    func tell(_ changes: [AnomalyChange], state: [UInt8], open: [Anomaly]) {
        for change in changes { say(change) }
        let drafts = changes.map { change in
            EventDraft(
                meter: meter, kind: Self.eventKind, at: change.anomaly.updatedAt,
                payload: AnomalyPayload.anomaly(change, node: node))
        }
        events.handIn(drafts, state: state)
        for type in Set(changes.map(\.anomaly.type)) { announce(type, open: open) }
    }

    func announce(_ type: String, open: [Anomaly]) {
        let told = open.filter { $0.type == type && $0.status == .active }
        live.set(
            topics.problem(meter, type), AnomalyPayload.problem(told), urgency: told.isEmpty ? .last : .usual)
    }

    /// Tries again what the journal did not take.
    ///
    /// - Parameter isLast: whether to try although the journal could not be written when it was last tried.
    func handInWaiting(state: @autoclosure () -> [UInt8], isLast: Bool = false) {
        events.retry(state: state(), isLast: isLast)
    }

    /// What waits is of a state that is given up.
    func forgetWaiting() { events.forget() }

    func keep(_ state: [UInt8]) { events.keep(state) }

    private func say(_ change: AnomalyChange) {
        let anomaly = change.anomaly
        let level: Logger.Level =
            switch (change.kind, anomaly.severity) {
            case (.opened, .critical), (.opened, .high): .error
            case (.opened, _): .warning
            default: .notice
            }
        let phase = anomaly.phase?.rawValue ?? "-"
        log.say(
            "\(change.kind.rawValue) \(anomaly.type) \(phase)", level, LogMessage(change.kind),
            "Anomaly \(change.kind.rawValue): \(anomaly.title). \(anomaly.text)",
            metadata: [
                "anomaly": "\(anomaly.type)", "id": "\(anomaly.id)", "severity": "\(anomaly.severity.rawValue)",
                "phase": "\(phase)",
            ])
        // What has been told as over is news when it opens again, and the other way round.
        switch change.kind {
        case .opened: log.over("resolved \(anomaly.type) \(phase)")
        case .resolved: log.over("opened \(anomaly.type) \(phase)")
        case .updated, .ignored: break
        }
    }
}

extension LogMessage {
    fileprivate init(_ kind: AnomalyChange.Kind) {
        self =
            switch kind {
            case .opened: .anomalyOpened
            case .updated: .anomalyUpdated
            case .resolved: .anomalyResolved
            case .ignored: .anomalyIgnored
            }
    }
}
