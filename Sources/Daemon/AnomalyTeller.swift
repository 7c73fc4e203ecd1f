import Journal
import LogMessages
import Logging
import MQTT
import OBIS
import Synchronization

/// Brings changes of anomalies of one meter into the journal, to the retained topics and into the log.
struct AnomalyTeller: Sendable {
    static let eventKind = "anomaly"
    /// More than so many changes do not wait for a journal that cannot be written.
    private static let waitingLimit = 256

    let meter: String
    /// Under which the state of whoever finds them is kept with them.
    let stateKey: String
    let node: String
    let topics: Topics
    let journal: Journal
    let live: LiveTopics
    private let log: PacedLog
    private let waiting = WaitingChanges()

    /// Changes that the journal did not take.
    private final class WaitingChanges: Sendable {
        let drafts = Mutex<[EventDraft]>([])
    }

    init(
        meter: String, stateKey: String, node: String, topics: Topics, journal: Journal, live: LiveTopics,
        logger: Logger
    ) {
        self.meter = meter
        self.stateKey = stateKey
        self.node = node
        self.topics = topics
        self.journal = journal
        self.live = live
        log = PacedLog(logger)
    }

    /// - Parameters:
    ///   - state: to be kept with the changes.
    ///   - open: all anomalies that are open afterwards.
    func tell(_ changes: [AnomalyChange], state: [UInt8], open: [Anomaly]) {
        for change in changes {
            say(change)
            handIn(
                EventDraft(
                    meter: meter, kind: Self.eventKind, at: change.anomaly.updatedAt,
                    payload: AnomalyPayload.anomaly(change, node: node)), state)
        }
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
        guard isLast || journal.lastError == nil, journal.stream != nil else { return }
        let drafts = waiting.drafts.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        for draft in drafts { append(draft, state()) }
    }

    func keep(_ state: [UInt8]) {
        journal.set(state, forKey: stateKey, meter: meter) { _ in }
    }

    /// Behind those that wait: whoever sees the end of an anomaly before its beginning takes it for open.
    private func handIn(_ draft: EventDraft, _ state: [UInt8]) {
        let mustWait = waiting.drafts.withLock { waiting in
            guard !waiting.isEmpty else { return false }
            if waiting.count < Self.waitingLimit { waiting.append(draft) }
            return true
        }
        if !mustWait { append(draft, state) }
    }

    private func append(_ draft: EventDraft, _ state: [UInt8]) {
        let waiting = waiting
        journal.append(draft, values: [stateKey: state]) { result in
            guard case .failure = result else { return }
            waiting.drafts.withLock { if $0.count < Self.waitingLimit { $0.append(draft) } }
        }
    }

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
