import Configuration
import Foundation
import Journal
import Logging
import MQTT
import OBIS
import Rules
import Synchronization

/// What is wrong with one meter and its installation: found by the engine, journaled, told. A part of the meter's pipeline.
struct AnomalyDesk {
    static let stateKey = "anomalies"
    static let eventKind = "anomaly"
    /// How often what the engine has learnt is kept, beside every change.
    private static let keepInterval = Duration.seconds(600)
    /// More than so many changes do not wait for a journal that cannot be written.
    private static let waitingLimit = 256

    private let meter: Meter
    private let node: String
    private let topics: Topics
    private let journal: Journal
    private let live: LiveTopics
    private let logger: Logger
    private let calendar: any LocalCalendar
    private var engine: AnomalyEngine
    /// Since it was told last.
    private var link = LinkObservation(goodFrames: 0, rejectedFrames: [:], noiseBytes: 0)
    private var lastKept: Duration?
    private let waiting = WaitingChanges()

    /// Changes that the journal did not take.
    private final class WaitingChanges: Sendable {
        let drafts = Mutex<[EventDraft]>([])
    }

    /// - Parameter state: what was kept before a restart.
    init(
        meter: Meter, node: String, topics: Topics, journal: Journal, live: LiveTopics, calendar: any LocalCalendar,
        state: [UInt8]?, logger: Logger
    ) {
        self.meter = meter
        self.node = node
        self.topics = topics
        self.journal = journal
        self.live = live
        self.logger = logger
        self.calendar = calendar
        engine = Self.engine(meter, calendar, state)
        for type in activeTypes { announce(type) }
    }

    private static func engine(_ meter: Meter, _ calendar: any LocalCalendar, _ state: [UInt8]?) -> AnomalyEngine {
        AnomalyEngine(
            meter: meter.id, settings: meter.rules, limits: InstallationLimits(meter.limits), interval: meter.interval,
            calendar: calendar, state: state.flatMap { EngineState($0) })
    }

    /// The journal has been opened later than the meter was read: what it kept goes on.
    mutating func restore(_ state: [UInt8]?) {
        guard let state else { return }
        engine = Self.engine(meter, calendar, state)
        for type in activeTypes { announce(type) }
    }

    private var activeTypes: [String] {
        RuleRegistry.explanations(for: InstallationLimits(meter.limits), settings: meter.rules)
            .filter(\.isActive).map(\.type)
    }

    // MARK: Events

    mutating func observe(_ reading: Reading, seq: Int64?, at now: Duration) -> [AnomalyChange] {
        // In two steps: what is told is what the engine knows afterwards.
        let changes = engine.observe(reading, seq: seq, at: now)
        return tell(changes)
    }

    mutating func accepted() { link.goodFrames += 1 }

    mutating func rejected(_ code: String) { link.rejectedFrames[code, default: 0] += 1 }

    mutating func noise(_ count: Int) { link.noiseBytes += count }

    mutating func tick(at now: Duration, wall: Timestamp) -> [AnomalyChange] {
        var changes: [AnomalyChange] = []
        if link.goodFrames > 0 || !link.rejectedFrames.isEmpty || link.noiseBytes > 0 {
            changes += engine.observe(link, at: now, wall: wall)
            link = LinkObservation(goodFrames: 0, rejectedFrames: [:], noiseBytes: 0)
        }
        changes += engine.tick(at: now, wall: wall)
        handInWaiting()
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
    func keep() {
        journal.set(engine.stored, forKey: Self.stateKey, meter: meter.id) { _ in }
    }

    // MARK: Telling

    private func tell(_ changes: [AnomalyChange]) -> [AnomalyChange] {
        guard !changes.isEmpty else { return changes }
        let stored = engine.stored
        for change in changes {
            say(change)
            handIn(
                EventDraft(
                    meter: meter.id, kind: Self.eventKind, at: change.anomaly.updatedAt,
                    payload: AnomalyPayload.anomaly(change, node: node)), stored)
        }
        for type in Set(changes.map(\.anomaly.type)) { announce(type) }
        return changes
    }

    private func handIn(_ draft: EventDraft, _ stored: [UInt8]) {
        let waiting = waiting
        journal.append(draft, values: [Self.stateKey: stored]) { result in
            guard case .failure = result else { return }
            waiting.drafts.withLock { if $0.count < Self.waitingLimit { $0.append(draft) } }
        }
    }

    private func handInWaiting() {
        guard journal.lastError == nil, journal.stream != nil else { return }
        let drafts = waiting.drafts.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        for draft in drafts { handIn(draft, engine.stored) }
    }

    private func announce(_ type: String) {
        let open = engine.open.filter { $0.type == type && $0.status == .active }
        live.set(topics.problem(meter.id, type), AnomalyPayload.problem(open))
    }

    private func say(_ change: AnomalyChange) {
        let anomaly = change.anomaly
        let level: Logger.Level =
            switch (change.kind, anomaly.severity) {
            case (.opened, .critical), (.opened, .high): .error
            case (.opened, _): .warning
            default: .notice
            }
        logger.log(
            level: level, "Anomaly \(change.kind.rawValue): \(anomaly.title). \(anomaly.text)",
            metadata: [
                "anomaly": "\(anomaly.type)", "id": "\(anomaly.id)", "severity": "\(anomaly.severity.rawValue)",
                "phase": "\(anomaly.phase?.rawValue ?? "-")",
            ])
    }
}

/// The civil time of a place by its zone's rules.
final class ZonedCalendar: LocalCalendar {
    private let zone: TimeZone
    /// The quarter of an hour that was asked for last: offsets change at quarters only, and asking costs.
    private let last = Mutex<(quarter: Int64, offset: Int)?>(nil)

    init(zone: ClockZone?) {
        switch zone {
        case .named(let name): self.zone = TimeZone(identifier: name) ?? .current
        case .fixed(let minutes): self.zone = TimeZone(secondsFromGMT: minutes * 60) ?? .current
        case nil: self.zone = .current
        }
    }

    func utcOffset(at instant: Timestamp) -> Int {
        let quarter = instant.milliseconds / 900_000
        return last.withLock { last in
            if let last, last.quarter == quarter { return last.offset }
            let offset = zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(quarter) * 900))
            last = (quarter, offset)
            return offset
        }
    }
}
