import Configuration
import Foundation
import LogMessages
import Logging
import MQTT
import OBIS
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Daemon

@Suite("Metrics")
struct MetricsTests {
    private static let start = Timestamp(milliseconds: 1_768_476_896_120)

    private static func info(
        meters: [DaemonInfo.Meter] = [], error: String? = nil, oldest: Timestamp? = nil, degraded: [String] = []
    ) -> DaemonInfo {
        DaemonInfo(
            version: "0.1.0", node: "cellar", stream: "7f3a", startedAt: start, meters: meters,
            journal: .init(
                readings: 4711, backlog: 3, oldestWaiting: oldest, bytes: 4096, givenUp: 2, error: error),
            broker: .init(
                acknowledged: 4708, refused: 1, setAside: 5, isConnected: false, hasSubscriber: nil, error: "no"),
            degraded: degraded)
    }

    private static func meter(
        _ id: String = "main", rejected: [String: Int64] = [:], power: FixedDecimal? = nil,
        lastReading: Timestamp? = nil, waiting: Int64? = nil
    ) -> DaemonInfo.Meter {
        .init(
            id: id, name: "Secret name", protocolName: "sml", endpoint: "/dev/ttyUSB0", device: "12345678",
            isOnline: true, readings: 10, backfilled: 4, unjournaled: 1, lastSeq: 4711, lastReading: lastReading,
            rejected: rejected,
            noiseBytes: 7, linkError: nil, power: power, linkQuality: power == nil ? nil : FixedDecimal("0.970"),
            waiting: waiting)
    }

    private func read(_ info: DaemonInfo) throws -> PrometheusText {
        try PrometheusText(String(decoding: MetricsText(info).bytes, as: UTF8.self))
    }

    // MARK: The text

