import Foundation
import TestSupport
import Testing

@Suite("`obisd check`")
struct CheckTests {
    /// Where the project's own examples are.
    private static let checkout = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static let examples: [String] = {
        let folder = checkout.appendingPathComponent("etc").resolvingSymlinksInPath()
        let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
        let paths = files?.compactMap { ($0 as? URL)?.path } ?? []
        // Those of other programs are no configurations of this one.
        return paths.filter { $0.hasSuffix(".yaml") && !$0.contains("/integrations/") }.sorted()
    }()

    @Test("accepts every shipped configuration once its secrets are there")
    func shipped() async throws {
        #expect(Self.examples.count >= 4)
        for example in Self.examples {
            try await withFolder { folder in
                let file = folder.appendingPathComponent("obisd.yaml")
                try FileManager.default.copyItem(atPath: example, toPath: file.path)
                for name in try Self.secrets(in: example) {
                    let secret = name.hasSuffix("password") ? "secret\n" : UInt8(1).keyFile
                    try Data(secret.utf8).write(to: folder.appendingPathComponent(name))
                }
                let outcome = try await Program.run(["check", "--config", file.path])
                #expect(outcome.exitCode == 0, "\(example): \(outcome.error)")
                #expect(outcome.output.contains("good"))
                // Only ports that are not plugged in here, or nothing to read.
                #expect(!outcome.error.contains("error"), "\(outcome.error)")
            }
        }
    }

    /// The files that a configuration names for its secrets.
    private static func secrets(in path: String) throws -> [String] {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        return text.matches(of: /_file: *([A-Za-z0-9.-]+)/).map { String($0.output.1) }
    }

    /// What is wrong, and the place and words that a user finds.
    static let mistakes: [(yaml: String, place: String, words: [String])] = [
        ("node: e2e\nmetres: []\n", ":2:1: ", ["metres", "meters"]),
        (
            "meters:\n  - id: a\n    protocol: dlms-push\n    transport: {serial: /dev/x, line: 2400 9E1}\n",
            ":4:39: ", ["line", "2400 8E1"]
        ),
        (
            "meters:\n  - {id: a, protocol: morse, transport: {file: x}}\n", ":2:23: ",
            ["morse", "dlms-push", "iec62056-21"]
        ),
        (
            "meters:\n  - {id: a, protocol: dlms-push, transport: {file: x}, encryption_key_file: nothing.key}\n",
            ":2:77: ", ["encryption_key_file"]
        ),
        ("broker: {port: 99999}\nmeters: []\n", ":1:16: ", ["port"]),
        (
            """
            meters:
              - {id: a, protocol: dlms-push, transport: {file: x}}
              - {id: a, protocol: dlms-push, transport: {file: y}}

            """, ":3:10: ", ["a"]
        ),
        ("meters: [\n", ":2:1: ", []),
    ]

    @Test("names file, line, column, key and remedy, and exits 78", arguments: mistakes.indices)
    func diagnosed(index: Int) async throws {
        let (yaml, place, words) = Self.mistakes[index]
        try await withFolder { folder in
            let file = folder.appendingPathComponent("obisd.yaml").path
            try Data(yaml.utf8).write(to: URL(fileURLWithPath: file))
            let outcome = try await Program.run(["check", "--config", file])
            #expect(outcome.exitCode == 78)
            #expect(outcome.output.isEmpty)
            #expect(outcome.error.contains("\(file)\(place)"), "\(outcome.error)")
            for word in words { #expect(outcome.error.contains(word), "\(outcome.error)") }
            // The daemon says the same.
            let run = try await Program.run(["run", "--config", file])
            #expect(run.exitCode == 78 && run.error.contains("\(file)\(place)"))
        }
    }

    @Test("a file that is not there is said by its name")
    func missing() async throws {
        let outcome = try await Program.run(["check", "--config", "/nowhere/obisd.yaml"])
        #expect(outcome.exitCode == 78 && outcome.error.contains("/nowhere/obisd.yaml"))
    }

    @Test("never shows a secret, not even one that stands where it may not")
    func secrets() async throws {
        try await withFolder { folder in
            let file = folder.appendingPathComponent("obisd.yaml").path
            let key = "0123456789abcdef0123456789abcdef"
            try Data(
                "broker: {password: hunter2}\nmeters:\n  - {id: a, protocol: dlms-push, transport: {file: x}, encryption_key: \(key)}\n"
                    .utf8
            )
            .write(to: URL(fileURLWithPath: file))
            let outcome = try await Program.run(["check", "--config", file])
            #expect(outcome.exitCode == 78)
            #expect(
                outcome.error.contains("password_file") && outcome.error.contains("encryption_key_file"))
            #expect(!outcome.error.contains("hunter2") && !outcome.error.contains(key))
        }
    }

    @Test("warns where the metrics' folder is not there")
    func metrics() async throws {
        try await withFolder { folder in
            let file = folder.appendingPathComponent("obisd.yaml").path
            try Data("metrics: {file: /nowhere/obisd.prom}\nmeters: []\n".utf8).write(to: URL(fileURLWithPath: file))
            let outcome = try await Program.run(["check", "--config", file])
            #expect(outcome.exitCode == 0)
            #expect(outcome.error.contains("metrics: warning: the folder /nowhere is not there now"))
        }
    }

    @Test("with --connect asks the broker as well: 0, or 69 and the reason")
    func connecting() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let file = folder.appendingPathComponent("obisd.yaml").path
            try Data("broker: {host: 127.0.0.1, port: \(broker.port)}\nmeters: []\n".utf8)
                .write(to: URL(fileURLWithPath: file))
            let there = try await Program.run(["check", "--connect", "--config", file])
            #expect(
                there.exitCode == 0 && there.error.contains("accepts the connection"), "\(there.error)")
            broker.terminate()
            let gone = try await Program.run(["check", "--connect", "--config", file])
            #expect(gone.exitCode == 69 && gone.error.contains("\(broker.port)"), "\(gone.error)")
        }
    }
}
