import Foundation
import Synchronization
import TestSupport
import Testing

@testable import MQTT

@Suite("Publishing to a broker", .timeLimit(.minutes(1)))
struct PublishingTests {
    @Test("a message arrives as it was sent and is acknowledged", arguments: [MQTTVersion.v5, .v311])
    func publishes(version: MQTTVersion) async throws {
        let broker = try await MosquittoBroker()
        let subscriber = try await startSubscriber(broker, "obisd/#")
        let client = try startClient(.test(broker, version: version))
        try await client.connected()
        let payload = (0...255).map { UInt8($0) }
        #expect(try await client.publish(MQTTMessage(topic: "obisd/cellar/main/reading", payload: payload)) == 0)
        let got = try await subscriber.message()
        #expect(got.topic == "obisd/cellar/main/reading")
        #expect(got.payload == payload)
        #expect(got.qos == 1)

        #expect(try await client.publish(MQTTMessage("obisd/empty", "")) == 0)
        #expect(try await subscriber.message().payload.isEmpty)
        #expect(try await client.publish(MQTTMessage("obisd/zero", "at most once", qos: 0)) == 0)
        #expect(try await subscriber.message().text == "at most once")
        #expect(try await client.publish(MQTTMessage("obisd/two", "exactly once", qos: 2)) == 0)
        #expect(try await subscriber.message().text == "exactly once")
        await client.stop()
        await subscriber.stop()
    }

    @Test("nobody subscribed is a positive answer, and under 3.1.1 no answer of its own")
    func noSubscribers() async throws {
        let broker = try await MosquittoBroker()
        for (version, reason) in [(MQTTVersion.v5, ReasonCode.noMatchingSubscribers), (.v311, 0)] {
            let client = try startClient(.test(broker, version: version))
            try await client.connected()
            #expect(try await client.publish(MQTTMessage("nobody", "x")) == reason)
            await client.stop()
        }
    }

    @Test("a publish that the access list denies is refused under version 5 and cannot be seen under 3.1.1")
    func denied() async throws {
        let broker = try await MosquittoBroker(
            ["acl_file FOLDER/acl"], files: ["acl": "topic write allowed/#\ntopic read #\n"])
        let client = try startClient(.test(broker))
        try await client.connected()
        await #expect(throws: PublishError.refused(reason: 135)) {
            try await client.publish(MQTTMessage("denied", "x"))
        }
        #expect(try await client.publish(MQTTMessage("allowed/a", "x")) < 128)
        await client.stop()