    @Test("every figure of the daemon has its line, with its unit and every digit")
    func figures() throws {
        let values = try read(
            Self.info(
                meters: [
                    Self.meter(
                        rejected: ["checksum": 2], power: FixedDecimal("-240.50"), lastReading: Self.start, waiting: 3)
                ], error: "full", oldest: Self.start, degraded: ["x"])
        ).values
        let labels = #"{meter="main",protocol="sml""#
        for (series, value) in [
            (#"obisd_build_info{version="0.1.0",node="cellar"}"#, "1"),
            ("obisd_start_time_seconds", "1768476896.120"), ("obisd_degraded", "1"), ("obisd_broker_connected", "0"),
            ("obisd_published_total", "4708"), ("obisd_refused_total", "1"), ("obisd_set_aside_total", "5"),
            ("obisd_journal_readings", "4711"), ("obisd_journal_size_bytes", "4096"), ("obisd_journal_failed", "1"),
            ("obisd_journal_given_up_total", "2"), ("obisd_backlog_entries", "3"),
            ("obisd_backlog_oldest_timestamp_seconds", "1768476896.120"), ("obisd_meter_up\(labels)}", "1"),
            ("obisd_meter_readings_total\(labels)}", "10"), ("obisd_meter_backfilled_total\(labels)}", "4"),
            ("obisd_meter_unjournaled_readings_total\(labels)}", "1"),
            ("obisd_meter_waiting_readings\(labels)}", "3"), ("obisd_meter_active_power_watts\(labels)}", "-240.50"),
            ("obisd_meter_last_reading_timestamp_seconds\(labels)}", "1768476896.120"),
            ("obisd_meter_link_quality_ratio\(labels)}", "0.970"), ("obisd_meter_noise_bytes_total\(labels)}", "7"),
            (#"obisd_meter_errors_total\#(labels),code="checksum"}"#, "2"),
            (#"obisd_meter_errors_total\#(labels),code="timeout"}"#, "0"),
            (#"obisd_meter_open_anomalies\#(labels),severity="high"}"#, "0"),
        ] { #expect(values[series] == value, "\(series)") }
        #expect(values.count == 13 + 9 + WireError.Code.allCases.count + Anomaly.Severity.allCases.count)
    }

    @Test("what is unknown has no line, and is never zero")
    func unknown() throws {
        let values = try read(Self.info(meters: [Self.meter()])).values
        for name in ["active_power_watts", "last_reading_timestamp_seconds", "link_quality_ratio", "waiting_readings"] {
            #expect(!values.keys.contains { $0.hasPrefix("obisd_meter_\(name)") }, "\(name)")
        }
        #expect(values["obisd_backlog_oldest_timestamp_seconds"] == nil && values["obisd_degraded"] == "0")
        #expect(try read(Self.info()).values.keys.allSatisfy { !$0.hasPrefix("obisd_meter_") })
    }

    @Test("labels are escaped, and hold nothing that a meter said")
    func escaping() throws {
        var info = Self.info(meters: [Self.meter("a\"b\\c\nd", rejected: ["invented": 9])])
        info.node = "ce\\llar\""
        let text = try read(info)
        #expect(text.labels.values.contains(["version": "0.1.0", "node": "ce\\llar\""]))
        #expect(text.labels.values.contains(["meter": "a\"b\\c\nd", "protocol": "sml"]))
        #expect(
            !text.values.keys.contains { $0.contains("invented") || $0.contains("12345678") || $0.contains("Secret") })
    }

    @Test("a meter that says something else in every telegram makes no other series")
    func hostile() async throws {
        try await withFleet { bench in
            let overseer = Overseer(
                node: "cellar", topics: bench.backbone.topics, journal: bench.backbone.journal,
                publisher: bench.backbone.publisher, live: bench.backbone.live, fleet: bench.fleet,
                manager: ServiceManager(socket: nil, watchdogTime: nil), pulse: bench.pulses.add("the overseer"),
                clock: bench.clock, startedAt: bench.clock.now)
            await bench.fleet.change(to: [bench.meter("main")])
            let pipeline = try #require(await bench.fleet.reader(of: "main")).pipeline
            func series() async throws -> Set<String> { Set(try read(await overseer.info()).values.keys) }
            func send(_ number: Int) async throws {
                let serial = (1...8).map { "3\((number * 7 + $0) % 10)" }.joined()
                await pipeline.accept(
                    try P1.telegram([
                        "0-0:96.1.1(\(serial))", "1-0:1.8.1(00012\(number % 10).450*kWh)",
                        "1-0:1.7.0(00.24\(number % 10)*kW)",
                        "\(number % 3)-\(number):\(number).\(number).7(\(number)*kW)", "1-0:99.\(number).1(\"}evil{\")",
                    ]), capturedAt: bench.clock.now)
                bench.clock.pass(.seconds(1))
                await pipeline.noise(number)
                for code in WireError.Code.allCases { await pipeline.rejected(WireError(code, "evil \(number)")) }
            }
            try await send(1)
            let before = try await series()
            #expect(before.contains(#"obisd_meter_active_power_watts{meter="main",protocol="dsmr-p1"}"#))
            for number in 2...60 { try await send(number) }
            #expect(try await series() == before)
            let up = try read(await overseer.info()).values[
                #"obisd_meter_readings_total{meter="main",protocol="dsmr-p1"}"#]
            #expect(up == "60")
        }
    }

    // MARK: The file

    private func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

    @Test("the file is all of one text or all of another, whenever it is read")
    func atomic() async throws {
        try await withFolder { folder in
            let file = MetricsFile(path: folder.appendingPathComponent("obisd.prom").path)
            let texts = ["a", "b"].map { String(repeating: $0 + "\n", count: 20_000) }
            try file.replace(with: Array(texts[0].utf8))
            let isDone = Mutex(false)
            async let writing: Void = {
                for round in 1...300 { try file.replace(with: Array(texts[round % 2].utf8)) }
                isDone.withLock { $0 = true }
            }()
            var seen: Set<String> = []
            while !isDone.withLock({ $0 }) || seen.isEmpty { seen.insert(try #require(text(file.path))) }
            try await writing
            #expect(seen.isSubset(of: texts))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["obisd.prom"])
        }
    }

    @Test("everybody may read it, and a link that lies where it is drafted is not followed")
    func rights() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("daemon-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = MetricsFile(path: folder.appendingPathComponent("obisd.prom").path)
        let victim = folder.appendingPathComponent("victim").path
        try Data("precious".utf8).write(to: URL(fileURLWithPath: victim))
        try FileManager.default.createSymbolicLink(atPath: file.draft, withDestinationPath: victim)
        try file.replace(with: Array("new\n".utf8))
        #expect(text(file.path) == "new\n" && text(victim) == "precious")
        #expect(try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int == 0o644)
    }

    // MARK: The service

    private func withService(
        _ folder: URL, _ log: Logger = quietLogger, every: Duration = .seconds(3600), count: CallCount = CallCount(),
        _ body: (MetricsService, String) async throws -> Void
    ) async throws {
        let path = folder.appendingPathComponent("obisd.prom").path
        let service = MetricsService(
            MetricsConfiguration(file: path, every: every), log: PacedLog(log) { .seconds(1) }
        ) {
            count.calls.withLock { $0 += 1 }
            return Self.info()
        }
        let running = Task { try await service.run() }
        try await body(service, path)
        running.cancel()
        try await running.value
    }

    @Test("it stands at once, is taken away at the end, and follows a reload")
    func service() async throws {
        try await withFolder { folder in
            let other = folder.appendingPathComponent("other.prom").path
            try await withService(folder) { service, path in
                try await waitFor("the file") { text(path)?.hasSuffix("\n") == true }
                _ = try PrometheusText(try #require(text(path)))
                service.change(to: MetricsConfiguration(file: other))
                try await waitFor("the other file") { text(other) != nil }
                #expect(text(path) == nil)
                service.change(to: nil)
                try await waitFor("no file") { text(other) == nil }
                service.change(to: MetricsConfiguration(file: path))
                try await waitFor("the file again") { text(path) != nil }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        }
    }

    @Test("where it cannot be written the old one stays, that is said once, and it goes on when it can be")
    func failing() async throws {
        try await withFolder { folder in
            let log = LineLog()
            let path = folder.appendingPathComponent("obisd.prom").path
            let draft = MetricsFile(path: path).draft
            try Data("old\n".utf8).write(to: URL(fileURLWithPath: path))
            try FileManager.default.createDirectory(atPath: draft, withIntermediateDirectories: true)
            let count = CallCount()
            let logger = Logger(label: "test") { _ in log }
            try await withService(folder, logger, every: .milliseconds(1), count: count) { _, path in
                try await waitFor("twenty attempts") { count.calls.withLock { $0 } > 20 }
                #expect(text(path) == "old\n")
                #expect(log.lines.withLock { $0 } == ["The metrics cannot be written to \(path): File exists."])
                try FileManager.default.removeItem(atPath: draft)
                try await waitFor("the new file") { text(path)?.hasPrefix("# HELP") == true }
            }
            #expect(text(path) == nil)
        }
    }
}

/// How often something was asked for.
private final class CallCount: Sendable {
    let calls = Mutex(0)
}

private final class LineLog: LogHandler {
    let lines = Mutex<[String]>([])

    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        lines.withLock { $0.append("\(event.message)") }
    }
}
