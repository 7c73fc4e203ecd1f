import Foundation
import TestSupport
import Testing

@Suite("`obisd doctor`")
struct DoctorTests {
    /// A line of the report.
    private struct Line: Equatable {
        let level: String
        let subject: String
        let text: String

        /// `level  subject  text`, with at least two blanks between.
        init?(_ line: String) {
            let fields = line.split(separator: /\ {2,}/, maxSplits: 2).map(String.init)
            guard fields.count == 3 else { return nil }
            (level, subject, text) = (fields[0], fields[1], fields[2])
        }
    }

    private func examine(_ configuration: String) async throws -> (lines: [Line], outcome: Program.Outcome) {
        let outcome = try await Program.run(["doctor", "--config", configuration])
        return (outcome.lines.compactMap(Line.init), outcome)
    }

    @Test("names what is sick, with the exit code of the first problem")
    func sick() async throws {
        try await withFolder { folder in
            try Data().write(to: folder.appendingPathComponent("foreign.db"))
            let base = "node: e2e\nbroker: {host: localhost, port: 1}\n"
            let journal = "journal: {path: journal.db}\n"
            for (yaml, code, level, subject, words) in [
                ("meterz: []\n", 78, "PROBLEM", "configuration", "did you mean meters"),
                (base + journal + "meters: []\n", 69, "warning", "configuration", "0 of 0 meters"),
                (base + journal + "meters: []\n", 69, "PROBLEM", "broker", "localhost:1"),
                (base + journal + "meters: []\n", 69, "PROBLEM", "daemon", "no daemon runs"),
                (base + journal + "meters: []\n", 69, "warning", "journal", "there is no journal"),
                (base + "journal: {path: missing/j.db}\nmeters: []\n", 69, "warning", "journal", "is not there"),
                (base + "journal: {path: foreign.db}\nmeters: []\n", 74, "PROBLEM", "journal", "foreign.db"),
                (
                    base + journal + "meters: [{id: a, protocol: dlms-push, transport: {serial: /dev/null}}]\n", 78,
                    "PROBLEM", "meter a", "no serial port"
                ),
                (
                    base + journal + "meters: [{id: a, protocol: dlms-push, transport: {serial: /dev/nowhere}}]\n", 69,
                    "warning", "meter a", "/dev/nowhere is not there"
                ),
            ] as [(String, Int32, String, String, String)] {
                let file = folder.appendingPathComponent("obisd.yaml")
                try Data(yaml.utf8).write(to: file)
                let (lines, outcome) = try await examine(file.path)
                #expect(outcome.exitCode == code, "\(outcome.output)\(outcome.error)")
                #expect(
                    lines.contains { $0.level == level && $0.subject == subject && $0.text.contains(words) },
                    "\(outcome.output)")
            }
        }
    }

    @Test("finds a running installation well, and says of each link what is the matter with it")
    func running() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let key = folder.appendingPathComponent("right.key")
            try Data(UInt8(1).keyFile.utf8).write(to: key)
            try Data(UInt8(2).keyFile.utf8).write(to: folder.appendingPathComponent("wrong.key"))
            let meters = try MetersProcess(
                folder: folder,
                ["dlms-push,tcp=0,interval=100ms", "dsmr-p1,tcp=0,interval=100ms,encryption_key=@\(key.path)"])
            defer { meters.end() }
            _ = try await meters.ports(of: 2)
            let push = try #require(try meters.port(of: "dlms-push"))
            let p1 = try #require(try meters.port(of: "dsmr-p1"))
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(push)"}, profile: lg-e450"#,
                    #"id: sealed, protocol: dsmr-p1, transport: {tcp: "127.0.0.1:\#(p1)"}, "#
                        + "encryption_key_file: wrong.key",
                    #"id: dead, protocol: dsmr-p1, transport: {tcp: "127.0.0.1:1"}"#,
                ])
            try daemon.start()
            try await subscriber.wait(for: "readings") { $0.newest("main") >= 3 }
            try await waitForRejected("sealed", daemon)

            let (lines, outcome) = try await examine(daemon.configuration)
            for (level, subject, words) in [
                ("good", "configuration", "3 of 3 meters"), ("good", "broker", "accepts the connection"),
                ("good", "journal", "readings of "), ("good", "disk", "MiB are free"), ("good", "daemon", "version"),
                ("good", "connection", "connected"), ("good", "backlog", "nothing waits"),
                ("good", "link of main", "the last reading is of 20"),
                ("PROBLEM", "link of sealed", "key does not fit"),
                ("PROBLEM", "link of dead", "there is no reading yet"),
            ] {
                #expect(
                    lines.contains { $0.level == level && $0.subject == subject && $0.text.contains(words) },
                    "\(subject): \(outcome.output)")
            }
            #expect(outcome.exitCode == 69 && outcome.output.contains("2 problems"))

            let json = try await Program.run(["doctor", "--format", "json", "--config", daemon.configuration])
            let report = try #require(ExactJSON(json.output))
            #expect(report["problems"]?.digits == "2" && json.exitCode == 69)
            broker.terminate()
            try await waitFor("a daemon that knows that its broker is gone") {
                try await daemon.status()?["broker"]?["connected"]?.bool == false
            }
            let alone = try await examine(daemon.configuration)
            #expect(alone.lines.contains { $0.level == "PROBLEM" && $0.subject == "connection" })
            #expect(alone.lines.contains { $0.level == "PROBLEM" && $0.subject == "broker" })
            #expect(try await daemon.terminate() == 0)
        }
    }

    private func waitForRejected(_ meter: String, _ daemon: DaemonProcess) async throws {
        try await waitFor("messages of \(meter) that are rejected") {
            let meters = try await daemon.status()?["meters"]?.items ?? []
            let rejected = meters.first { $0["id"]?.string == meter }?["rejected"]
            return rejected?.keys.isEmpty == false
        }
    }
}
