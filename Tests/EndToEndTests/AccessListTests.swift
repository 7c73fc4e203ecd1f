import Foundation
import TestSupport
import Testing

/// The access list in `etc/mosquitto`, with the broker for which it is made.
@Suite("The access list for mosquitto")
struct AccessListTests {
    private static let list = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("etc/mosquitto/obisd.acl").path

    @Test("gives the daemon, Home Assistant and a reader what they need, and nothing beyond it")
    func rights() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker(["acl_file \(Self.list)"])
            let meters = try MetersProcess(folder: folder, ["iec62056-21,tcp=0"])
            let port = try #require(try await meters.ports(of: 1).first)
            func listen(_ user: String, _ filter: String = "obisd/#") throws -> Subscriber {
                try Subscriber(port: broker.port, folder: folder, filter: filter, user: user)
            }
            let reader = try listen("reader")
            let homeAssistant = try listen("homeassistant")
            let stranger = try listen("stranger", "#")
            let itself = try listen("obisd", "#")
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [#"id: main, protocol: iec62056-21, transport: {tcp: "127.0.0.1:\#(port)"}, interval: 1s"#],
                broker: "username: obisd, commands: true")
            try await expectCommands(at: itself, broker)
            try daemon.start()
            for subscriber in [reader, homeAssistant] {
                try await subscriber.wait(for: "everything of a meter") { subscriber in
                    subscriber.newest("main") >= 1
                        && ["main/state", "main/availability", "status", "info"].allSatisfy {
                            subscriber.last("obisd/e2e/\($0)") != nil
                        }
                }
            }
            // The one that is allowed comes last: when it is answered, the others have been dropped.
            try publish(broker, "reader", "main/command", #"{"id":"reader","verb":"read"}"#)
            try publish(broker, "stranger", "main/command", #"{"id":"stranger","verb":"read"}"#)
            for user in ["reader", "stranger", "homeassistant"] { try publish(broker, user, "main/reading", "forged") }
            try publish(broker, "homeassistant", "main/command", #"{"id":"allowed","verb":"read"}"#)
            try await reader.wait(for: "the answer to Home Assistant") { reader in
                reader.last("obisd/e2e/main/command/result")?.json?["id"]?.string == "allowed"
            }
            #expect(try await daemon.status()?["broker"]?["refused"]?.int == 0)
            #expect(try daemon.logLines("Not authorized").isEmpty)
            #expect(try await daemon.terminate() == 0)
            try await reader.wait(for: "`offline`") { $0.last("obisd/e2e/status")?.payload == "offline" }

            #expect(reader.messages.count { $0.topic == "obisd/e2e/main/command/result" } == 1)
            #expect(!reader.messages.contains { $0.payload == "forged" })
            try itself.read()
            #expect(Set(itself.messages.map(\.topic)) == ["obisd/e2e/main/command"])
            try stranger.read()
            #expect(stranger.messages.isEmpty)
            meters.end()
        }
    }

    /// Until a command has come through: then the subscription stands, and nothing else may come.
    private func expectCommands(at itself: Subscriber, _ broker: MosquittoBroker) async throws {
        for _ in 0..<60 {
            try publish(broker, "homeassistant", "main/command", "{}")
            do {
                return try await itself.wait(for: "a command", within: .seconds(1)) { !$0.messages.isEmpty }
            } catch is NotInTime { continue }
        }
        throw NotInTime(description: "no command arrives")
    }

    /// The broker acknowledges what it drops, to a client of version 3.1.1.
    private func publish(_ broker: MosquittoBroker, _ user: String, _ topic: String, _ payload: String) throws {
        let code = try ChildProcess.run(
            "mosquitto_pub",
            [
                "-V", "mqttv311", "-p", "\(broker.port)", "-u", user, "-q", "1", "-t", "obisd/e2e/\(topic)", "-m",
                payload,
            ]
        )
        #expect(code == 0)
    }
}
