import Foundation
import TestSupport
import Testing

/// Everything that the daemon ever publishes, before, in and after an outage of the broker, against `docs/schemas`.
@Suite("Every message")
struct EveryMessageTests {
    @Test("fits its schema by the judgement of an ordinary validator, and what is made of it in `etc/integrations`")
    func everything() async throws {
        try await withFolder { folder in
            // The broker first takes no large messages: what is too large for it becomes a gap.
            let broker = try await MosquittoBroker(
                ["persistence true", "persistence_location FOLDER/", "include_dir FOLDER/limits"], starts: false)
            try FileManager.default.createDirectory(
                atPath: broker.file("limits"), withIntermediateDirectories: true)
            try broker.write("max_packet_size 1200\n", to: "limits/size.conf")
            try await broker.start()
            let meters = try MetersProcess(
                folder: folder,
                [
                    "dlms-push,tcp=0,interval=1s,list=objects", "dsmr-p1,version=v50,tcp=0,interval=1s",
                    "iec62056-21,tcp=0",
                ])
            _ = try await meters.ports(of: 3)
            func tcp(_ protocolName: String) throws -> String {
                let port = try meters.port(of: protocolName)
                return "transport: {tcp: \"127.0.0.1:\(try #require(port))\"}"
            }
            let subscriber = try Subscriber(port: broker.port, folder: folder, session: "keeper")
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    "id: push, protocol: dlms-push, profile: lg-e450, \(try tcp("dlms-push")), "
                        + "time_zone: \"\(Self.zoneSoonAtMidnight())\", limits: {contracted_power: 0.1 kVA}, "
                        + "plausible: {power: [-30 kW, 30 kW]}, anomalies: {overload: {for_critical: 2s, cooldown: 0s}}",
                    "id: p1, protocol: dsmr-p1, \(try tcp("dsmr-p1")), sub_meters: [{channel: 1, id: gas}]",
                    "id: optical, protocol: iec62056-21, \(try tcp("iec62056-21")), interval: 2s",
                ], broker: "commands: true")
            try daemon.start()
            try await subscriber.wait(for: "a gap") { subscriber in subscriber.messages.contains { $0.kind == "gap" } }

            broker.terminate()
            try await waitForBacklog(of: daemon)
            try FileManager.default.removeItem(atPath: broker.file("limits/size.conf"))
            try await broker.start()
            try await subscriber.wait(for: "readings of every meter") { subscriber in
                ["push", "p1", "gas", "optical"].allSatisfy { subscriber.newest($0) >= 1 }
            }
            try await command(broker, subscriber)
            try await subscriber.wait(for: "the end of the hour and of the day", within: .seconds(240)) { subscriber in
                ["hour", "day"].allSatisfy { subscriber.last("obisd/e2e/push/summary/\($0)") != nil }
            }
            #expect(try await daemon.terminate() == 0)
            meters.end()
            try await subscriber.wait(for: "`offline`") { $0.last("obisd/e2e/status")?.payload == "offline" }
            try await expectAccepted(subscriber, daemon)
        }
    }

    /// A fixed zone in which the day is over in one to two minutes, and the hour with it.
    private static func zoneSoonAtMidnight() -> String {
        let minute = Int(Date().timeIntervalSince1970) / 60 % 1440
        let east = (1440 - (minute + 2)) % 1440
        let (sign, minutes) = east <= 720 ? ("+", east) : ("-", 1440 - east)
        func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return sign + twoDigits(minutes / 60) + ":" + twoDigits(minutes % 60)
    }

    /// Until readings wait for the broker.
    private func waitForBacklog(of daemon: DaemonProcess) async throws {
        for _ in 0..<300 {
            if let waiting = try await daemon.status()?["journal"]?["backlog"]?.int, waiting >= 5 { return }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw NotInTime(description: "no readings wait for the broker")
    }

    /// Commands of every kind: done, and refused.
    private func command(_ broker: MosquittoBroker, _ subscriber: Subscriber) async throws {
        func overload(_ subscriber: Subscriber) -> String? {
            subscriber.messages.filter { $0.topic == "obisd/e2e/push/anomaly" }.compactMap(\.json)
                .first { $0["type"]?.string == "overload" }?["id"]?.string
        }
        try await subscriber.wait(for: "an overload") { overload($0) != nil }
        let id = try #require(overload(subscriber))
        for (meter, payload) in [
            ("optical", #"{"id":"1","verb":"read","expires_at":"2100-01-01T00:00:00Z"}"#),
            ("optical", #"{"id":"1","verb":"read"}"#),
            ("push", #"{"id":"2","verb":"ignore","anomaly":"\#(id)","reason":"a test"}"#),
            ("push", #"{"id":"3","verb":"resolve","anomaly":"\#(id)"}"#),
        ] {
            let topic = "obisd/e2e/\(meter)/command"
            let code = try ChildProcess.run(
                "mosquitto_pub", ["-p", "\(broker.port)", "-q", "1", "-t", topic, "-m", payload])
            #expect(code == 0)
        }
        try await subscriber.wait(for: "four answers, and what became of the overload") { subscriber in
            let events = subscriber.messages.filter { $0.kind == "anomaly" }.compactMap {
                $0.json?["event_type"]?.string
            }
            return subscriber.messages.count { $0.topic.hasSuffix("/command/result") } >= 4
                && Set(events).isSuperset(of: ["opened", "ignored", "resolved"])
        }
    }

    /// What came of everything that was published, with programs that are not ours.
    private func expectAccepted(_ subscriber: Subscriber, _ daemon: DaemonProcess) async throws {
        let kept = daemon.folder.appendingPathComponent("kept")
        try FileManager.default.createDirectory(at: kept, withIntermediateDirectories: true)
        let messages = kept.appendingPathComponent("messages")
        let lines = subscriber.messages.map { "\($0.isRetained ? 1 : 0) \($0.topic) \($0.payload)\n" }
        try Data(lines.joined().utf8).write(to: messages)
        let points = try await Program.run(["readings", "--format", "influx", "--config", daemon.configuration])
        #expect(points.exitCode == 0)
        let file = kept.appendingPathComponent("points")
        try Data(points.output.utf8).write(to: file)
        try await expectSuccess("check-schemas", ["--complete", messages.path])
        try await expectSuccess("check-integrations", [kept.path])
        if try ChildProcess.run("influxd", ["version"]) == 0 {
            try await expectSuccess("check-influx", [file.path])
        } else {
            print("Not tested: the points in an InfluxDB, since there is none on this machine.")
        }
    }

    private func expectSuccess(_ script: String, _ arguments: [String]) async throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        try await withFolder { folder in
            let said = folder.appendingPathComponent("said").path
            let path = root.appendingPathComponent("scripts/\(script)").path
            let process = try ChildProcess("/usr/bin/env", ["bash", path] + arguments, output: said)
            let code = try await process.waitForExit(within: .seconds(120))
            let text = try String(contentsOfFile: said, encoding: .utf8)
            print(text, terminator: "")
            #expect(code == 0, "\(script): \(text)")
        }
    }
}
