import Configuration
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Daemon

@Suite("Watchdog", .serialized)
struct WatchdogTests {
    @Test("a loop that rests may take any time, one that turns must go on")
    func pulse() {
        let clock = HandClock()
        let pulses = Pulses(patience: .seconds(10), clock: clock)
        let one = pulses.add("one")
        let slow = pulses.add("slow", extra: .seconds(60))
        clock.pass(.seconds(3600))
        #expect(pulses.standstills.isEmpty)
        one.beat()
        slow.beat()
        clock.pass(.seconds(10))
        #expect(pulses.standstills.isEmpty)
        clock.pass(.seconds(1))
        #expect(pulses.standstills.map(\.name) == ["one"])
        #expect(pulses.standstills.first?.time == .seconds(11))
        one.rest()
        #expect(pulses.standstills.isEmpty)
        one.beat()
        clock.pass(.seconds(70))
        #expect(pulses.standstills.map(\.name) == ["one", "slow"])
        pulses.remove(slow)
        #expect(pulses.standstills.map(\.name) == ["one"])
    }

    @Test("every loop that hangs is named, and the service manager hears nothing until all go on")
    func hang() async throws {
        try await withFolder { folder in
            let socket = try NotifySocket(folder.appendingPathComponent("notify").path)
            let log = WatchdogLog()
            let bench = try await FleetBench(folder: folder)
            let manager = ServiceManager(socket: socket.path, watchdogTime: .milliseconds(40))
            let (watchdog, others) = bench.services(manager, Logger(label: "test") { _ in log })
            await bench.fleet.change(to: [bench.meter("main")])
            await bench.fleet.start()
            await bench.opener.waitUntilOpen(["main"])
            var tasks = [Task { try await watchdog.run() }]
            try await waitFor("a daemon that is alive") { socket.count("WATCHDOG=1") > 0 }

            // A disk that does not answer holds up everyone who asks the journal, and so each loop.
            let disk = DispatchSemaphore(value: 0)
            bench.backbone.journal.echo { disk.wait() }
            tasks += others.map { service in Task { try await service.run() } }
            bench.opener.say("main", P1.bytes(["1-0:1.8.1(000123.450*kWh)"]))
            // Longer than the longest turn of a loop that goes on.
            try await Task.sleep(for: .seconds(6))
            bench.clock.pass(.seconds(11))
            try await Task.sleep(for: .seconds(6))
            let hanging = ["the journal", "the overseer", "the publisher", "the reader of main"]
            #expect(bench.pulses.standstills.map(\.name) == hanging)
            #expect(log.sentences.last?.contains("the reader of main for 11 s") == true)
            let before = socket.count("WATCHDOG=1")
            try await Task.sleep(for: .milliseconds(300))
            #expect(socket.count("WATCHDOG=1") == before)

            disk.signal()
            try await waitFor("a daemon that is alive again") { socket.count("WATCHDOG=1") > before }
            for task in tasks { task.cancel() }
            await bench.fleet.stop()
            await bench.backbone.journal.close()
        }
    }

    @Test(
        "one loop that hangs is enough",
        arguments: ["the journal", "the overseer", "the publisher", "the reader of main"])
    func one(_ loop: String) async throws {
        try await withFolder { folder in
            let socket = try NotifySocket(folder.appendingPathComponent("notify").path)
            let log = WatchdogLog()
            let bench = try await FleetBench(folder: folder)
            let manager = ServiceManager(socket: socket.path, watchdogTime: .milliseconds(40))
            let pulse = bench.pulses.add(loop)
            pulse.beat()
            bench.clock.pass(.seconds(11))
            let (watchdog, _) = bench.services(manager, Logger(label: "test") { _ in log })
            let task = Task { try await watchdog.run() }
            try await waitFor("a sentence") {
                log.sentences.last
                    == "No progress: \(loop) for 11 s. The service manager is told nothing until it goes on."
            }
            #expect(socket.count("WATCHDOG=1") == 0)
            pulse.beat()
            try await waitFor("a daemon that is alive again") { socket.count("WATCHDOG=1") > 0 }
            task.cancel()
            await bench.fleet.stop()
            await bench.backbone.journal.close()
        }
    }
}

/// What the watchdog said.
private final class WatchdogLog: LogHandler {
    private let all = Mutex<[String]>([])
    var sentences: [String] { all.withLock { $0 } }

    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .critical }
        set {}
    }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) { all.withLock { $0.append("\(event.message)") } }
}
