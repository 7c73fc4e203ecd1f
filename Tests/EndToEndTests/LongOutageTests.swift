import Foundation
import TestSupport
import Testing

/// The broker is away for as long as a day, told in readings: four meters, one reading of each every two seconds.
@Suite("A long outage")
struct LongOutageTests {
    private static let isLong = ProcessInfo.processInfo.environment["OBISD_LONG_TESTS"] == "1"
    private static let readings = isLong ? 180_000 : 12_000
    private static let growth = 8 << 10

    @Test("memory does not grow with the backlog, and all of it comes, in order and fast")
    func backlog() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker([
                "persistence true", "persistence_location FOLDER/", "max_inflight_messages 0", "max_queued_messages 0",
            ])
            // The broker keeps for it what comes before it is there again.
            let subscription = ["-p", "\(broker.port)", "-q", "1", "-t", "obisd/e2e/+/reading", "-c", "-i", "keeper"]
            #expect(try ChildProcess.run("mosquitto_sub", subscription + ["-E"]) == 0)
            broker.terminate()
            let meters = try MetersProcess(
                folder: folder, (1...4).map { "dlms-push,tcp=0,interval=10ms,serial=\($0)" })
            let ports = try await meters.ports(of: 4)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: ports.enumerated().map { index, port in
                    #"id: m\#(index), protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#
                }, broker: "drain_rate: unlimited")
            try daemon.start()
            let figures = ProcessFigures(pid: try #require(daemon.pid))
            _ = try await backlog(of: daemon, reaches: Self.readings / 10)
            let before = try figures.anonymousKilobytes
            let waiting = try await backlog(of: daemon, reaches: Self.readings)
            meters.end()
            let full = try figures.anonymousKilobytes

            try await broker.start()
            let output = folder.appendingPathComponent("readings").path
            let subscriber = try ChildProcess(
                "/usr/bin/env",
                ["mosquitto_sub"] + subscription + ["-F", "%t %p"],
                output: output, error: "/dev/null")
            let started = ContinuousClock.now
            var most = full
            var left = waiting
            while left > 0 {
                left = try await Self.journal(of: daemon)?.digits("backlog") ?? left
                most = max(most, try figures.anonymousKilobytes)
                try #require(ContinuousClock.now - started < .seconds(600), "\(left) readings still wait")
            }
            let seconds = Double((ContinuousClock.now - started) / .milliseconds(1)) / 1000
            let drained = try await daemon.status()?["broker"]?.digits("acknowledged") ?? 0
            print(
                "long outage: \(waiting) readings waited; \(drained) drained, \(Int(Double(drained) / seconds)) a second"
            )
            print("long outage: RssAnon \(before) KiB after a tenth, \(full) KiB full, at most \(most) KiB")
            #expect(most - before <= Self.growth)
            #expect(try await daemon.terminate() == 0)
            let journaled = try await daemon.journaled().count
            try await waitFor("all readings at the subscriber") { try lines(of: output) >= journaled }
            subscriber.end(SIGTERM)
            try expectEverything(in: output, journaled: journaled)
        }
    }

    private func backlog(of daemon: DaemonProcess, reaches count: Int) async throws -> Int {
        let end = ContinuousClock.now + .seconds(Self.isLong ? 1800 : 240)
        while ContinuousClock.now < end {
            if let backlog = try await Self.journal(of: daemon)?.digits("backlog"), backlog >= count { return backlog }
        }
        throw NotInTime(description: "a backlog of \(count) readings")
    }

    /// Asked now and then, so that asking does not take the processor from what is measured.
    private static func journal(of daemon: DaemonProcess) async throws -> ExactJSON? {
        try await Task.sleep(for: .milliseconds(500))
        return try await daemon.status()?["journal"]
    }

    private func lines(of path: String) throws -> Int {
        try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped).count { $0 == UInt8(ascii: "\n") }
    }

    /// Each meter from its first reading on, without a hole.
    private func expectEverything(in output: String, journaled: Int) throws {
        var next: [Substring: Int] = [:]
        var count = 0
        let content = try Data(contentsOf: URL(fileURLWithPath: output), options: .alwaysMapped)
        for line in content.split(separator: UInt8(ascii: "\n")) {
            let head = String(decoding: line.prefix(200), as: UTF8.self)
            let topic = head.prefix { $0 != " " }
            let range = try #require(head.range(of: "\"seq\":"))
            let seq = try #require(Int(head[range.upperBound...].prefix { $0.isNumber }))
            let expected = next[topic, default: 1]
            if seq > expected { Issue.record("\(topic) goes from \(expected - 1) to \(seq)") }
            next[topic] = max(next[topic] ?? 0, seq + 1)
            count += 1
        }
        #expect(next.count == 4)
        #expect(count >= journaled && next.values.reduce(0) { $0 + $1 - 1 } == journaled)
    }
}

extension ExactJSON {
    fileprivate func digits(_ key: String) -> Int? { self[key]?.digits.flatMap { Int($0) } }
}