        let old = try startClient(.test(broker, version: .v311))
        try await old.connected()
        #expect(try await old.publish(MQTTMessage("denied", "x")) == 0)
        await old.stop()
    }

    @Test("version 5 says of each message that it is text, of which kind, and from whom; 3.1.1 says nothing")
    func properties() async throws {
        let broker = try await MosquittoBroker(["max_packet_size 500"])
        for version in [MQTTVersion.v5, .v311] {
            var settings = BrokerSettings.test(broker, version: version)
            settings.properties = MessageProperties(user: ["schema": "1", "node": "küche"])
            let client = try startClient(settings)
            try await client.connected()
            for (topic, text) in [("object", "{}"), ("word", "online")] {
                #expect(try await client.publish(MQTTMessage(topic, text, retain: true)) < 128)
            }
            let isNew = version == .v5
            let (user, one) = isNew ? ("schema:1 node:küche", "1") : ("", "")
            #expect(try await said(broker, "object") == "\(isNew ? "application/json" : "")|\(user)|\(one)|{}")
            #expect(try await said(broker, "word") == "\(isNew ? "text/plain" : "")|\(user)|\(one)|online")
            // To the byte: the broker would close the connection.
            let more = 500 - MQTTMessage("topic", "{}").packetSize(version: version, properties: settings.properties)
            let fitting = "{" + String(repeating: " ", count: more - 1) + "}"
            #expect(MQTTMessage("topic", fitting).packetSize(version: version, properties: settings.properties) == 500)
            #expect(try await client.publish(MQTTMessage("topic", fitting)) < 128)
            if isNew {
                await #expect(throws: PublishError.tooLarge(size: 501, limit: 500)) {
                    try await client.publish(MQTTMessage("topic", fitting + " "))
                }
            }
            // What clears a retained topic is no text of any kind.
            for topic in ["object", "word"] {
                #expect(try await client.publish(MQTTMessage(topic, "", retain: true)) < 128)
            }
            await client.stop()
        }
    }

    /// What a client of another make says of a retained message: content type, user properties, whether it is text.
    private func said(_ broker: MosquittoBroker, _ topic: String) async throws -> String {
        let output = broker.file("said-\(topic)-\(UUID().uuidString)")
        let process = try ChildProcess(
            "/usr/bin/env",
            [
                "mosquitto_sub", "-V", "mqttv5", "-p", "\(broker.port)", "-t", topic, "-C", "1", "-W", "50", "-F",
                "%C|%P|%F|%p",
            ],
            output: output, error: "/dev/null")
        #expect(try await process.waitForExit(within: .seconds(55)) == 0)
        return try String(contentsOfFile: output, encoding: .utf8).trimmingCharacters(in: .newlines)
    }

    @Test("many messages arrive in order, with no more under way than the broker takes")
    func order() async throws {
        let broker = try await MosquittoBroker(["max_inflight_messages 5", "max_queued_messages 0"])
        let subscriber = try await startSubscriber(broker, "count")
        let client = try startClient(.test(broker))
        #expect(try await client.connected().window == 5)
        let outcomes = Outcomes()
        // No more than the subscriber's buffer holds.
        for number in 0..<250 {
            client.publish(MQTTMessage("count", "\(number)"), completion: outcomes.completion(number))
        }
        await outcomes.wait(for: 250)
        #expect(outcomes.results.values.allSatisfy { $0 == [.success(0)] })
        for number in 0..<250 { #expect(try await subscriber.message().text == "\(number)") }
        await client.stop()
        await subscriber.stop()
    }

    @Test("what was under way when the broker died is lost, each message exactly once, and never sent again by itself")
    func lostUnderWay() async throws {
        let broker = try await MosquittoBroker()
        let client = try startClient(.test(broker))
        #expect(try await client.connected().window == 20)
        broker.pause()
        let outcomes = Outcomes()
        for number in 0..<19 {
            client.publish(MQTTMessage("lost", "\(number)", retain: true), completion: outcomes.completion(number))
        }
        // It is answered once it is written, and so are those before it. The next one fills the window.
        try await client.publish(MQTTMessage("marker", "x", qos: 0))
        for number in 19..<30 {
            client.publish(MQTTMessage("lost", "\(number)", retain: true), completion: outcomes.completion(number))
        }
        broker.kill()
        await outcomes.wait(for: 30)
        let results = outcomes.results
        #expect(results.values.allSatisfy { $0.count == 1 })
        for number in 0..<19 { #expect(results[number] == [.failure(.connectionLost)], "message \(number)") }
        for number in 20..<30 { #expect(results[number] == [.failure(.notConnected)], "message \(number)") }
        _ = try await client.disconnected()
        await #expect(throws: PublishError.notConnected) { try await client.publish(MQTTMessage("lost", "x")) }

        try await broker.start()
        try await client.connected()
        #expect(try await client.publish(MQTTMessage("lost", "new", retain: true)) == ReasonCode.noMatchingSubscribers)
        let late = try await startSubscriber(broker, "lost")
        #expect(try await late.message().text == "new")
        await client.stop()
        await late.stop()
    }

    @Test("every message has exactly one outcome, whenever the broker dies")
    func outcomeAtAnyMoment() async throws {
        let broker = try await MosquittoBroker()
        let client = try startClient(.test(broker))
        try await client.connected()
        let outcomes = Outcomes()
        for number in 0..<1000 {
            client.publish(MQTTMessage("many", "\(number)"), completion: outcomes.completion(number))
            if number == 700 { broker.kill() }
        }
        await outcomes.wait(for: 1000)
        let results = outcomes.results
        #expect(results.count == 1000)
        #expect(results.values.allSatisfy { $0.count == 1 })
        // Acknowledged messages come first, then what was under way, then what was never sent.
        let ranks = (0..<1000).map { number -> Int in
            switch results[number]?.first {
            case .success: 0
            case .failure(.connectionLost): 1
            default: 2
            }
        }
        #expect(ranks == ranks.sorted())
        await client.stop()
    }

    @Test("every message has exactly one outcome when the client is stopped")
    func outcomeAtStop() async throws {
        let broker = try await MosquittoBroker()
        let subscriber = try await startSubscriber(broker, "status")
        let client = try startClient(.test(broker))
        try await client.connected()
        let outcomes = Outcomes()
        for number in 0..<500 {
            client.publish(MQTTMessage("many", "\(number)"), completion: outcomes.completion(number))
        }
        await client.stop(farewell: MQTTMessage("status", "offline", retain: true))
        await outcomes.wait(for: 500)
        #expect(outcomes.results.values.allSatisfy { $0.count == 1 })
        #expect(try await subscriber.message().text == "offline")
        await #expect(throws: PublishError.notConnected) { try await client.publish(MQTTMessage("many", "x")) }
        await subscriber.stop()
    }

    @Test("stop does not wait for a broker that is silent")
    func stopWhileSilent() async throws {
        let broker = try await MosquittoBroker()
        let client = try startClient(.test(broker))
        try await client.connected()
        broker.pause()
        let outcomes = Outcomes()
        client.publish(MQTTMessage("a", "x"), completion: outcomes.completion(0))
        try await client.publish(MQTTMessage("marker", "x", qos: 0))
        await client.stop(farewell: MQTTMessage("status", "offline"))
        #expect(outcomes.results[0] == [.failure(.connectionLost)])
    }

    @Test("a message above the broker's packet size is refused before it is sent, one of exactly that size is not")
    func packetSize() async throws {
        let broker = try await MosquittoBroker(["max_packet_size 500"])
        let client = try startClient(.test(broker))
        #expect(try await client.connected().maximumPacketSize == 500)
        let fitting = String(repeating: "x", count: 500 - 3 - 2 - 5 - 2 - 1)
        #expect(MQTTMessage("topic", fitting).packetSize(version: .v5) == 500)
        #expect(try await client.publish(MQTTMessage("topic", fitting)) < 128)
        await #expect(throws: PublishError.tooLarge(size: 501, limit: 500)) {
            try await client.publish(MQTTMessage("topic", fitting + "x"))
        }
        await #expect(throws: PublishError.tooLarge(size: 100_012, limit: 500)) {
            try await client.publish(MQTTMessage("a", String(repeating: "x", count: 100_002)))
        }
        #expect(try await client.publish(MQTTMessage("topic", "small")) < 128)
        await client.stop()
    }

    @Test(
        "an impossible message is refused and disturbs no other",
        arguments: [
            MQTTMessage("", "x"), MQTTMessage("a/#", "x"), MQTTMessage("a/+", "x"), MQTTMessage("a\0b", "x"),
            MQTTMessage("a", "x", qos: 3), MQTTMessage("a", "x", qos: -1),
        ])
    func invalid(message: MQTTMessage) async throws {
        let broker = try await MosquittoBroker()
        let client = try startClient(.test(broker))
        try await client.connected()
        await #expect(throws: PublishError.invalid) { try await client.publish(message) }
        #expect(try await client.publish(MQTTMessage("a", "x")) < 128)
        await client.stop()
    }

    @Test("more messages than can wait are turned away at once")
    func queueFull() async throws {
        let broker = try await MosquittoBroker()
        let client = try startClient(.test(broker))
        try await client.connected()
        broker.pause()
        let outcomes = Outcomes()
        for number in 0..<Mailbox.limit + 5 {
            client.publish(MQTTMessage("a", "x"), completion: outcomes.completion(number))
        }
        #expect((0..<5).allSatisfy { outcomes.results[Mailbox.limit + $0] == [.failure(.queueFull)] })
        broker.kill()
        await outcomes.wait(for: Mailbox.limit + 5)
        try await broker.start()
        try await client.connected()
        #expect(try await client.publish(MQTTMessage("a", "x")) < 128)
        await client.stop()
    }

    @Test("a completion may publish the next message")
    func publishesFromCompletion() async throws {
        let broker = try await MosquittoBroker()
        let client = try startClient(.test(broker))
        try await client.connected()
        let second = try await withCheckedThrowingContinuation { continuation in
            client.publish(MQTTMessage("a", "first")) { _ in
                client.publish(MQTTMessage("a", "second")) { continuation.resume(with: $0) }
            }
        }
        #expect(second == ReasonCode.noMatchingSubscribers)
        await client.stop()
    }

    @Test("a subscription is made again with each connection, and a denied one is reported")
    func subscribesAgain() async throws {
        let broker = try await MosquittoBroker()
        let subscriber = try await startSubscriber(broker, "a/#")
        broker.kill()
        try await broker.start()
        try await subscriber.subscribed()
        let client = try startClient(.test(broker))
        try await client.connected()
        #expect(try await client.publish(MQTTMessage("a/b", "x")) == 0)
        #expect(try await subscriber.message().text == "x")
        client.subscribe("a/#/b")
        let filter = try await client.event { event in
            if case .subscriptionRefused(let filter, _) = event { filter } else { nil }
        }
        #expect(filter == "a/#/b")
        await client.stop()
        await subscriber.stop()
    }

    @Test("an arriving message that is too large is dropped, the next one is not")
    func largeArrival() async throws {
        let broker = try await MosquittoBroker()
        let log = LogRecord()
        let subscriber = try startClient(.test(broker), logger: log.logger)
        subscriber.subscribe("command")
        try await subscriber.subscribed()
        let client = try startClient(.test(broker))
        try await client.connected()
        let large = [UInt8](repeating: 65, count: MQTTClient.largestIncomingPayload + 1)
        try await client.publish(MQTTMessage(topic: "command", payload: large))
        try await client.publish(MQTTMessage("command", "small"))
        #expect(try await subscriber.message().text == "small")
        #expect(log.warnings.contains { $0.contains("dropped") && $0.contains("65536") })
        await client.stop()
        await subscriber.stop()
    }
}
