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

    @Test(
        "each loop that hangs is named, and the service manager hears nothing until it goes on",
        arguments: ["the reader of main", "the publisher", "the overseer", "the journal"])
    func hang(_ loop: String) async throws {
        try await withFolder { folder in
            let socket = try NotifySocket(folder.appendingPathComponent("notify").path)
            let trap = Trap(loop)
            let log = WatchdogLog()
            let bench = try await FleetBench(folder: folder, onBeat: trap.pass)
            let manager = ServiceManager(socket: socket.path, watchdogTime: .milliseconds(40))
            let tasks = bench.services(manager, Logger(label: "test") { _ in log }).map { service in
                Task { try await service.run() }
            }
            await bench.fleet.change(to: [bench.meter("main")])
            await bench.fleet.start()
            try await waitFor("a daemon that is alive") { socket.count("WATCHDOG=1") > 0 }

            trap.arm()
            if loop == "the journal" { bench.backbone.journal.echo { trap.pass(loop) } }
            try await waitFor("\(loop) to hang") { trap.holds }
            // Of those that go on, each takes a turn within five seconds, and then this one is left.
            bench.clock.pass(.seconds(11))
            try await waitFor("a sentence on \(loop) alone") {
                log.sentences.last?.contains("No progress: \(loop) for") == true
            }
            let before = socket.count("WATCHDOG=1")
            try await Task.sleep(for: .milliseconds(300))
            #expect(socket.count("WATCHDOG=1") == before)

            trap.release()
            try await waitFor("a daemon that is alive again") { socket.count("WATCHDOG=1") > before }
            for task in tasks { task.cancel() }
            await bench.fleet.stop()
            await bench.backbone.journal.close()
        }
    }
}

/// Holds up one loop, as a call that never returns would.
private final class Trap: Sendable {
    private let loop: String
    private let state = Mutex((isArmed: false, holds: false))
    private let door = DispatchSemaphore(value: 0)

    init(_ loop: String) {
        self.loop = loop
    }

    func arm() { state.withLock { $0.isArmed = true } }
    var holds: Bool { state.withLock { $0.holds } }

    @Sendable func pass(_ name: String) {
        let isCaught = state.withLock { state in
            guard name == loop, state.isArmed, !state.holds else { return false }
            state.holds = true
            return true
        }
        if isCaught { door.wait() }
    }

    func release() {
        state.withLock { $0.isArmed = false }
        door.signal()
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
