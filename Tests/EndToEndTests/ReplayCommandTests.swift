import Foundation
import OBIS
import TestSupport
import Testing

@Suite("`obisd replay`")
struct ReplayCommandTests {
    /// Two meters with different protocols that were read live for a while, with their captures and what came of them.
    private struct Evening {
        let broker: MosquittoBroker
        let subscriber: Subscriber
        let daemon: DaemonProcess
        let captures: URL
        /// The payloads of each meter, as they were journaled.
        var live: [String: [ExactJSON]] = [:]

        func capture(_ meter: String) -> String { captures.appendingPathComponent("\(meter).capture").path }

        func replay(_ arguments: [String]) async throws -> Program.Outcome {
            try await Program.run(["replay", "--config", daemon.configuration] + arguments)
        }
    }

    /// - Parameter body: called after the daemon has ended.
    private func withEvening(_ body: (Evening) async throws -> Void) async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let meters = try MetersProcess(
                folder: folder, ["dlms-push,tcp=0,interval=100ms", "dsmr-p1,tcp=0,interval=100ms"])
            defer { meters.end() }
            _ = try await meters.ports(of: 2)
            func transport(_ protocolName: String) throws -> String {
                let port = try #require(try meters.port(of: protocolName))
                return "protocol: \(protocolName), transport: {tcp: \"127.0.0.1:\(port)\"}"
            }
            let stanzas = [
                "id: push, \(try transport("dlms-push")), profile: lg-e450",
                "id: p1, \(try transport("dsmr-p1")), time_zone: Europe/Amsterdam, sub_meters: [{channel: 1, id: gas}]",
            ]
            let captures = folder.appendingPathComponent("captures")
            try FileManager.default.createDirectory(at: captures, withIntermediateDirectories: true)
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(folder: folder, brokerPort: broker.port, meters: stanzas)
            try daemon.start(["--capture", captures.path])
            try await subscriber.wait(for: "ten readings of each meter") { subscriber in
                ["push", "p1"].allSatisfy { subscriber.newest($0) >= 10 } && subscriber.newest("gas") >= 1
            }
            #expect(try await daemon.terminate() == 0)
            var evening = Evening(broker: broker, subscriber: subscriber, daemon: daemon, captures: captures)
            for reading in try await daemon.journaled() {
                let json = try #require(ExactJSON(String(decoding: reading.payload, as: UTF8.self)))
                evening.live[reading.meter, default: []].append(json)
            }
            try await body(evening)
        }
    }

    @Test("prints for a capture what was published live, at either speed, and touches nothing")
    func rehearsal() async throws {
        try await withEvening { evening in
            for (meter, ids) in [("push", ["push"]), ("p1", ["p1", "gas"])] {
                let full = try await evening.replay(["--dry-run", evening.capture(meter)])
                let real = try await evening.replay(
                    ["--dry-run", "--speed", "real", "--meter", meter, evening.capture(meter)])
                #expect(full.exitCode == 0 && real.exitCode == 0, "\(full.error)")
                let readings = full.lines.compactMap { ExactJSON($0) }
                #expect(readings.count == full.lines.count)
                #expect(readings.map(withoutStream) == real.lines.compactMap { ExactJSON($0) }.map(withoutStream))
                for id in ids {
                    let replayed = readings.filter { $0["meter"]?.string == id }
                    let live = try #require(evening.live[id])
                    // What came while the daemon ended was captured, and may not have been accepted any more.
                    #expect(replayed.count >= live.count, "\(id)")
                    for (live, replayed) in zip(live, replayed) { expectSame(live, replayed, id) }
                    print("readings of \(id) replayed: \(min(live.count, replayed.count)) of \(live.count)")
                }
                #expect(full.error.contains(": \(readings.count { $0["meter"]?.string == meter }) telegrams"))
            }
            #expect(try await evening.daemon.journaled().count == evening.live.values.reduce(0) { $0 + $1.count })
        }
    }

    private func withoutStream(_ reading: ExactJSON) -> [ExactJSON?] {
        reading.keys.filter { $0 != "stream" }.map { reading[$0] }
    }

    private func expectSame(_ live: ExactJSON, _ replayed: ExactJSON, _ id: String) {
        #expect(live.keys == replayed.keys)
        let changing: Set = ["stream", "source", "time", "captured_at", "clock"]
        for key in live.keys where !changing.contains(key) { #expect(live[key] == replayed[key], "\(id): \(key)") }
        #expect(live["source"]?.string == "live" && replayed["source"]?.string == "replay")
        #expect(replayed["clock"]?.string == "unsynced" && replayed["quality"]?.string == "good")
    }

    @Test("journals and publishes a capture behind what is there, and the retained topics of the meter stay")
    func published() async throws {
        try await withEvening { evening in
            let subscriber = evening.subscriber
            // Everything of the daemon has arrived when its farewell has.
            try await subscriber.wait(for: "the farewell") { $0.last("obisd/e2e/status")?.payload == "offline" }
            let retained = ["state", "availability"]
            func count() -> Int { subscriber.messages.count { retained.contains($0.kind) } }
            let before = count()
            let online = subscriber.messages.count { $0.topic == "obisd/e2e/status" && $0.payload == "online" }
            let outcome = try await evening.replay([evening.capture("p1")])
            #expect(outcome.exitCode == 0 && outcome.output.isEmpty, "\(outcome.error)")
            let live = try #require(evening.live["p1"])
            let journaled = try await evening.daemon.journaled().filter { $0.meter == "p1" }
            let replayed = journaled.dropFirst(live.count)
            #expect(replayed.count >= live.count)
            try await subscriber.wait(for: "every replayed reading") { $0.newest("p1") == journaled.count }
            // A replay is no daemon that comes and goes.
            #expect(subscriber.last("obisd/e2e/status")?.payload == "offline")
            #expect(subscriber.messages.count { $0.topic == "obisd/e2e/status" && $0.payload == "online" } == online)
            #expect(subscriber.sequenceProblems("p1") == [] && subscriber.sequenceProblems("gas") == [])
            let sources = subscriber.readings("p1").map { $0.json["source"]?.string }
            #expect(sources == live.map { _ in "live" } + replayed.map { _ in "replay" })
            #expect(subscriber.readings("p1").allSatisfy { $0.json["quality"]?.string == "good" })
            #expect(count() == before)
        }
    }

    @Test("reads what the daemon remembers of a line: `obisd capture`")
    func remembered() async throws {
        try await withEvening { evening in
            // What comes behind the farewell is of the next daemon.
            let status = "obisd/e2e/status"
            try await evening.subscriber.wait(for: "the farewell") { $0.last(status)?.payload == "offline" }
            let newest = evening.subscriber.newest("p1")
            try evening.daemon.start()
            try await evening.subscriber.wait(for: "new readings") { $0.newest("p1") > newest + 3 }
            // A sub-meter has the line of its meter.
            for meter in ["p1", "gas"] {
                let outcome = try await Program.run(["capture", "--config", evening.daemon.configuration, meter])
                #expect(outcome.exitCode == 0 && outcome.error.isEmpty, "\(outcome.error)")
                let file = evening.captures.appendingPathComponent("remembered-\(meter)").path
                try Data(outcome.output.utf8).write(to: URL(fileURLWithPath: file))
                let replay = try await evening.replay(["--dry-run", "--meter", "p1", file])
                #expect(replay.exitCode == 0, "\(replay.error)")
                let telegrams = replay.lines.compactMap { ExactJSON($0) }
                let live = try await Program.run(
                    ["readings", "--config", evening.daemon.configuration, "--meter", "p1", "--format", "json"]
                ).lines.map { ExactJSON($0)?["registers"] }
                #expect(telegrams.contains { $0["meter"]?.string == "gas" })
                for telegram in telegrams where telegram["meter"]?.string == "p1" {
                    #expect(live.contains(telegram["registers"]))
                }
            }
            let unknown = try await Program.run(["capture", "--config", evening.daemon.configuration, "nobody"])
            #expect(unknown.exitCode == 69 && unknown.error.contains("there is no meter nobody"))
            #expect(try await evening.daemon.terminate() == 0)
            let absent = try await Program.run(["capture", "--config", evening.daemon.configuration, "p1"])
            #expect(absent.exitCode == 69 && absent.error.contains("no daemon runs"))
        }
    }

    @Test("is refused while the daemon runs, and the daemon goes on")
    func busy() async throws {
        try await withEvening { evening in
            // What comes behind the farewell is of the next daemon.
            let status = "obisd/e2e/status"
            try await evening.subscriber.wait(for: "the farewell") { $0.last(status)?.payload == "offline" }
            let newest = evening.subscriber.newest("push")
            try evening.daemon.start()
            try await evening.subscriber.wait(for: "new readings") { $0.newest("push") > newest }
            let outcome = try await evening.replay([evening.capture("push")])
            #expect(outcome.exitCode == 74 && outcome.output.isEmpty)
            #expect(outcome.error.contains("journal.db") && outcome.error.contains("another"), "\(outcome.error)")
            // What needs no journal can be done meanwhile.
            #expect(try await evening.replay(["--dry-run", evening.capture("push")]).exitCode == 0)
            let later = evening.subscriber.newest("push")
            try await evening.subscriber.wait(for: "readings behind the refusal") { $0.newest("push") > later }
            #expect(try await evening.daemon.terminate() == 0)
            #expect(evening.subscriber.readings("push").allSatisfy { $0.json["source"]?.string == "live" })
        }
    }

    // MARK: Without a live evening

    private static let readout = Array("/LGZ5SIM-1\r\n\r\n1.8.0(000123.450*kWh)\r\n!\r\n".utf8)

    private func withConfiguration(
        meters: [String] = ["a", "b"], _ body: (URL, String) async throws -> Void
    ) async throws {
        try await withFolder { folder in
            let stanzas = meters.map {
                "  - {id: \($0), protocol: iec62056-21, mode: d, transport: {file: \($0).bytes}}"
            }
            let file = folder.appendingPathComponent("obisd.yaml")
            let text = "node: e2e\njournal: {path: journal.db}\nmeters:\n" + stanzas.joined(separator: "\n") + "\n"
            try Data(text.utf8).write(to: file)
            try await body(folder, file.path)
        }
    }

    private func write(_ text: String, _ name: String, _ folder: URL) throws -> String {
        let file = folder.appendingPathComponent(name)
        try Data(text.utf8).write(to: file)
        return file.path
    }

    @Test("takes a file of bytes or of digits as one piece that arrives now")
    func bytes() async throws {
        try await withConfiguration { folder, configuration in
            let text = String(decoding: Self.readout, as: UTF8.self)
            for (name, content) in [("a.bin", text), ("a.hex", Hex.string(Self.readout) + "\n")] {
                let file = try write(content, name, folder)
                let outcome = try await Program.run(["replay", "--config", configuration, "--dry-run", file])
                #expect(outcome.exitCode == 0, "\(outcome.error)")
                let reading = try #require(outcome.lines.first.flatMap { ExactJSON($0) })
                #expect(outcome.lines.count == 1 && reading["meter"]?.string == "a")
                #expect(reading["energies"]?["active_import"]?.digits == "123.450")
                #expect(reading["captured_at"]?.string?.hasPrefix("20") == true)
            }
            #expect(!FileManager.default.fileExists(atPath: folder.appendingPathComponent("journal.db").path))
        }
    }

    @Test("finds the meter by its option, by the name of the file, and where there is one only")
    func meters() async throws {
        let line = "2026-01-15T11:34:56.120Z <. \(Hex.string(Self.readout))\n"
        for (meters, arguments, name, expected) in [
            (["a", "b"], [], "b.capture", "b"), (["a", "b"], ["--meter", "a"], "b.capture", "a"),
            (["a"], [], "other.capture", "a"), (["a", "b"], [], "other.capture", nil),
            (["a", "b"], ["--meter", "c"], "b.capture", nil), (["a"], ["--meter", "c"], "a.capture", nil),
        ] as [([String], [String], String, String?)] {
            try await withConfiguration(meters: meters) { folder, configuration in
                let file = try write(line, name, folder)
                let outcome = try await Program.run(
                    ["replay", "--config", configuration, "--dry-run"] + arguments + [file])
                #expect(outcome.exitCode == (expected == nil ? 64 : 0), "\(outcome.error)")
                #expect(outcome.lines.first.flatMap { ExactJSON($0) }?["meter"]?.string == expected)
                if expected == nil {
                    #expect(outcome.error.contains("--meter") && outcome.error.contains(meters.joined(separator: ", ")))
                }
            }
        }
    }

    @Test("names what is wrong with a capture, and has an exit code for it")
    func wrong() async throws {
        let line = "2026-01-15T11:34:56.120Z <. \(Hex.string(Self.readout))\n"
        try await withConfiguration { folder, configuration in
            let malformed = try write(
                "# obisd capture 1\n" + line + "2026-01-15T11:34:57Z < 7E7\n" + line, "a.capture", folder)
            let empty = try write("# obisd capture 1\n", "b.capture", folder)
            let noise = try write("2026-01-15T11:34:56.120Z < 555555\n", "noise.capture", folder)
            for (arguments, code, words) in [
                (["--dry-run", malformed], 65, ["\(malformed):3: ", "no line of a capture"]),
                (["--dry-run", empty], 65, ["0 telegrams"]),
                (["--dry-run", "--meter", "a", noise], 65, ["0 telegrams", "3 bytes of noise"]),
                (["--dry-run", "--meter", "a", "/nowhere/capture"], 66, ["/nowhere/capture", "no such file"]),
                (["--dry-run", "--meter", "a", folder.path], 66, [folder.path]),
                (["--dry-run", "--speed", "fast", empty], 64, ["speed"]), (["--dry-run"], 64, ["file"]),
                (["--dry-run", "--config", "/nowhere/obisd.yaml", empty], 78, ["/nowhere/obisd.yaml"]),
            ] as [([String], Int32, [String])] {
                let outcome = try await Program.run(["replay", "--config", configuration] + arguments)
                #expect(outcome.exitCode == code && outcome.output.isEmpty, "\(arguments): \(outcome.error)")
                for word in words { #expect(outcome.error.contains(word), "\(arguments): \(outcome.error)") }
            }
        }
    }

    @Test("`obisd run --capture` needs a folder that is there")
    func noFolder() async throws {
        try await withConfiguration { folder, configuration in
            for path in [folder.appendingPathComponent("missing").path, configuration] {
                let outcome = try await Program.run(["run", "--config", configuration, "--capture", path])
                #expect(outcome.exitCode == 64 && outcome.error.contains(path), "\(outcome.error)")
            }
        }
    }
}
