import Foundation
import TestSupport
import Testing

/// What somebody posts in a forum.
@Suite("`obisd doctor --bundle`")
struct BundleTests {
    private static let serials = ["LGZ0098765432", "E0087654321987654", "87654329"]
    private static let intimate = ["hunter2-canary", "jane.doe", "Jane Doe", "the code of the gate is 4711"]

    /// An installation that runs, with what nobody else should see.
    private func withInstallation(_ body: (URL, DaemonProcess) async throws -> Void) async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let meters = try MetersProcess(
                folder: folder,
                [
                    "dlms-push,tcp=0,interval=100ms,serial=\(Self.serials[0])",
                    "dsmr-p1,tcp=0,interval=100ms,serial=\(Self.serials[1])",
                    "mbus,tcp=0,kind=heat,serial=\(Self.serials[2])",
                ])
            defer { meters.end() }
            _ = try await meters.ports(of: 3)
            func transport(_ name: String) throws -> String {
                "protocol: \(name), transport: {tcp: \"127.0.0.1:\(try #require(try meters.port(of: name)))\"}"
            }
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    "id: push, name: Jane Doe, \(try transport("dlms-push")), profile: lg-e450, serial: \(Self.serials[0])",
                    "id: p1, \(try transport("dsmr-p1")), time_zone: Europe/Amsterdam",
                    "id: heat, \(try transport("mbus")), interval: 1s, secondary: \"\(Self.serials[2])/OBI/01\"",
                ], broker: "username: jane.doe, password_file: password")
            try daemon.write("hunter2-canary", to: "password")
            let file = URL(fileURLWithPath: daemon.configuration)
            let text = try String(contentsOf: file, encoding: .utf8)
            try Data("# the code of the gate is 4711\n\(text)\n".utf8).write(to: file)
            try daemon.start()
            try await subscriber.wait(for: "readings") { subscriber in
                ["push", "p1", "heat"].allSatisfy { subscriber.newest($0) >= 3 }
            }
            try await body(folder, daemon)
            #expect(try await daemon.terminate() == 0)
        }
    }

    @Test("holds the whole report, and nothing by which somebody could be found", .timeLimit(.minutes(5)))
    func safe() async throws {
        try await withInstallation { folder, daemon in
            let file = folder.appendingPathComponent("bundle.tar.gz")
            let outcome = try await Program.run(["doctor", "--config", daemon.configuration, "--bundle", file.path])
            #expect(outcome.error.contains(file.path) && outcome.output.contains("link of push"), "\(outcome.error)")
            let rights = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
            #expect(rights == 0o600)

            let contents = try await unpack(file, in: folder)
            #expect(
                Set(contents.keys).subtracting(["log.txt"]) == [
                    "README.txt", "obisd.yaml", "report.txt", "status.json", "captures/push.capture",
                    "captures/p1.capture", "captures/heat.capture",
                ])
            let forms = Self.intimate + Self.serials.flatMap(Self.forms)
            for (name, text) in contents {
                let flat = text.lowercased()
                for form in forms { #expect(!flat.contains(form.lowercased()), "\(form) in \(name)") }
            }
            // What the search would find is there to be found.
            let original = try await Program.run(["capture", "--config", daemon.configuration, "heat"])
            #expect(Self.forms(of: Self.serials[2]).contains { original.output.lowercased().contains($0.lowercased()) })
        }
    }

    /// As text, as hexadecimal digits of the text, and as a number of M-Bus.
    private static func forms(of serial: String) -> [String] {
        let hex = serial.utf8.map { String(UInt16($0) + 0x100, radix: 16).dropFirst() }.joined()
        let pairs = stride(from: 0, to: serial.count, by: 2).map { serial.dropFirst($0).prefix(2) }
        return [serial, hex] + (serial.count == 8 ? [pairs.reversed().joined()] : [])
    }

    @Test("its captures replay with the readings that were measured", .timeLimit(.minutes(5)))
    func replayed() async throws {
        try await withInstallation { folder, daemon in
            let file = folder.appendingPathComponent("bundle.tar.gz")
            _ = try await Program.run(["doctor", "--config", daemon.configuration, "--bundle", file.path])
            _ = try await unpack(file, in: folder)
            let unpacked = folder.appendingPathComponent("obisd-bundle")
            for meter in ["push", "p1", "heat"] {
                let readings = try await Program.run(
                    ["readings", "--config", daemon.configuration, "--meter", meter, "--format", "json"])
                let measured = Set(readings.lines.compactMap { Self.values($0) })
                let outcome = try await Program.run(
                    [
                        "replay", "--dry-run", "--config", unpacked.appendingPathComponent("obisd.yaml").path,
                        "--meter", meter,
                    ]
                        + [unpacked.appendingPathComponent("captures/\(meter).capture").path])
                #expect(outcome.exitCode == 0, "\(meter): \(outcome.error)")
                let replayed = outcome.lines.filter { ExactJSON($0)?["meter"]?.string == meter }.compactMap(Self.values)
                #expect(!replayed.isEmpty && replayed.allSatisfy(measured.contains), "\(meter)")
                print(
                    "readings of the bundle of \(meter): \(replayed.count { measured.contains($0) }) of \(replayed.count)"
                )
            }
        }
    }

    /// What was measured, with every digit.
    private static func values(_ line: String) -> String? {
        guard let json = ExactJSON(line) else { return nil }
        return "\(["energies", "powers", "voltages", "currents", "volumes", "heat", "temperatures"].map { json[$0] })"
    }

    @Test("is not written over anything, and a wrong configuration is packed as well")
    func refused() async throws {
        try await withFolder { folder in
            let configuration = folder.appendingPathComponent("obisd.yaml")
            try Data("broker: {pasword: hunter2-canary}\nmeterz: []\n".utf8).write(to: configuration)
            let file = folder.appendingPathComponent("bundle.tar.gz")
            let arguments = ["doctor", "--config", configuration.path, "--bundle"]
            let outcome = try await Program.run(arguments + [file.path])
            #expect(outcome.exitCode == 78)
            let contents = try await unpack(file, in: folder)
            #expect(contents.keys.sorted() == ["README.txt", "obisd.yaml", "report.txt"] || contents["log.txt"] != nil)
            #expect(contents.values.allSatisfy { !$0.contains("hunter2") })
            #expect(contents["obisd.yaml"]?.contains("meterz") == true)

            let again = try await Program.run(arguments + [file.path])
            #expect(again.exitCode == 74 && again.error.contains("exists already"))
            let nowhere = try await Program.run(arguments + ["/nowhere/bundle.tar.gz"])
            #expect(nowhere.exitCode == 74 && nowhere.error.contains("/nowhere/bundle.tar.gz"))
        }
    }

    /// - Returns: the texts by their names.
    private func unpack(_ file: URL, in folder: URL) async throws -> [String: String] {
        let tar = try ChildProcess("/usr/bin/env", ["tar", "-xzf", file.path, "-C", folder.path], output: "/dev/null")
        #expect(try await tar.waitForExit(within: .seconds(60)) == 0)
        let root = folder.appendingPathComponent("obisd-bundle")
        var contents: [String: String] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: root.path) {
            let url = root.appendingPathComponent(path)
            guard let text = try? String(contentsOf: url, encoding: .utf8) else { continue }
            contents[path] = text
        }
        return contents
    }
}
