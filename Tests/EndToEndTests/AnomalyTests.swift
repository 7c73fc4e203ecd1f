import Foundation
import MeterSimulator
import TestSupport
import Testing
import Wire

/// An anomaly from the meter to the subscriber, and what a person does about it.
@Suite("Anomalies")
struct AnomalyTests {
    /// A meter whose power is at the test's command: P1 telegrams without a check (DSMR 2.2).
    private final class PowerLine {
        let line: SimulatedLine
        private var second = 0

        init(_ path: String) async throws {
            line = try await SimulatedLine(path: path, line: LineSettings(baud: 9600, dataBits: 7, parity: .even))
        }

        func send(kilowatts: String) async {
            second += 1
            let lines = [
                "/ISK5\\2M550T-1012", "", "0-0:96.1.1(4530303030303132333435363738393031)",
                "1-0:1.8.1(000123.450*kWh)", "1-0:1.7.0(\(kilowatts)*kW)", "1-0:2.7.0(00.000*kW)", "!",
            ]
            await line.send(Array(lines.map { $0 + "\r\n" }.joined().utf8))
        }

        /// Sends until something has come of it.
        func send(kilowatts: String, until what: String, _ subscriber: Subscriber, _ isThere: (Subscriber) -> Bool)
            async throws
        {
            for _ in 0..<60 {
                await send(kilowatts: kilowatts)
                do {
                    return try await subscriber.wait(for: what, within: .seconds(1), isThere)
                } catch is NotInTime { continue }
            }
            throw NotInTime(description: what)
        }
    }

    private static func meter(_ path: String) -> String {
        "id: main, protocol: dsmr-p1, transport: {serial: \(path), line: 9600 7E1}, crc: none, interval: 1s, "
            + "limits: {contracted_power: 9 kVA}, "
            + "anomalies: {overload: {for_critical: 2s, clear_for: 2s, cooldown: 0s}}"
    }

    private func anomalies(_ subscriber: Subscriber) -> [ExactJSON] {
        subscriber.messages.filter { $0.kind == "anomaly" }.compactMap(\.json).filter {
            $0["type"]?.string == "overload"
        }
    }

