import Foundation
import TestSupport
import Testing

/// What stands at a broker for Home Assistant, from the first reading to the last.
@Suite("Home Assistant")
struct HomeAssistantTests {
    private static func topic(_ meter: String) -> String { "homeassistant/device/obisd_e2e/\(meter)/config" }

    private struct House {
        let folder: URL
        let broker: MosquittoBroker
        let ports: [Int]
        let daemon: DaemonProcess

        func stanza(_ id: String, _ index: Int) -> String {
            #"id: \#(id), protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(ports[index])"}, profile: lg-e450"#
        }

        func configure(_ meters: [String], discovery: String = "device") throws {
            try daemon.configure(
                brokerPort: broker.port, meters: meters, homeAssistant: "{discovery: \(discovery)}")
        }

        /// By topic.
        func retained() throws -> [String: String] {
            let output = folder.appendingPathComponent("retained").path
            _ = try ChildProcess.run(
                "/usr/bin/env",
                [
                    "sh", "-c",
                    "mosquitto_sub -p \(broker.port) -t 'homeassistant/#' --retained-only -F '%t %p' -W 1 > '\(output)' || true",
                ])
            let lines = try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n")
            return Dictionary(
                lines.map { line in
                    let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
                    return (parts[0], parts.count > 1 ? parts[1] : "")
                }
            ) { $1 }
        }

        func waitForTopics(_ what: String, _ condition: ([String: String]) -> Bool) async throws -> [String: String] {
            var found: [String: String] = [:]
            try await waitFor(what) {
                found = try retained()
                return condition(found)
            }
            return found
        }
    }

    private func withHouse(_ settings: [String] = [], _ body: (House) async throws -> Void) async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker(settings)
            let meters = try MetersProcess(
                folder: folder, ["dlms-push,tcp=0,interval=100ms", "dlms-push,tcp=0,interval=100ms"])
            let ports = try await meters.ports(of: 2)
            let daemon = try DaemonProcess(folder: folder, brokerPort: broker.port, meters: [])
            let house = House(folder: folder, broker: broker, ports: ports, daemon: daemon)
            try house.configure([house.stanza("main", 0), house.stanza("flat", 1)])
            try daemon.start()
            try await body(house)
            #expect(try await daemon.terminate() == 0)
            meters.end()
        }
    }

    @Test("meters appear with their first reading, are told again at a birth, go without a trace, and `off` clears all")
    func life() async throws {
        try await withHouse { house in
            let told = try await house.waitForTopics("both meters") {
                $0[Self.topic("main")] != nil && $0[Self.topic("flat")] != nil
            }
            var rules = HomeAssistantRules()
            for (topic, text) in told { rules.check(topic: topic, text) }
            #expect(rules.problems.isEmpty)
            #expect(told.keys.contains("homeassistant/device/obisd_e2e/config"))

            // Home Assistant has begun anew.
            let subscriber = try Subscriber(port: house.broker.port, folder: house.folder, filter: "homeassistant/#")
            try await subscriber.wait(for: "what is retained") { $0.last(Self.topic("main")) != nil }
            let arguments = ["-p", "\(house.broker.port)", "-q", "1", "-t", "homeassistant/status", "-m", "online"]
            #expect(try ChildProcess.run("mosquitto_pub", arguments) == 0)
            try await subscriber.wait(for: "the same again") { subscriber in
                [Self.topic("main"), Self.topic("flat")].allSatisfy { topic in
                    subscriber.messages.contains { $0.topic == topic && !$0.isRetained }
                }
            }
            subscriber.end()

            try house.configure([house.stanza("main", 0)])
            house.daemon.signal(SIGHUP)
            let left = try await house.waitForTopics("a broker without the meter") { $0[Self.topic("flat")] == nil }
            #expect(left.keys.contains(Self.topic("main")))

            try house.configure([house.stanza("main", 0)], discovery: "entity")
            house.daemon.signal(SIGHUP)
            let single = try await house.waitForTopics("single messages") { topics in
                !topics.isEmpty && !topics.keys.contains { $0.contains("/device/") }
            }
            #expect(single.keys.contains("homeassistant/sensor/obisd_e2e/main-energy_import/config"))
            #expect(!single.values.contains { $0.contains("migrate_discovery") })

            try house.configure([house.stanza("main", 0)], discovery: "off")
            house.daemon.signal(SIGHUP)
            _ = try await house.waitForTopics("a broker without a trace") { $0.isEmpty }
        }
    }

    @Test("a broker that does not take discovery is said once, and readings go on")
    func refused() async throws {
        try await withFolder { folder in
            let acl = folder.appendingPathComponent("acl").path
            try Data("topic deny homeassistant/#\ntopic readwrite #\n".utf8).write(to: URL(fileURLWithPath: acl))
            try await withHouse(["acl_file \(acl)"]) { house in
                let subscriber = try Subscriber(port: house.broker.port, folder: house.folder)
                try await subscriber.wait(for: "readings of both") { $0.newest("main") >= 3 && $0.newest("flat") >= 3 }
                try await house.daemon.waitForLog("Home Assistant does not learn of the meters")
                let newest = subscriber.newest("main")
                try await subscriber.wait(for: "more readings") { $0.newest("main") > newest }
                #expect(try house.daemon.logLines("Home Assistant does not learn of the meters").count == 1)
            }
        }
    }
}
