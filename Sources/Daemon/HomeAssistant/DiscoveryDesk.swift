import Configuration
import Discovery
import Foundation
import Journal
import Logging
import MQTT
import Metering
import OBIS
import Rules
import Synchronization
import Transport

/// Tells Home Assistant which meters there are, and what each of them delivers: when that grows, when Home Assistant
/// begins anew, and with each connection. What was told is kept in the journal, so that it can be taken back.
final class DiscoveryDesk: Sendable {
    /// Of each meter, and of the daemon.
    private static let key = "discovery"
    /// How often what a meter no longer delivers is kept.
    private static let keepInterval = Duration.seconds(600)

    /// What is kept.
    private struct Record: Codable {
        var delivery = Delivery()
        var publication: Publication?
        /// Topics that are to be cleared: again after a start, since the broker may not have heard of it.
        var obsolete: [String] = []
    }

    private struct Entry {
        /// Nil for the daemon.
        var meter: DiscoveredMeter?
        var canBePolled = false
        var record: Record
        var lastKept: Duration?
    }

    private struct State {
        var configured: HomeAssistant
        var acceptsCommands: Bool
        /// By the ids of the meters; "" is the daemon.
        var entries: [String: Entry] = [:]
    }

    private let node: String
    private let topics: Topics
    private let journal: Journal
    private let live: LiveTopics
    private let client: MQTTClient
    private let logger: Logger
    private let pause: @Sendable () async -> Void
    private let state: Mutex<State>

    /// - Parameter pause: after Home Assistant's birth message, so that not all its devices speak at once.
    init(
        _ configuration: Configuration, node: String, topics: Topics, journal: Journal, live: LiveTopics,
        client: MQTTClient, logger: Logger, pause: @escaping @Sendable () async -> Void = DiscoveryDesk.shortPause
    ) {
        self.node = node
        self.topics = topics
        self.journal = journal
        self.live = live
        self.client = client
        self.logger = logger
        self.pause = pause
        state = Mutex(
            State(
                configured: configuration.homeAssistant, acceptsCommands: configuration.broker.acceptsCommands))
    }

    @Sendable static func shortPause() async {
        try? await Task.pause(for: .milliseconds(Int.random(in: 0...2000)))
    }

    // MARK: Who there is

    /// Tells of the daemon, and listens for Home Assistant.
    func begin() async {
        let record = await stored("") ?? Record()
        state.withLock { state in
            live.clear(record.obsolete)
            state.entries[""] = Entry(record: record)
            publish("", &state)
            if state.configured.discovery != .off { client.subscribe(birthTopic(state)) }
        }
    }

    /// A meter is read from now on, with this stanza.
    ///
    /// - Parameters:
    ///   - via: the meter behind whose line it stands.
    ///   - isCompared: whether other meters stand behind it.
    func admit(_ meter: Meter, via: String?, isPolled: Bool, isCompared: Bool) async {
        let known = state.withLock { $0.entries[meter.id]?.record }
        let kept: Record? = if let known { known } else { await stored(meter.id) }
        var record = kept ?? Record()
        record.delivery.settle(basis: "\(meter.protocolName) \(meter.settings.profile?.name ?? "-")")
        let discovered = DiscoveredMeter(
            id: meter.id, name: meter.name ?? meter.id, via: via, problems: Self.problems(meter, isCompared))
        state.withLock { state in
            if known == nil { live.clear(record.obsolete) }
            state.entries[meter.id] = Entry(meter: discovered, canBePolled: isPolled && via == nil, record: record)
            publish(meter.id, &state)
        }
    }

    private static func problems(_ meter: Meter, _ isCompared: Bool) -> [WatchedProblem] {
        RuleRegistry.all.filter { rule in
            (!rule.isAcrossMeters || isCompared)
                && rule.explanation(for: InstallationLimits(meter.limits), settings: meter.rules).isActive
        }.map { WatchedProblem(type: $0.type, title: $0.title) }
    }

    /// The journal has been opened later than the meter was read: what was told before is known now.
    func restore(_ meter: String) async {
        guard let before = await stored(meter) else { return }
        state.withLock { state in
            guard var entry = state.entries[meter] else { return }
            entry.record.delivery.goOn(from: before.delivery)
            entry.record.publication = before.publication
            entry.record.obsolete += before.obsolete
            state.entries[meter] = entry
            publish(meter, &state)
        }
    }

    /// Nothing is to be left of these meters.
    func forget(_ meters: [String]) async {
        for meter in meters {
            let kept: Record?
            if let known = state.withLock({ $0.entries[meter]?.record }) {
                kept = known
            } else {
                kept = await stored(meter)
            }
            state.withLock { state in
                state.entries[meter] = nil
                guard let kept else { return }
                let ended = (kept.publication?.topics(meter: meter) ?? []) + kept.obsolete
                live.clear(ended)
                // The daemon sees to it that they are cleared.
                state.entries["", default: Entry(record: Record())].record.obsolete += ended
                keep("", &state)
            }
            journal.set(nil, forKey: Self.key, meter: meter) { _ in }
        }
    }