    @Test("an overload is told as active once, survives a kill, and is told as resolved when it is over")
    func overload() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker(["persistence true", "persistence_location FOLDER/"])
            let meter = try await PowerLine(folder.appendingPathComponent("p1").path)
            let subscriber = try Subscriber(port: broker.port, folder: folder, session: "keeper")
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port, meters: [Self.meter(meter.line.path)])
            try daemon.start()
            #expect(await meter.line.waitForReader(baud: 9600, within: .seconds(90)))
            try await meter.send(kilowatts: "01.000", until: "a reading", subscriber) { $0.newest("main") >= 1 }
            #expect(
                subscriber.last("obisd/e2e/main/problem/overload")?.json?["state"]?.string == "OFF")
            try await meter.send(kilowatts: "11.500", until: "an overload", subscriber) { !anomalies($0).isEmpty }
            let opened = try #require(anomalies(subscriber).first)
            #expect(opened["event_type"]?.string == "opened" && opened["status"]?.string == "active")
            #expect(opened["severity"]?.string == "critical" && opened["measured_value"]?.digits == "11500")
            #expect(opened["readings"]?.items.isEmpty == false)
            let id = try #require(opened["id"]?.string)
            try await subscriber.wait(for: "the problem") {
                $0.last("obisd/e2e/main/problem/overload")?.json?["state"]?.string == "ON"
            }
            let open = try #require(try await daemon.status()?["meters"]?[0]?["anomalies"])
            #expect(open["types"]?.items.contains { $0.string == "overload" } == true)
            #expect(open["worst"]?.string == "critical" && open["severities"]?["critical"]?.int == 1)

            daemon.kill()
            try daemon.start()
            #expect(await meter.line.waitForReader(baud: 9600, within: .seconds(90)))
            let before = subscriber.newest("main")
            try await meter.send(kilowatts: "11.400", until: "readings after the kill", subscriber) {
                $0.newest("main") >= before + 3
            }
            let list = try await Program.run([
                "anomalies", "list", "--format", "json", "--config", daemon.configuration,
            ])
            #expect(list.exitCode == 0 && list.lines.contains { $0.contains(id) })
            try await meter.send(kilowatts: "00.500", until: "the end of the overload", subscriber) { subscriber in
                anomalies(subscriber).contains { $0["event_type"]?.string == "resolved" }
            }
            let told = Set(anomalies(subscriber).compactMap { $0["id"]?.string })
            #expect(told == [id])
            #expect(
                Set(anomalies(subscriber).filter { $0["event_type"]?.string == "opened" }.map { "\($0)" }).count == 1)
            let resolved = try #require(anomalies(subscriber).last)
            #expect(resolved["status"]?.string == "resolved" && resolved["resolved_at"]?.string != nil)
            try await subscriber.wait(for: "the problem's end") {
                $0.last("obisd/e2e/main/problem/overload")?.json?["state"]?.string == "OFF"
            }
            let csv = try await Program.run(
                ["anomalies", "list", "--all", "--format", "csv", "--config", daemon.configuration])
            #expect(csv.lines.contains { $0.hasPrefix("\(id),main,overload,,critical,resolved,") })
            let shown = try await Program.run(["anomalies", "show", id, "--config", daemon.configuration])
            #expect(shown.exitCode == 0 && shown.lines.count >= 2)
            #expect(
                try await Program.run(["anomalies", "show", "no", "--config", daemon.configuration]).exitCode == 64)
            #expect(try await daemon.terminate() == 0)
            await meter.line.close()
        }
    }

    @Test("a person ignores an anomaly, ends one, and says that a meter was exchanged")
    func people() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let meter = try await PowerLine(folder.appendingPathComponent("p1").path)
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port, meters: [Self.meter(meter.line.path)])
            let config = ["--config", daemon.configuration]
            #expect(try await Program.run(["anomalies", "ignore", "01X"] + config).exitCode == 69)
            try daemon.start()
            #expect(await meter.line.waitForReader(baud: 9600, within: .seconds(90)))
            try await meter.send(kilowatts: "11.500", until: "an overload", subscriber) { !anomalies($0).isEmpty }
            let id = try #require(anomalies(subscriber).first?["id"]?.string)
            let ignored = try await Program.run(
                ["anomalies", "ignore", id, "--reason", "the sauna", "--for", "1h"] + config)
            #expect(ignored.exitCode == 0)
            try await subscriber.wait(for: "what was ignored") { subscriber in
                anomalies(subscriber).contains {
                    $0["event_type"]?.string == "ignored" && $0["ignored_reason"]?.string == "the sauna"
                } && subscriber.last("obisd/e2e/main/problem/overload")?.json?["state"]?.string == "OFF"
            }
            let unknown = try await Program.run(["anomalies", "resolve", "01X"] + config)
            #expect(unknown.exitCode == 69 && unknown.error.contains("no anomaly 01X is open"))

            #expect(try await Program.run(["replaced", "other"] + config).exitCode == 69)
            #expect(try await Program.run(["replaced", "main"] + config).exitCode == 0)
            try await meter.send(kilowatts: "00.500", until: "the next epoch", subscriber) { subscriber in
                subscriber.last("obisd/e2e/main/state")?.json?["epoch"]?.digits == "2"
            }
            #expect(try await daemon.terminate() == 0)
            await meter.line.close()
        }
    }

    @Test("commands over the broker are done where they are allowed, and answered; a retained one is refused")
    func commands() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let optical = folder.appendingPathComponent("optical").path
            let meters = try MetersProcess(
                folder: folder, ["iec62056-21,pty=\(optical)", "dlms-push,tcp=0,interval=100ms"])
            let port = try #require(try await meters.ports(of: 2).first)
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    "id: optical, protocol: iec62056-21, transport: {serial: \(optical)}, interval: 10h",
                    #"id: push, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#,
                ], broker: "commands: true")
            func command(_ meter: String, _ payload: String, _ arguments: [String] = []) throws {
                let topic = "obisd/e2e/\(meter)/command"
                let code = try ChildProcess.run(
                    "mosquitto_pub", ["-p", "\(broker.port)", "-q", "1", "-t", topic, "-m", payload] + arguments)
                #expect(code == 0)
            }
            func result(_ meter: String, _ id: String) async throws -> ExactJSON {
                func found() -> ExactJSON? {
                    subscriber.messages.filter { $0.topic == "obisd/e2e/\(meter)/command/result" }.compactMap(\.json)
                        .first { $0["id"]?.string == id }
                }
                try await subscriber.wait(for: "the answer to \(id)") { _ in found() != nil }
                return try #require(found())
            }
            try command("optical", #"{"id":"old","verb":"read"}"#, ["-r"])
            try daemon.start()
            try await subscriber.wait(for: "readings of both") { $0.newest("optical") >= 1 && $0.newest("push") >= 1 }
            #expect(try await result("optical", "old")["ok"]?.bool == false)
            try command("optical", #"{"id":"now","verb":"read"}"#)
            #expect(try await result("optical", "now")["ok"]?.bool == true)
            try await subscriber.wait(for: "a reading that was asked for") { $0.newest("optical") >= 2 }
            try command("push", #"{"id":"talks","verb":"read"}"#)
            #expect(try await result("push", "talks")["error"]?.string?.contains("talks by itself") == true)
            try command("push", #"{"id":"none","verb":"resolve","anomaly":"01X"}"#)
            #expect(try await result("push", "none")["ok"]?.bool == false)
            meters.end()
            #expect(try await daemon.terminate() == 0)
        }
    }

    @Test("`check` says which rules are at work, and what is wrong with their settings")
    func check() async throws {
        try await withFolder { folder in
            func check(_ stanza: String, _ arguments: [String] = []) async throws -> Program.Outcome {
                let daemon = try DaemonProcess(
                    folder: folder, brokerPort: 1,
                    meters: [
                        #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:1"}, profile: lg-e450, "# + stanza
                    ])
                return try await Program.run(["check", "--config", daemon.configuration] + arguments)
            }
            let good = try await check(
                "limits: {fuse: 25 A}, anomalies: {night_base_load: {above: 300 W}, unexpected_export: off}",
                ["--explain"])
            #expect(good.exitCode == 0)
            #expect(good.lines.contains { $0.hasPrefix("meter main: fuse: active above 25 A") })
            #expect(good.lines.contains("meter main: unexpected_export: not active: switched off"))
            #expect(good.lines.contains { $0.hasPrefix("meter main: night_base_load: active above 300 W") })
            #expect(
                good.lines.contains {
                    $0.hasPrefix("meter main: overload: not active: ") && $0.contains("contracted_power")
                })
            for (stanza, text) in [
                ("anomalies: {nightload: off}", "is no key of anomalies"),
                ("anomalies: {fuse: {above: 25 W}}", "above"), ("anomalies: {fuse: {above: many}}", "is no quantity"),
                ("anomalies: {fuse: {colour: red}}", "is no key of fuse"), ("anomalies: {fuse: maybe}", "truth value"),
                ("anomalies: {overload: on}", "contracted_power"), ("offset: {active_import: 12 A}", "is no quantity"),
                ("behind: nobody", "there is no meter"), ("behind: main", "is the meter itself"),
                ("plausible: {voltage: [9 V]}", "a lowest and a highest"),
                ("plausible: {voltage: [9 V, 1 V]}", "begins with the larger"),
            ] {
                let wrong = try await check(stanza)
                #expect(wrong.exitCode == 78 && wrong.error.contains(text), "\(stanza): \(wrong.error)")
            }
        }
    }
}
