import Foundation
import Glibc
import MeterSimulator
import TestSupport
import Testing
import Wire

/// `obisd probe` on simulated meters of every kind.
@Suite("`obisd probe`")
struct ProbeTests {
    private struct Kind: Sendable {
        /// What `simulate` makes; the place is added.
        let simulated: String
        var isTCP = false
        var arguments: [String] = []
        let protocolName: String
        /// What must be found; nil over TCP.
        let line: String?
        let meter: String?
        /// Words of the stanza.
        var stanza: [String] = []
        var isEncrypted = false
    }

    private static let kinds: [Kind] = [
        Kind(
            simulated: "dlms-push", protocolName: "dlms-push", line: "2400 8E1", meter: "LGZ0012345678",
            stanza: ["profile: lg-e450"]),
        Kind(
            simulated: "dlms-push,list=bare,carrier=mbus", protocolName: "dlms-push", line: "2400 8E1",
            meter: "12345678", stanza: ["profile: lg-e450-burgenland"]),
        Kind(
            simulated: "dlms-push,encryption_key=@KEY", protocolName: "dlms-push", line: "2400 8E1", meter: nil,
            stanza: ["# encryption_key_file: "], isEncrypted: true),
        Kind(
            simulated: "dlms-push,encryption_key=@KEY", arguments: ["--key", "@KEY"], protocolName: "dlms-push",
            line: "2400 8E1", meter: "LGZ0012345678", stanza: ["    encryption_key_file: KEY", "profile: lg-e450"],
            isEncrypted: true),
        Kind(
            simulated: "dsmr-p1", protocolName: "dsmr-p1", line: "115200 8N1", meter: "E0012345678901234",
            stanza: ["# sub_meters: [{channel: 1"]),
        Kind(
            simulated: "dsmr-p1,version=v22", protocolName: "dsmr-p1", line: "9600 7E1", meter: "E0012345678901234"),
        Kind(simulated: "sml", protocolName: "sml", line: "9600 8N1", meter: "1EMH0012345678"),
        Kind(
            simulated: "iec62056-21,mode=d", protocolName: "iec62056-21", line: "2400 7E1", meter: "87654321",
            stanza: ["mode: d"]),
        Kind(
            simulated: "iec62056-21,mode=c", arguments: ["--ask"], protocolName: "iec62056-21", line: "300 7E1",
            meter: "87654321"),
        Kind(
            simulated: "iec62056-21,mode=b,baud=4800", arguments: ["--ask"], protocolName: "iec62056-21",
            line: "300 7E1", meter: "87654321"),
        Kind(
            simulated: "mbus,kind=heat", arguments: ["--ask"], protocolName: "mbus", line: "2400 8E1",
            meter: "12345678", stanza: ["secondary: \"12345678/OBI/01\""]),
        Kind(simulated: "sml", isTCP: true, protocolName: "sml", line: nil, meter: "1EMH0012345678"),
        Kind(
            simulated: "mbus", isTCP: true, arguments: ["--ask"], protocolName: "mbus", line: nil, meter: "12345678",
            stanza: ["secondary: \"12345678/OBI/01\""]),
    ]

    @Test(
        "names protocol, line and meter of every simulated one, and its stanza passes the check",
        .timeLimit(.minutes(5)))
    func everyKind() async throws {
        try await withFolder { folder in
            let key = folder.appendingPathComponent("key").path
            try Data(UInt8(0xA5).keyFile.utf8).write(to: URL(fileURLWithPath: key))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
            let places = try Self.kinds.indices.map { index in
                Self.kinds[index].isTCP
                    ? "127.0.0.1:\(try FreePort.tcp())" : folder.appendingPathComponent("line\(index)").path
            }
            let simulated = zip(Self.kinds, places).map { kind, place in
                let way = kind.isTCP ? "tcp=\(place.split(separator: ":")[1])" : "pty=\(place)"
                return "\(kind.simulated.replacingOccurrences(of: "KEY", with: key)),\(way)"
            }
            let meters = try MetersProcess(folder: folder, simulated)
            defer { meters.end() }
            _ = try await meters.ports(of: simulated.count)
            let began = ContinuousClock.now
            let problems = await withTaskGroup(of: [String].self) { group in
                for (kind, place) in zip(Self.kinds, places) {
                    group.addTask { await Self.problems(of: kind, at: place, key: key, in: folder) }
                }
                return await group.reduce(into: [[String]]()) { $0.append($1) }
            }
            for problem in problems.joined() { Issue.record("\(problem)") }
            print("probe: found \(problems.count { $0.isEmpty }) of \(Self.kinds.count)")
            print("probe: all of them together took \(began.duration(to: .now))")
        }
    }