    /// Goes on with other settings.
    func change(to configured: HomeAssistant, acceptsCommands: Bool) {
        state.withLock { state in
            let before = state.configured.discovery == .off ? nil : birthTopic(state)
            (state.configured, state.acceptsCommands) = (configured, acceptsCommands)
            let after = configured.discovery == .off ? nil : birthTopic(state)
            if before != after {
                if let before { client.unsubscribe(before) }
                if let after { client.subscribe(after) }
            }
            for id in state.entries.keys.sorted() { publish(id, &state) }
        }
    }

    // MARK: What happens

    /// Takes note of what a meter's state shows after a reading.
    ///
    /// - Parameter now: monotonic.
    func observe(_ meter: String, _ reading: Reading, registerTotals: [RegisterTotal], at now: Duration) {
        state.withLock { state in
            // In its place: a copy for each reading would cost more than the rest.
            let isChanged = state.entries[meter]?.record.delivery.observe(
                reading, registerTotals: registerTotals, at: now)
            guard let isChanged else { return }
            let isDue = state.entries[meter]?.lastKept.map { now - $0 >= Self.keepInterval } ?? true
            if isDue { state.entries[meter]?.lastKept = now }
            if isChanged { publish(meter, &state) } else if isDue { keep(meter, &state) }
        }
    }

    /// The birth message of Home Assistant: it has begun anew and may know nothing.
    ///
    /// - Returns: whether it was that.
    @discardableResult
    func hear(_ message: MQTTMessage) -> Bool {
        let isBirth = state.withLock { state in
            state.configured.discovery != .off && message.topic == birthTopic(state)
        }
        // One that is retained says nothing of now, and with the connection everything is sent anyway.
        guard isBirth, !message.retain, message.payload.elementsEqual("online".utf8) else { return isBirth }
        logger.info("Home Assistant has started: it is told of everything again.")
        let (pause, live) = (pause, live)
        Task.onLoop {
            await pause()
            live.sendAgain()
        }
        return true
    }

    private func birthTopic(_ state: borrowing State) -> String { "\(state.configured.prefix)/status" }

    // MARK: Telling

    private func publish(_ id: String, _ state: inout State) {
        guard var entry = state.entries[id] else { return }
        let before = entry.record.publication
        guard let form = state.configured.discovery.form, entry.meter == nil || !entry.record.delivery.isEmpty else {
            guard let before else { return }
            withdraw(before.topics(meter: entry.meter?.id), &entry.record)
            entry.record.publication = nil
            state.entries[id] = entry
            return keep(id, &state)
        }
        let discoverer = Discoverer(
            form: form, prefix: state.configured.prefix, node: node, version: DaemonService.version)
        let device = device(entry, discoverer, state.acceptsCommands)
        let next = Publication(of: device, by: discoverer, after: before)
        let messages = discoverer.messages(device, gone: next.gone).map { ($0.topic, $0.payload) }
        let kept = Set(messages.map(\.0))
        let old = (before?.topics(meter: entry.meter?.id) ?? []).filter { !kept.contains($0) }
        let migration = before?.migrates(to: next) == true ? Publication.migration : nil
        live.announce(messages, inPlaceOf: old, migration: migration)
        entry.record.publication = next
        entry.record.obsolete = (entry.record.obsolete + old).filter { !kept.contains($0) }
        state.entries[id] = entry
        keep(id, &state)
    }

    private func device(_ entry: Entry, _ discoverer: Discoverer, _ acceptsCommands: Bool) -> DiscoveredDevice {
        guard var meter = entry.meter else { return discoverer.daemon(status: topics.status, info: topics.info) }
        meter.canBeAsked = acceptsCommands && entry.canBePolled
        return discoverer.meter(
            meter, entry.record.delivery,
            topics: MeterTopics(
                status: topics.status, info: topics.info, state: topics.state(meter.id),
                availability: topics.availability(meter.id), anomaly: topics.anomaly(meter.id),
                command: topics.command(meter.id), problems: topics.problems(meter.id)))
    }

    private func withdraw(_ topics: [String], _ record: inout Record) {
        live.clear(topics)
        record.obsolete += topics
    }

    // MARK: Keeping

    private func stored(_ meter: String) async -> Record? {
        guard let stored = (try? await journal.value(forKey: Self.key, meter: meter)).flatMap({ $0 }) else {
            return nil
        }
        return try? JSONDecoder().decode(Record.self, from: Data(stored))
    }

    private func keep(_ id: String, _ state: inout State) {
        guard journal.stream != nil, var record = state.entries[id]?.record else { return }
        record.obsolete = live.waiting(of: record.obsolete)
        state.entries[id]?.record.obsolete = record.obsolete
        guard let bytes = try? JSONEncoder().encode(record) else { return }
        journal.set([UInt8](bytes), forKey: Self.key, meter: id) { _ in }
    }
}

extension HomeAssistant.Discovery {
    fileprivate var form: DiscoveryForm? {
        switch self {
        case .device: .device
        case .entity: .entity
        case .off: nil
        }
    }
}
