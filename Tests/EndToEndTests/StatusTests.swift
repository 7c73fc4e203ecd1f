import Foundation
import TestSupport
import Testing

/// What the running daemon tells whoever asks it on its local socket.
@Suite("`obisd status`")
struct StatusTests {
    @Test("shows meters, journal and broker while the daemon runs, to its user only, and says that none runs")
    func status() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let meters = try MetersProcess(folder: folder, ["dlms-push,tcp=0,interval=100ms"])
            let port = try #require(try await meters.ports(of: 1).first)
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#,
                    "id: dead, protocol: iec62056-21, transport: {serial: /nowhere/tty}",
                ])
            let config = ["--config", daemon.configuration]
            let before = try await Program.run(["status"] + config)
            #expect(before.exitCode == 69 && before.error.contains("no daemon runs"))

            try daemon.start()
            try await subscriber.wait(for: "readings") { $0.newest("main") >= 3 }
            let table = try await Program.run(["status"] + config)
            #expect(table.exitCode == 0)
            #expect(table.lines.first?.contains("node e2e") == true)
            #expect(table.lines.contains { $0.hasPrefix("broker   connected") })
            #expect(table.lines.contains { $0.hasPrefix("main ") && $0.contains(" online ") })
            #expect(table.lines.contains { $0.hasPrefix("dead ") && $0.contains("offline: ") })
            let status = try #require(try await daemon.status())
            #expect(status["node"]?.string == "e2e" && status["broker"]?["connected"]?.bool == true)
            #expect(try Int(#require(status["journal"]?["readings"]?.digits)) ?? 0 >= 3)

            let socket = folder.appendingPathComponent("journal.db.control").path
            let rights = try FileManager.default.attributesOfItem(atPath: socket)[.posixPermissions] as? Int
            #expect(rights == 0o600)
            broker.terminate()
            try await waitFor("a daemon that knows that its broker is gone") {
                try subscriber.read()
                return true
            }
            var isConnected = true
            for _ in 0..<1000 where isConnected {
                isConnected = try await daemon.status()?["broker"]?["connected"]?.bool ?? true
            }
            #expect(!isConnected)
            #expect(try await daemon.terminate() == 0)
            #expect(!FileManager.default.fileExists(atPath: socket))
            meters.end()
        }
    }

    @Test("a request that is none is refused in words, and one that never ends is left alone")
    func hostile() async throws {
        try await withFolder { folder in
            let daemon = try DaemonProcess(folder: folder, brokerPort: 1, meters: [])
            try daemon.start()
            let socket = folder.appendingPathComponent("journal.db.control").path
            try await waitFor("the socket") { FileManager.default.fileExists(atPath: socket) }
            for (text, expected) in [
                ("nonsense\\n", "\"ok\":false"), (#"{\"verb\":\"destroy\"}\n"#, "\"ok\":false"),
                (String(repeating: "x", count: 80_000), ""),
            ] {
                let script =
                    "import socket; s = socket.socket(socket.AF_UNIX); s.connect('\(socket)'); s.sendall(b'\(text)'); "
                    + "print(s.makefile().read())"
                let output = folder.appendingPathComponent("answer").path
                let client = try ChildProcess("/usr/bin/env", ["python3", "-c", script], output: output)
                #expect(try await client.waitForExit(within: .seconds(60)) != nil)
                #expect(try String(contentsOfFile: output, encoding: .utf8).contains(expected) || expected.isEmpty)
            }
            #expect(try await daemon.status() != nil)
            #expect(try await daemon.terminate() == 0)
        }
    }
}
