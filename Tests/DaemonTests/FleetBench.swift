import Configuration
import Foundation
import Journal
import Logging
import MQTT
import OBIS
import ServiceLifecycle
import Synchronization
import TestSupport
import Transport
import Wire

@testable import Daemon

/// A fleet with a journal, links that are only silent, and no broker.
final class FleetBench: Sendable {
    let clock = HandClock()
    let opener = SilentOpener()
    let pulses: Pulses
    let backbone: Backbone
    let fleet: Fleet
    private let path: String
    private let watched = Mutex<[WeakPipeline]>([])

    private struct WeakPipeline: Sendable {
        weak let pipeline: MeterPipeline?
    }

    init(folder: URL, brokerPort: Int = 9) async throws {
        path = folder.appendingPathComponent("journal.db").path
        pulses = Pulses(clock: clock)
        let configuration = Configuration(
            node: "cellar", broker: Broker(host: "127.0.0.1", port: brokerPort),
            journal: JournalConfiguration(path: path))
        backbone = try await Backbone(configuration, clock: clock, pulses: pulses, logger: quietLogger)
        fleet = Fleet(backbone, opener: opener, clock: clock, pulses: pulses, logger: quietLogger)
    }

    func meter(_ id: String) -> Meter {
        Meter(
            id: id, protocolName: "dsmr-p1",
            endpoint: .serial(path: "/dev/\(id)", line: LineSettings("115200 8N1") ?? .mbus))
    }

    /// What would be retained: an empty text for a topic that is to be cleared.
    var live: [String: String] { backbone.live.payloads.mapValues { String(decoding: $0, as: UTF8.self) } }

    /// What runs beside the fleet.
    func services(_ manager: ServiceManager, _ logger: Logger) -> (watchdog: any Service, others: [any Service]) {
        let overseer = Overseer(
            node: backbone.node, topics: backbone.topics, journal: backbone.journal, publisher: backbone.publisher,
            live: backbone.live, fleet: fleet, manager: manager, pulse: pulses.add("the overseer"), clock: clock,
            startedAt: clock.now)
        return (
            Watchdog(manager: manager, pulses: pulses, journal: backbone.journal, logger: logger),
            [backbone.publisher, overseer]
        )
    }

    func watch(_ pipelines: [MeterPipeline]) {
        watched.withLock { $0 += pipelines.map { WeakPipeline(pipeline: $0) } }
    }

    var livingPipelines: Int { watched.withLock { $0.count { $0.pipeline != nil } } }

    /// What is published on `reading`, in order, after the journal was closed.
    func readings() async throws -> [ExactJSON] {
        let journal = try await Journal.open(path: path, settings: JournalSettings(), logger: quietLogger)
        let entries = try await journal.entries(after: 0, limit: 1000)
        await journal.close()
        return entries.compactMap { $0.reading }.compactMap { ExactJSON(String(decoding: $0.payload, as: UTF8.self)) }
    }
}

func withFleet(_ body: (FleetBench) async throws -> Void) async throws {
    try await withFolder { folder in
        let bench = try await FleetBench(folder: folder)
        try await body(bench)
        await bench.fleet.stop()
        await bench.backbone.journal.close()
    }
}

/// Opens links on which only what a test says arrives, and knows which are open.
final class SilentOpener: LinkOpening {
    private struct State {
        var open: [String] = []
        var feeds: [String: LinkFeed] = [:]
        var waiting: [(names: [String], continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    func open(_ endpoint: Endpoint, options: LinkOptions, logger: Logger) async throws(TransportError) -> any Link {
        let name = options.name ?? ""
        let feed = LinkFeed()
        state.withLock { $0.feeds[name] = feed }
        change { $0.append(name) }
        return SilentLink(feed) { [weak self] in
            self?.change { open in
                if let index = open.firstIndex(of: name) { open.remove(at: index) }
            }
        }
    }

    private func change(_ body: (inout [String]) -> Void) {
        let ready = state.withLock { state in
            body(&state.open)
            let open = state.open.sorted()
            defer { state.waiting.removeAll { $0.names == open } }
            return state.waiting.filter { $0.names == open }.map(\.continuation)
        }
        for continuation in ready { continuation.resume() }
    }

    /// What arrives on the newest link of this name.
    func say(_ name: String, _ bytes: [UInt8]) {
        let feed = state.withLock { $0.feeds[name] }
        feed?.push(bytes, at: .now, endsBurst: false)
    }

    /// Returns when exactly these are open.
    func waitUntilOpen(_ names: [String]) async {
        await withCheckedContinuation { continuation in
            let isSo = state.withLock { state in
                guard state.open.sorted() != names.sorted() else { return true }
                state.waiting.append((names.sorted(), continuation))
                return false
            }
            if isSo { continuation.resume() }
        }
    }
}

private final class SilentLink: Link {
    private let feed: LinkFeed
    private let closed: @Sendable () -> Void
    private let isClosed = Mutex(false)

    init(_ feed: LinkFeed, closed: @escaping @Sendable () -> Void) {
        self.feed = feed
        self.closed = closed
    }

    var inbound: LinkInbound { feed.inbound }
    func send(_ bytes: [UInt8]) async throws(TransportError) {}
    func setLine(_ line: LineSettings) async throws(TransportError) {}

    func close() async {
        feed.finish(nil, discarding: true)
        let isFirst = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return !isClosed
        }
        if isFirst { closed() }
    }
}
