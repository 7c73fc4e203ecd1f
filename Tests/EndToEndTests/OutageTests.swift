import Foundation
import TestSupport
import Testing

/// What was accepted reaches a subscriber, whatever ends in between.
@Suite("Nothing accepted is lost")
struct OutageTests {
    /// A broker that keeps the sessions of its subscribers when it is stopped.
    private static let persistent = [
        "persistence true", "persistence_location FOLDER/", "max_queued_messages 0",
        "max_inflight_messages 0",
    ]

    @Test(
        "a broker that is away for 30 s, and a daemon that is killed meanwhile: every seq arrives, in order"
    )
    func outage() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker(Self.persistent)
            let optical = folder.appendingPathComponent("optical").path
            let meters = try MetersProcess(
                folder: folder,
                ["dlms-push,tcp=0,interval=100ms,serial=11111111", "iec62056-21,pty=\(optical)"])
            let port = try #require(try await meters.ports(of: 2).first)
            let subscriber = try Subscriber(
                port: broker.port, folder: folder, filter: "obisd/e2e/+/reading", session: "keeper")
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#,
                    "id: optical, protocol: iec62056-21, transport: {serial: \(optical)}, interval: 1s",
                ])
            try daemon.start()
            try await subscriber.wait(for: "readings of both") {
                $0.newest("main") >= 5 && $0.newest("optical") >= 1
            }

            broker.terminate()
            let stopped = Date()
            try await Task.sleep(for: .seconds(12))
            daemon.kill()
            try daemon.start()
            try await Task.sleep(for: .seconds(18))
            let restarted = Date()
            try await broker.start()

            let instant = restarted.ISO8601Format(.init(includingFractionalSeconds: true))
            try await subscriber.wait(for: "readings that were captured after the outage") { subscriber in
                ["main", "optical"].allSatisfy {
                    subscriber.readings($0).last.map { $0.capturedAt > instant } ?? false
                }
            }
            meters.end()
            let outage = (stopped.timeIntervalSince1970 + 1)..<restarted.timeIntervalSince1970
            let during = try await expectEverything(of: daemon, at: subscriber).filter {
                outage.contains($0.capturedAt)
            }
            print("readings accepted while the broker was away: \(during.count)")
            let pushes = during.count { $0.meter == "main" }
            #expect(pushes >= 30)
            #expect(during.count > pushes)
        }
    }

    @Test(
        "a daemon that is killed again and again while it publishes repeats at most a window, and loses nothing"
    )
    func killed() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker(Self.persistent)
            let meters = try MetersProcess(folder: folder, ["dlms-push,tcp=0,interval=10ms"])
            let port = try #require(try await meters.ports(of: 1).first)
            let subscriber = try Subscriber(
                port: broker.port, folder: folder, filter: "obisd/e2e/+/reading", session: "keeper")
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#
                ])
            let kills = 5
            for _ in 0..<kills {
                try daemon.start()
                let before = subscriber.newest("main")
                let more = Int.random(in: 20...60)
                try await subscriber.wait(for: "\(more) more readings") {
                    $0.newest("main") >= before + more
                }
                daemon.kill()
            }
            try subscriber.read()
            meters.end()
            let journaled = try await expectEverything(of: daemon, at: subscriber)
            #expect(journaled.count >= 100)
            print("repeated after \(kills) kills: \(subscriber.repeats("main"))")
            #expect(subscriber.repeats("main") <= 20 * kills)
        }
    }

    @Test("SIGTERM ends with 0 and `offline`, and the next start goes on with the next seq")
    func terminated() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker(Self.persistent)
            let meters = try MetersProcess(folder: folder, ["dlms-push,tcp=0,interval=50ms"])
            let port = try #require(try await meters.ports(of: 1).first)
            let subscriber = try Subscriber(port: broker.port, folder: folder, session: "keeper")
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#
                ])
            for round in 1...3 {
                try daemon.start()
                let before = subscriber.newest("main")
                try await subscriber.wait(for: "ten more readings") { $0.newest("main") >= before + 10 }
                #expect(subscriber.last("obisd/e2e/status")?.payload == "online")
                #expect(try await daemon.terminate() == 0, "round \(round)")
                try await subscriber.wait(for: "`offline`") {
                    $0.last("obisd/e2e/status")?.payload == "offline"
                }
            }
            meters.end()
            let journaled = try await expectEverything(of: daemon, at: subscriber)
            #expect(journaled.count >= 30)
            // An orderly end leaves nothing that would have to be repeated.
            #expect(subscriber.repeats("main") == 0)
        }
    }

    @Test(
        "SIGTERM ends in time with a broker that does not answer and one that is not there",
        arguments: [true, false])
    func unresponsive(isThere: Bool) async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker(Self.persistent)
            let meters = try MetersProcess(folder: folder, ["dlms-push,tcp=0,interval=50ms"])
            let port = try #require(try await meters.ports(of: 1).first)
            let subscriber = try Subscriber(port: broker.port, folder: folder, session: "keeper")
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#,
                    "id: gone, protocol: iec62056-21, transport: {serial: \(folder.path)/nothing}, interval: 1s",
                    #"id: deaf, protocol: iec62056-21, transport: {tcp: "127.0.0.1:1"}, interval: 1s"#,
                ])
            try daemon.start()
            try await subscriber.wait(for: "ten readings") { $0.newest("main") >= 10 }
            if isThere { broker.pause() } else { broker.terminate() }
            // Long enough for a window of readings to be on its way.
            try await Task.sleep(for: .seconds(2))
            #expect(try await daemon.terminate() == 0)
            if isThere { broker.resume() } else { try await broker.start() }
            meters.end()
            let journaled = try await expectEverything(of: daemon, at: subscriber)
            #expect(journaled.count >= 10)
        }
    }

    // MARK: Everything

    /// Ends the daemon, reads its journal, and lets it start again until the subscriber has all of that.
    private func expectEverything(of daemon: DaemonProcess, at subscriber: Subscriber) async throws
        -> [Accepted]
    {
        if daemon.isRunning { #expect(try await daemon.terminate() == 0) }
        let journaled = try await daemon.journaled().map { reading in
            Accepted(
                meter: reading.meter, seq: Int(reading.seq),
                capturedAt: Double(reading.capturedAt.milliseconds) / 1000,
                payload: String(decoding: reading.payload, as: UTF8.self))
        }
        let meters = Set(journaled.map(\.meter))
        func hasEverything(_ subscriber: Subscriber) -> Bool {
            let received = Set(
                meters.flatMap { meter in subscriber.readings(meter).map { "\(meter) \($0.seq)" } })
            return journaled.allSatisfy { received.contains("\($0.meter) \($0.seq)") }
        }
        try subscriber.read()
        if !hasEverything(subscriber) {
            try daemon.start()
            let what = "all \(journaled.count) journaled readings"
            try await subscriber.wait(for: what, hasEverything)
            #expect(try await daemon.terminate() == 0)
        }

        let accepted = Dictionary(
            uniqueKeysWithValues: journaled.map { ("\($0.meter) \($0.seq)", $0.payload) })
        for meter in meters.sorted() {
            #expect(subscriber.sequenceProblems(meter) == [])
            let different = subscriber.readings(meter).filter { reading in
                accepted["\(meter) \(reading.seq)"].map { $0 != reading.payload } ?? false
            }
            #expect(different.isEmpty, "byte for byte as journaled")
        }
        return journaled
    }

    struct Accepted: Sendable {
        let meter: String
        let seq: Int
        /// Seconds since 1970.
        let capturedAt: Double
        let payload: String
    }
}
