import Configuration
import Foundation
import class GRDB.Database
import Journal
import Logging
import MQTT
import Metering
import OBIS
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Daemon

let quietLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Time passes when a test says so.
final class HandClock: HostClock {
    private let state = Mutex<Duration>(.seconds(1000))
    /// The host's time at `monotonic` zero.
    private static let origin: Int64 = 1_768_475_896_120

    var monotonic: Duration { state.withLock { $0 } }
    var now: Timestamp { Timestamp(milliseconds: Self.origin + monotonic.wholeMilliseconds) }
    var isSynchronized: Bool { true }

    func pass(_ duration: Duration) { state.withLock { $0 += duration } }
}

/// What stands on the retained topics, as a subscriber of a real broker finds it.
final class RetainedTopics {
    private(set) var live: LiveTopics
    private let broker: MosquittoBroker
    private let client: MQTTClient
    private let subscriber: MQTTClient
    private var looks = 0

    init() async throws {
        let broker = try await MosquittoBroker()
        self.broker = broker
        func makeClient(_ id: String) -> MQTTClient {
            MQTTClient(
                settings: BrokerSettings(host: "127.0.0.1", port: broker.port, clientID: id), logger: quietLogger)
        }
        client = makeClient("daemon")
        subscriber = makeClient("subscriber")
        live = LiveTopics(client: client, logger: quietLogger)
        subscriber.subscribe("#")
        try client.start()
        try subscriber.start()
        for await event in client.events { if case .connected = event { break } }
        for await event in subscriber.events { if case .subscribed = event { break } }
    }

    /// The daemon that knew what is to be retained is gone.
    func forget() {
        live = LiveTopics(client: client, logger: quietLogger)
    }

    /// Everything that is to be retained by now: topics without the node, and their payloads.
    func look() async throws -> [String: String] {
        looks += 1
        live.set("look/\(looks)/first", "")
        live.connected()
        defer { live.disconnected() }
        // Topics go out in their order, though from two threads: what was on its way with the first mark has arrived
        // with the second.
        var found = try await arrivals(until: "look/\(looks)/first")
        live.set("look/\(looks)/second", "")
        found.merge(try await arrivals(until: "look/\(looks)/second")) { $1 }
        return found
    }

    private func arrivals(until mark: String) async throws -> [String: String] {
        var found: [String: String] = [:]
        for await message in subscriber.messages {
            if message.topic == mark { return found }
            guard !message.topic.hasPrefix("look/") else { continue }
            found[String(message.topic.dropFirst("obisd/cellar/".count))] = String(
                decoding: message.payload, as: UTF8.self)
        }
        throw CancellationError()
    }

    func end() async {
        await client.stop()
        await subscriber.stop()
        broker.terminate()
    }
}

/// A journal and retained topics, and what the daemon makes for one meter between them.
final class PipelineBench {
    let clock = HandClock()
    let meter: Meter
    let retained: RetainedTopics
    private let path: String
    private let settings: JournalSettings
    private(set) var journal: Journal
    private var waiting: WaitingRoom
    private(set) var intake: Intake

    init(_ meter: Meter, _ settings: JournalSettings, folder: URL) async throws {
        self.meter = meter
        self.settings = settings
        path = folder.appendingPathComponent("journal.db").path
        retained = try await RetainedTopics()
        journal = try await Journal.open(path: path, settings: settings, logger: quietLogger)
        waiting = WaitingRoom(journal)
        intake = await Self.intake(meter, journal, waiting, retained.live, clock)
    }

    private static func intake(
        _ meter: Meter, _ journal: Journal, _ waiting: WaitingRoom?, _ live: LiveTopics, _ clock: HandClock,
        source: Reading.Source = .live, kept: [String: [String: [UInt8]]] = [:]
    ) async -> Intake {
        await Intake(meter: meter) { meter, mapping in
            await MeterPipeline(
                meter: meter, mapping: mapping, source: source, node: "cellar",
                topics: Topics(base: "obisd", node: "cellar"), journal: journal, waiting: waiting, live: live,
                clock: clock, kept: kept[meter.id] ?? [:], logger: quietLogger)
        }
    }

    /// As the daemon ends and starts: nothing but the journal stays.
    func restart() async throws {
        await journal.close()
        retained.forget()
        journal = try await Journal.open(path: path, settings: settings, logger: quietLogger)
        waiting = WaitingRoom(journal)
        intake = await Self.intake(meter, journal, waiting, retained.live, clock)
    }

