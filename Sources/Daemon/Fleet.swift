import Configuration
import Journal
import Logging
import MQTT
import Metering
import Rules
import ServiceLifecycle
import Transport

/// The meters that are read, each by a reader of its own, and what compares them. Meters come, go and change while the
/// others go on.
actor Fleet {
    private struct Running {
        let meter: Meter
        let reader: MeterReader
        let pulse: Pulse
        var task: Task<Void, Never>?
    }

    private struct Balance {
        let main: Meter
        let subs: [String]
        let desk: BalanceDesk
    }

    private let backbone: Backbone
    private let opener: any LinkOpening
    private let traffic: RecentTraffic
    private let clock: any HostClock
    private let pulses: Pulses
    private let logger: Logger
    /// In the order of the configuration.
    private var running: [Running] = []
    private var balances: [String: Balance] = [:]
    /// Whose topics the broker may retain; nil before the first change.
    private var known: [String]?
    /// Meters that are not read any more, whose topics the broker is not known to have cleared.
    private var gone: [String] = []
    private var isStarted = false
    /// Counts the changes of who is read.
    private(set) var revision = 0

    init(
        _ backbone: Backbone, opener: any LinkOpening, traffic: RecentTraffic = RecentTraffic(), clock: any HostClock,
        pulses: Pulses, logger: Logger
    ) {
        self.backbone = backbone
        self.opener = opener
        self.traffic = traffic
        self.clock = clock
        self.pulses = pulses
        self.logger = logger
    }

    var pipelines: [MeterPipeline] { running.flatMap(\.reader.intake.pipelines) }

    /// - Returns: nil where no such meter is read.
    func reader(of meter: String) -> (reader: MeterReader, pipeline: MeterPipeline)? {
        for entry in running {
            if let pipeline = entry.reader.intake.pipelines.first(where: { $0.meter.id == meter }) {
                return (entry.reader, pipeline)
            }
        }
        return nil
    }

    /// Wakes those conversations that want to know whether their meters still talk.
    func look() {
        let now = clock.monotonic
        for entry in running { entry.reader.bell.look(at: now) }
        lookAtGone()
    }

    func start() {
        isStarted = true
        startReaders()
    }

    /// Ends all readers and hands over what they held back.
    func stop() async {
        isStarted = false
        _ = await end(running.map(\.meter.id))
        for balance in balances.values { await balance.desk.end() }
    }

    // MARK: Changing

    /// What a change did, by the ids of the meters.
    struct Outcome: Sendable, Equatable {
        var added: [String] = []
        var changed: [String] = []
        var removed: [String] = []
    }

    /// Reads these meters from now on. Those whose stanza is the same go on undisturbed; what the broker retains of
    /// those that are not read any more is cleared.
    @discardableResult
    func change(to configured: [Meter]) async -> Outcome {
        let wanted = configured.filter(\.isEnabled)
        let before = Dictionary(uniqueKeysWithValues: running.map { ($0.meter.id, $0.meter) })
        var outcome = Outcome()
        for meter in wanted where before[meter.id] != meter {
            if before[meter.id] == nil { outcome.added.append(meter.id) } else { outcome.changed.append(meter.id) }
        }
        let ids = Set(wanted.map(\.id))
        outcome.removed = running.map(\.meter.id).filter { !ids.contains($0) }
        // Everything that ends does so before anything begins: a port may pass from one meter to another.
        let kept = await end(outcome.changed + outcome.removed)
        traffic.keep(only: Set(wanted.map(\.lineName)))
        await begin(wanted, kept)
        await introduce()
        await compare(restarted: Set(outcome.added + outcome.changed))
        await forgetMissing()
        revision += 1
        if isStarted { startReaders() }
        return outcome
    }

    /// - Returns: what those that follow go on with, by the ids of the meters and by key.
    private func end(_ ids: [String]) async -> [String: [String: [UInt8]]] {
        guard !ids.isEmpty else { return [:] }
        let ids = Set(ids)
        let ending = running.filter { ids.contains($0.meter.id) }
        for entry in ending { entry.task?.cancel() }
        var kept: [String: [String: [UInt8]]] = [:]
        for entry in ending {
            await entry.task?.value
            pulses.remove(entry.pulse)
            for pipeline in entry.reader.intake.pipelines { kept[pipeline.meter.id] = await pipeline.end() }
        }
        running.removeAll { ids.contains($0.meter.id) }
        return kept
    }

    private func begin(_ wanted: [Meter], _ kept: [String: [String: [UInt8]]]) async {
        let present = Dictionary(uniqueKeysWithValues: running.map { ($0.meter.id, $0) })
        var next: [Running] = []
        next.reserveCapacity(wanted.count)
        for meter in wanted {
            if let entry = present[meter.id] {
                next.append(entry)
            } else if let entry = await makeReader(meter, kept) {
                next.append(entry)
            }
        }
        running = next
    }

    private func makeReader(_ meter: Meter, _ kept: [String: [String: [UInt8]]]) async -> Running? {
        guard let meterProtocol = ProtocolRegistry.named(meter.protocolName) else { return nil }
        let (backbone, clock) = (backbone, clock)
        let mainID = meter.id
        let hasLoadProfile = meterProtocol.hasLoadProfile(meter.settings)
        let intake = await Intake(meter: meter) { meter, mapping in
            await MeterPipeline(
                meter: meter, mapping: mapping, node: backbone.node, topics: backbone.topics,
                journal: backbone.journal, waiting: backbone.waiting, live: backbone.live,
                discovery: backbone.discovery, clock: clock,
                hasLoadProfile: hasLoadProfile && meter.id == mainID, kept: kept[meter.id] ?? [:],
                logger: logger(of: meter))
        }
        // While the journal gathers, a reader may wait for its sync.
        let pulse = pulses.add("the reader of \(meter.id)", extra: backbone.journal.gatheringTime)
        let reader = MeterReader(
            intake: intake, meterProtocol: meterProtocol, opener: opener, clock: clock, pulse: pulse,
            logger: logger(of: meter))
        return Running(meter: meter, reader: reader, pulse: pulse)
    }

    /// Tells Home Assistant of all meters, those in front of others first: others may have come behind one that has not
    /// changed.
    private func introduce() async {
        guard let discovery = backbone.discovery else { return }
        let inFront = Set(running.compactMap(\.meter.behind))
        for entry in running {
            for pipeline in entry.reader.intake.pipelines {
                let meter = pipeline.meter
                let isMain = meter.id == entry.meter.id
                await discovery.admit(
                    meter, via: isMain ? nil : entry.meter.id, isPolled: entry.reader.isPolled,
                    isCompared: inFront.contains(meter.id))
            }
        }
    }

    private func startReaders() {
        for index in running.indices where running[index].task == nil {
            let reader = running[index].reader
            running[index].task = Task.onLoop { await reader.run() }
        }
    }

    /// Meters that stand behind another one are compared with it.
    private func compare(restarted: Set<String>) async {
        let pipelines = pipelines
        let behind = Dictionary(grouping: pipelines.filter { $0.meter.behind != nil }) { $0.meter.behind ?? "" }
        var next: [String: Balance] = [:]
        for main in pipelines {
            guard let subs = behind[main.meter.id] else {
                await main.leaveBalance()
                await balances[main.meter.id]?.desk.end()
                await BalanceDesk.abandon(main.meter, backbone, clock, logger: logger(of: main.meter))
                continue
            }
            let names = subs.map(\.meter.id)
            if let old = balances[main.meter.id], old.main == main.meter, old.subs == names,
                restarted.isDisjoint(with: names + [main.meter.id])
            {
                next[main.meter.id] = old
                continue
            }
            await balances[main.meter.id]?.desk.end()
            let desk = await BalanceDesk(main: main.meter, subs: names, backbone, logger: logger(of: main.meter))
            for pipeline in subs + [main] { await pipeline.join(desk) }
            next[main.meter.id] = Balance(main: main.meter, subs: names, desk: desk)
        }
        balances = next
    }

    private nonisolated func logger(of meter: Meter) -> Logger {
        var logger = logger
        logger[metadataKey: "meter"] = "\(meter.id)"
        logger[metadataKey: "protocol"] = "\(meter.protocolName)"
        return logger
    }

    // MARK: Meters that are gone

    private static let namesKey = "meters"

    /// Clears what the broker retains of meters that were known and are not read any more, also of those that were taken
    /// out of the configuration while no daemon ran.
    private func forgetMissing() async {
        let names = pipelines.map(\.meter.id)
        let before: [String]
        if let known { before = known } else { before = await storedNames() }
        known = names
        guard before != names else { return }
        let present = Set(names)
        let missing = before.filter { !present.contains($0) }
        gone = gone.filter { !present.contains($0) && !missing.contains($0) } + missing
        // Entities go before the topics that they read.
        await backbone.discovery?.forget(missing)
        for meter in missing { backbone.live.end(retained(of: meter)) }
        storeNames()
    }

    /// The broker may be away for longer than the daemon runs: who is gone is known until it has cleared everything.
    private func lookAtGone() {
        guard !gone.isEmpty else { return }
        let left = gone.filter { !backbone.live.waiting(of: retained(of: $0)).isEmpty }
        guard left.count < gone.count else { return }
        gone = left
        storeNames()
    }

    private func retained(of meter: String) -> [String] {
        backbone.topics.retained(of: meter, problems: RuleRegistry.all.map(\.type))
    }

    private func storeNames() {
        let names = (known ?? []) + gone
        backbone.journal.set(Array(names.joined(separator: "\n").utf8), forKey: Self.namesKey, meter: "") { _ in }
    }

    private func storedNames() async -> [String] {
        let stored = (try? await backbone.journal.value(forKey: Self.namesKey, meter: "")).flatMap { $0 } ?? []
        return String(decoding: stored, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}

/// Runs the fleet from the start of the daemon to its end.
struct FleetService: Service {
    let fleet: Fleet
    let manager: ServiceManager

    func run() async throws {
        await fleet.start()
        manager.ready()
        try? await gracefulShutdown()
        manager.stopping()
        await fleet.stop()
    }
}