    private static func problems(of kind: Kind, at place: String, key: String, in folder: URL) async -> [String] {
        func filled(_ text: String) -> String { text.replacingOccurrences(of: "KEY", with: key) }
        do {
            let arguments = ["probe", "--format", "json"] + kind.arguments.map(filled) + [place]
            // Ninety seconds are promised; the limit is for a busy machine.
            let outcome = try await Program.run(arguments, within: .seconds(200))
            guard outcome.exitCode == 0, let found = outcome.lines.first.flatMap({ ExactJSON($0) }) else {
                return ["\(kind.simulated): exit \(outcome.exitCode ?? -1): \(outcome.error)"]
            }
            var problems: [String] = []
            func expect(_ what: String, _ is: String?, _ wanted: String?) {
                if `is` != wanted { problems.append("\(kind.simulated): \(what) \(`is` ?? "-"), not \(wanted ?? "-")") }
            }
            expect("protocol", found["protocol"]?.string, kind.protocolName)
            expect("line", found["line"]?.string, kind.line)
            expect("meter", found["meter"]?["id"]?.string, kind.meter)
            expect("encrypted", "\(found["encrypted"]?.bool ?? false)", "\(kind.isEncrypted)")
            if kind.isEncrypted { expect("maker", found["meter"]?["manufacturer"]?.string, "LGZ") }
            let stanza = found["stanza"]?.string ?? ""
            for words in kind.stanza.map(filled) where !stanza.contains(words) {
                problems.append("\(kind.simulated): no `\(words)` in\n\(stanza)")
            }
            let file = folder.appendingPathComponent("\(UUID().uuidString).yaml")
            try Data("broker: {host: localhost}\njournal: {path: \(folder.path)/j.db}\n\(stanza)\n".utf8).write(
                to: file)
            let check = try await Program.run(["check", "--config", file.path])
            if check.exitCode != 0 { problems.append("\(kind.simulated): \(check.error)\n\(stanza)") }
            return problems
        } catch {
            return ["\(kind.simulated): \(error)"]
        }
    }

    @Test("says what to look at where nothing talks, and what else is wrong by its exit code")
    func nothing() async throws {
        try await withFolder { folder in
            let path = folder.appendingPathComponent("silent").path
            let silent = try await SimulatedLine(path: path, line: LineSettings(baud: 9600))
            let outcome = try await Program.run(["probe", "--listen", "100ms", path])
            #expect(outcome.exitCode == 69 && outcome.output == "", "\(outcome.error)")
            for words in ["nothing arrived", "--ask", "switched it on", "level converter", "inverted"] {
                #expect(outcome.error.contains(words), "\(words)")
            }
            await silent.close()
            #expect(try await Program.run(["probe", path + "-other"]).exitCode == 74)
            for arguments in [[], ["gateway"], ["--listen", "soon", "g:1"], ["--key", "12", "g:1"]] {
                #expect(try await Program.run(["probe"] + arguments).exitCode == 64, "\(arguments)")
            }
        }
    }

    @Test("says who has the port, and that it may not be used, each with its exit code")
    func denied() async throws {
        try await withFolder { folder in
            let path = folder.appendingPathComponent("line").path
            let line = try await SimulatedLine(path: path, line: LineSettings(baud: 9600))
            let port = try FileManager.default.destinationOfSymbolicLink(atPath: path)
            let owner = Glibc.open(port, O_RDWR | O_NOCTTY)
            #expect(flock(owner, LOCK_EX) == 0)
            let busy = try await Program.run(["probe", path])
            #expect(busy.exitCode == 74 && busy.error.contains("in use by"), "\(busy.error)")
            #expect(busy.error.contains("process \(getpid())") && busy.error.contains("if that is the daemon, stop it"))
            close(owner)

            #expect(chmod(port, 0) == 0)
            let denied = try await Program.run(["probe", path], wrapper: Program.withoutPrivileges)
            #expect(denied.exitCode == 77 && denied.output == "", "\(denied.error)")
            #expect(denied.error.contains("permission denied") && denied.error.contains("to group"))
            let file = folder.appendingPathComponent("obisd.yaml")
            let yaml = "journal: {path: j.db}\nmeters: [{id: a, protocol: sml, transport: {serial: \(path)}}]\n"
            try Data(yaml.utf8).write(to: file)
            for command in ["check", "doctor"] {
                let outcome = try await Program.run(
                    [command, "--config", file.path], wrapper: Program.withoutPrivileges)
                #expect(outcome.exitCode == 77, "\(command): \(outcome.output)\(outcome.error)")
                #expect((outcome.output + outcome.error).contains("\(path) may not be read and written"))
            }
            await line.close()
        }
    }

    @Test("points to the search where several slaves answer")
    func several() async throws {
        try await withFolder { folder in
            let path = folder.appendingPathComponent("bus").path
            let meters = try MetersProcess(folder: folder, ["mbus,slaves=4,pty=\(path)"])
            defer { meters.end() }
            _ = try await meters.ports(of: 1)
            let outcome = try await Program.run(["probe", "--ask", "--listen", "100ms", path])
            #expect(outcome.exitCode == 0, "\(outcome.error)")
            #expect(outcome.output.contains("obisd scan \(path)") && outcome.output.hasSuffix("meters: []\n"))
        }
    }
}