    /// As the daemon does with a meter whose stanza changed.
    func reload() async {
        var kept: [String: [String: [UInt8]]] = [:]
        for pipeline in intake.pipelines { kept[pipeline.meter.id] = await pipeline.end() }
        intake = await Self.intake(meter, journal, waiting, retained.live, clock, kept: kept)
    }

    /// The same line as a recording, with the same journal.
    func replayed() async -> Intake {
        await Self.intake(meter, journal, nil, retained.live, clock, source: .replay)
    }

    func accept(_ telegram: Telegram) async { await intake.accept(telegram, capturedAt: clock.now) }

    /// Time passes, and the daemon looks at it.
    func pass(_ duration: Duration) async {
        clock.pass(duration)
        for pipeline in intake.pipelines { await pipeline.tick() }
    }

    /// What is published on `reading`, in order.
    func readings(_ meter: String) async throws -> [ExactJSON] {
        try await journal.entries(after: 0, limit: 1000).filter { $0.meter == meter }.compactMap { entry in
            entry.reading.flatMap { ExactJSON(String(decoding: $0.payload, as: UTF8.self)) }
        }
    }

    /// Until the journal refuses what is small.
    func fill() async throws {
        for size in [4096, 512, 64, 1] {
            for number in 0..<1000 {
                do {
                    let bytes = [UInt8](repeating: 0x78, count: size)
                    try await journal.set(bytes, forKey: "filling \(size) \(number)", meter: "none")
                } catch {
                    break
                }
            }
        }
    }

    func state(_ meter: String) async throws -> ExactJSON? {
        try await retained.look()["\(meter)/state"].flatMap { ExactJSON($0) }
    }

    func availability(_ meter: String) async throws -> String? {
        try await retained.look()["\(meter)/availability"]
    }
}

extension Journal {
    /// A disk that is full, or has room again. SQLite never lets the limit fall below the present size.
    func limit(pages: Int) async throws {
        try await withConnection { db in try db.execute(sql: "PRAGMA max_page_count = \(pages)") }
    }
}

/// A bench for one test, in a folder of its own.
func withBench(
    _ meter: Meter, _ settings: JournalSettings = JournalSettings(), _ body: (PipelineBench) async throws -> Void
) async throws {
    try await withFolder { folder in
        let bench = try await PipelineBench(meter, settings, folder: folder)
        try await body(bench)
        await bench.journal.close()
        await bench.retained.end()
    }
}

/// A fresh folder, removed at the end.
func withFolder<Value>(_ body: (URL) async throws -> Value) async throws -> Value {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("daemon-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}

/// What a P1 port says.
enum P1 {
    /// A telegram without a check, as DSMR 2.2 has it.
    static func bytes(_ lines: [String]) -> [UInt8] {
        Array((["/ISK5\\2M550T-1012", ""] + lines + ["!"]).map { $0 + "\r\n" }.joined().utf8)
    }

    static func telegram(_ lines: [String]) throws -> Telegram {
        let p1 = try #require(ProtocolRegistry.named("dsmr-p1"))
        var decoder = p1.makeDecoder(ProtocolSettings())
        decoder.append(bytes(lines))
        guard case .frame(let telegram)? = decoder.next() else { throw CancellationError() }
        return telegram
    }

    /// A house with a gas meter on channel 1 and a water meter on channel 2.
    static func house(
        second: Int = 0, energy: String = "000123.450", gasTime: String = "260115120000W", gas: String = "00100.000",
        water: String = "00007.500"
    ) -> [String] {
        [
            "0-0:1.0.0(2601151235\(second < 10 ? "0" : "")\(second)W)",
            "0-0:96.1.1(4530303030303132333435363738393031)",
            "1-0:1.8.1(\(energy)*kWh)", "0-1:24.1.0(003)", "0-1:96.1.0(4730303132333435363738393031323334)",
            "0-1:24.2.1(\(gasTime))(\(gas)*m3)", "0-2:24.1.0(007)", "0-2:24.2.1(260115120000W)(\(water)*m3)",
        ]
    }

    static let meter = Meter(
        id: "main", protocolName: "dsmr-p1", endpoint: .file(path: "capture"), timeZone: .named("Europe/Amsterdam"),
        interval: .seconds(10),
        subMeters: [SubMeter(channel: 1, id: "gas", name: "Gas"), SubMeter(channel: 3, id: "heat")])
}
