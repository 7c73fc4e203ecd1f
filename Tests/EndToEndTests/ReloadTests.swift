import Foundation
import TestSupport
import Testing

/// The running daemon and its service manager: what it says, and what a reload changes.
@Suite("Reload")
struct ReloadTests {
    fileprivate struct House {
        let folder: URL
        let broker: MosquittoBroker
        /// Of a meter each; they serve one caller at a time.
        let ports: [String: Int]
        let socket: NotifySocket
        let daemon: DaemonProcess

        func stanza(_ id: String, name: String = "Meter") -> String {
            #"id: \#(id), name: \#(name), protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(ports[id] ?? 0)"}, profile: lg-e450"#
        }

        /// Writes the configuration, asks for a reload, and waits until it has ended.
        func reload(_ meters: [String], broker extra: String = "") async throws {
            try daemon.configure(brokerPort: broker.port, meters: meters, broker: extra)
            let before = ends
            daemon.signal(SIGHUP)
            try await waitFor("the end of a reload") { ends > before }
        }

        /// Reloads that have ended: `READY=1` after `RELOADING=1`.
        private var ends: Int {
            let told = socket.messages.filter { $0.contains("READY=1") || $0.hasPrefix("RELOADING=1") }
            return zip(told, told.dropFirst()).count { $0.hasPrefix("RELOADING=1") && $1.contains("READY=1") }
        }

        var descriptors: Int { get throws { try ProcessFigures(pid: daemon.pid ?? 0).descriptors } }
    }

    private func withHouse(_ body: (House, Subscriber) async throws -> Void) async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let meters = try MetersProcess(
                folder: folder, ["dlms-push,tcp=0,interval=100ms", "dlms-push,tcp=0,interval=100ms"])
            let ports = try await meters.ports(of: 2)
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let socket = try NotifySocket(folder.appendingPathComponent("notify").path)
            let daemon = try DaemonProcess(folder: folder, brokerPort: broker.port, meters: [])
            let house = House(
                folder: folder, broker: broker, ports: ["main": ports[0], "flat": ports[1]], socket: socket,
                daemon: daemon)
            try daemon.configure(brokerPort: broker.port, meters: [house.stanza("main")])
            try daemon.start(environment: ["NOTIFY_SOCKET=\(socket.path)", "WATCHDOG_USEC=400000"])
            try await subscriber.wait(for: "readings") { $0.newest("main") >= 3 }
            try await body(house, subscriber)
            #expect(try await daemon.terminate() == 0)
            #expect(socket.count("STOPPING=1") == 1)
            meters.end()
        }
    }

    @Test("the service manager hears that the daemon is ready, how it is, and that it is alive")
    func manager() async throws {
        try await withHouse { house, _ in
            #expect(house.socket.count("READY=1") == 1)
            // A start that takes long asks for time.
            #expect(house.socket.messages.first?.hasPrefix("EXTEND_TIMEOUT_USEC=") == true)
            try await waitFor("a status") {
                house.socket.count("STATUS=1 of 1 meters online, broker connected") > 0
            }
            try await waitFor("signs of life") { house.socket.count("WATCHDOG=1") > 3 }
        }
    }

    @Test("a meter that comes is read, one that goes is cleared, the others go on; a mistake changes nothing")
    func meters() async throws {
        try await withHouse { house, subscriber in
            try await house.reload([house.stanza("main"), house.stanza("flat")])
            try await subscriber.wait(for: "readings of the new meter") { $0.newest("flat") >= 2 }

            // The broken file is refused with its place, and the old one stays in force.
            try await house.reload([house.stanza("main"), "id: flat, protocol: dlms-pusch"])
            try await house.daemon.waitForLog("dlms-pusch")
            try await house.daemon.waitForLog("The configuration was not reloaded")
            let newest = subscriber.newest("flat")
            try await subscriber.wait(for: "more readings") { $0.newest("flat") > newest }

            try await house.reload([house.stanza("main")])
            try await house.daemon.waitForLog("removed: flat")
            var retained: [String] = []
            try await waitFor("a broker without the topics of the meter") {
                retained = try house.retainedTopics()
                return !retained.contains { $0.hasPrefix("obisd/e2e/flat/") }
            }
            #expect(retained.contains("obisd/e2e/main/state"))
            #expect(try house.daemon.logLines("The first message arrived").count { $0.contains("meter=main") } == 1)
        }
    }

    @Test("200 reloads leave no descriptor open, and lose no reading")
    func cycles() async throws {
        try await withHouse { house, subscriber in
            try await house.reload([house.stanza("main")])
            let before = try house.descriptors
            for round in 0..<200 {
                let stanzas = [house.stanza("main"), house.stanza("flat", name: "Round \(round)")]
                try await house.reload(round.isMultiple(of: 2) ? stanzas : [stanzas[0]])
            }
            try await house.reload([house.stanza("main")])
            try await waitFor("as many descriptors as before") { try house.descriptors <= before }
            let newest = subscriber.newest("main")
            try await subscriber.wait(for: "more readings") { $0.newest("main") > newest }
            #expect(try house.daemon.logLines("The line is open").count { $0.contains("meter=main") } == 1)
        }
    }
}

extension ReloadTests.House {
    fileprivate func retainedTopics() throws -> [String] {
        let output = folder.appendingPathComponent("retained").path
        _ = try ChildProcess.run(
            "/usr/bin/env",
            [
                "sh", "-c",
                "mosquitto_sub -p \(broker.port) -t 'obisd/e2e/#' --retained-only -F %t -W 1 > '\(output)' || true",
            ])
        return try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n").map(String.init)
    }
}
