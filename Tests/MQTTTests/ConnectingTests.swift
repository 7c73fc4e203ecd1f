import Foundation
import OBIS
import TestSupport
import Testing

@testable import MQTT

@Suite("Connecting to a broker", .timeLimit(.minutes(2)))
struct ConnectingTests {
    @Test("the client connects when the broker comes later")
    func brokerComesLater() async throws {
        let broker = try await MosquittoBroker(starts: false)
        let log = LogRecord()
        let client = try startClient(.test(broker), logger: log.logger)
        let why = try await client.disconnected()
        #expect(why.kind == .unreachable)
        #expect(why.sentence.contains("127.0.0.1:\(broker.port) cannot be reached (Connection refused)"))
        #expect(log.warnings.first?.contains("check that it runs") == true)
        try await broker.start()
        try await client.connected()
        #expect(client.isConnected)
        #expect(log.all.contains { $0.contains("Connected to the broker after") })
        await client.stop()
    }

    @Test("the first failure is logged, then every tenth, and every change")
    func logsSparingly() {
        let record = LogRecord()
        let settings = BrokerSettings(host: "127.0.0.1", port: 1, clientID: "c")
        let log = ConnectionLog(record.logger, settings: settings)
        func fail(_ why: Disconnection) { log.disconnected(why, wasStable: false, retryIn: .seconds(1)) }
        for _ in 1...20 { fail(.unreachable(settings, why: "Connection refused")) }
        #expect(record.warnings.count == 3)
        #expect(record.warnings.contains { $0.contains("\"attempts\": 10") })
        fail(.unreachable(settings, why: "No route to host"))
        #expect(record.warnings.count == 4)
    }

    @Test("a name without an address is reported as such")
    func unresolvable() async throws {
        let client = try startClient(BrokerSettings(host: "no-such-broker.invalid", clientID: "c"))
        let why = try await client.disconnected()
        #expect(why.kind == .unresolvable)
        #expect(why.sentence.hasPrefix("The broker's name \"no-such-broker.invalid\" has no address ("))
        await client.stop()
    }

    @Test(
        "wrong credentials are reported, and the client connects once they are right",
        arguments: [MQTTVersion.v5, .v311])
    func wrongPassword(version: MQTTVersion) async throws {
        let broker = try await MosquittoBroker(
            ["password_file FOLDER/passwords"], files: ["passwords": ""], allowsAnonymous: false)
        let log = LogRecord()
        var settings = BrokerSettings.test(broker, version: version)
        settings.username = "obisd"
        settings.password = Secret(Array("secret-of-the-meter".utf8))
        let client = try startClient(settings, logger: log.logger)
        for _ in 1...3 {
            let why = try await client.disconnected()
            #expect(why.kind == .notAuthorized || why.kind == .badCredentials)
            #expect(why.sentence.contains("refused the connection"))
            #expect(why.sentence.contains("password"))
        }
        try setPassword("secret-of-the-meter", of: "obisd", at: broker)
        broker.reload()
        try await client.connected()
        await client.stop()
        #expect(!log.all.contains { $0.contains("secret-of-the-meter") })
    }

    @Test("a broker that wants a user name says so")
    func missingUsername() async throws {
        let broker = try await MosquittoBroker(allowsAnonymous: false)
        let client = try startClient(.test(broker))
        let why = try await client.disconnected()
        #expect(why.kind == .notAuthorized)
        #expect(why.sentence.contains("set broker.username and broker.password_file"))
        await client.stop()
    }

    @Test("the broker's limits are read and respected")
    func brokerProperties() async throws {
        let broker = try await MosquittoBroker([
            "max_packet_size 2000", "max_keepalive 30", "retain_available false", "max_qos 1",
            "max_inflight_messages 3",
        ])
        let client = try startClient(.test(broker))
        let properties = try await client.connected()
        #expect(properties.maximumPacketSize == 2000)
        #expect(properties.serverKeepalive == .seconds(30))
        #expect(properties.maximumQoS == 1)
        #expect(properties.retainAvailable == false)
        #expect(properties.receiveMaximum == 3)
        #expect(properties.window == 3)
        #expect(properties.sessionPresent == false)

        await #expect(throws: PublishError.refused(reason: 154)) {
            try await client.publish(MQTTMessage("a", "x", retain: true))
        }
        await #expect(throws: PublishError.refused(reason: 155)) {
            try await client.publish(MQTTMessage("a", "x", qos: 2))
        }
        await client.stop()
    }

    @Test(
        "what a broker says against the client becomes a sentence with a remedy",
        arguments: [
            // CONNACK, MQTT 5: flags, reason, no properties.
            ([0x20, 3, 0, 0x86, 0], .badCredentials, "Check broker.username and the password."),
            ([0x20, 3, 0, 0x87, 0], .notAuthorized, "set broker.username"),
            ([0x20, 3, 0, 0x88, 0], .refused(reason: 136), "server unavailable"),
            // CONNACK of a broker that knows 3.1.1 only.
            ([0x20, 2, 0, 1], .refused(reason: 132), "Set broker.protocol: 3.1.1."),
            // CONNACK and DISCONNECT.
            ([0x20, 3, 0, 0, 0, 0xE0, 2, 0x8E, 0], .closedByBroker(reason: 142), "give each its own broker.client_id"),
            ([0x20, 3, 0, 0, 0, 0xE0, 2, 0x97, 0], .closedByBroker(reason: 151), "quota exceeded"),
        ] as [([UInt8], Disconnection.Kind, String)])
    func answers(bytes: [UInt8], kind: Disconnection.Kind, text: String) async throws {
        let listener = try SilentListener(answer: bytes)
        let client = try startClient(BrokerSettings(host: "127.0.0.1", port: listener.port, clientID: "twin"))
        let why = try await client.disconnected()
        #expect(why.kind == kind)
        #expect(why.sentence.contains(text), "\(why.sentence)")
        #expect(why.isRefusal)
        await client.stop()
    }

    @Test(
        "a listener that speaks something else is left, and the client goes on",
        arguments: ["HTTP/1.1 400 Bad Request\r\n\r\n", "\u{20}\u{7F}\u{7F}\u{7F}", "\0\0\0\0", "0123456789"])
    func otherProtocol(text: String) async throws {
        let listener = try SilentListener(closes: true, answer: Array(text.utf8))
        let client = try startClient(BrokerSettings(host: "127.0.0.1", port: listener.port, clientID: "c"))
        for _ in 1...2 { #expect(try await client.disconnected().kind != .stopped) }
        await client.stop()
    }

    @Test(
        "a property that nobody knows ends the connection, not the process",
        arguments: [
            // CONNACK itself; then after one: PUBLISH, PUBACK, SUBACK, UNSUBACK, DISCONNECT, AUTH.
            [0x20, 5, 0, 0, 2, 0x78, 0],
            accepted + [0x30, 7, 0, 1, 0x61, 2, 0x78, 0, 0x78],
            accepted + [0x40, 6, 0, 1, 0, 2, 0x78, 0],
            accepted + [0x90, 6, 0, 1, 2, 0x78, 0, 0],
            accepted + [0xB0, 6, 0, 1, 2, 0x78, 0, 0],
            accepted + [0xE0, 4, 0, 2, 0x78, 0],
            accepted + [0xF0, 4, 0, 2, 0x78, 0],
        ] as [[UInt8]])
    func unknownProperty(bytes: [UInt8]) async throws {
        let listener = try SilentListener(answer: bytes)
        let client = try startClient(BrokerSettings(host: "127.0.0.1", port: listener.port, clientID: "c"))
        for _ in 1...3 {
            let why = try await client.disconnected()
            #expect(why.sentence.contains("sent what is not MQTT 5"), "\(why.sentence)")
        }
        await client.stop()
    }

    /// CONNACK of MQTT 5: flags, reason, no properties.
    private static let accepted: [UInt8] = [0x20, 3, 0, 0, 0]

    @Test(
        "a packet that does not end is left after a mebibyte",
        arguments: [
            // PUBLISH with QoS 0, 268 435 455 bytes long; the same in the place of the answer to CONNECT.
            (accepted, [0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, 0x61, 0]), ([], [0x20, 0xFF, 0xFF, 0xFF, 0x7F]),
        ] as [([UInt8], [UInt8])])
    func endlessPacket(answer: [UInt8], start: [UInt8]) async throws {
        let listener = try SilentListener(answer: answer + start, thenSends: 255 << 20)
        let client = try startClient(BrokerSettings(host: "127.0.0.1", port: listener.port, clientID: "c"))
        let why = try await client.disconnected()
        #expect(why.sentence.contains("sent more than 1 MiB without a whole message"), "\(why.sentence)")
        await client.stop()
    }

    @Test("messages of ten mebibytes in all are taken, and none of them is held against the broker")
    func manyMessages() async throws {
        // PUBLISH, topic "a", no properties, 65 531 bytes: as long as what is taken.
        let message = [0x30, 0xFF, 0xFF, 0x03, 0, 1, 0x61, 0] + [UInt8](repeating: 0x78, count: 65_531)
        let listener = try SilentListener(answer: Self.accepted + Array(repeating: message, count: 160).flatMap { $0 })
        let client = try startClient(BrokerSettings(host: "127.0.0.1", port: listener.port, clientID: "c"))
        for _ in 1...160 { #expect(try await client.message().payload.count == 65_531) }
        #expect(client.isConnected)
        await client.stop()
    }

    @Test("a broker that stops says goodbye, and the client returns to it")
    func brokerStops() async throws {
        let broker = try await MosquittoBroker()
        let client = try startClient(.test(broker))
        try await client.connected()
        broker.terminate()
        let why = try await client.disconnected()
        #expect(why.kind == .closedByBroker(reason: 139) || why.kind == .lost)
        #expect(!client.isConnected)
        try await broker.start()
        try await client.connected()
        #expect(try await client.publish(MQTTMessage("a", "again")) == ReasonCode.noMatchingSubscribers)
        await client.stop()
    }

    @Test("a broker that falls silent is left after the keepalive")
    func silentBroker() async throws {
        let broker = try await MosquittoBroker()
        var settings = BrokerSettings.test(broker)
        settings.keepalive = .seconds(5)
        let client = try startClient(settings)
        try await client.connected()
        broker.pause()
        let why = try await client.disconnected()
        #expect(why.kind == .silent)
        broker.resume()
        try await client.connected()
        await client.stop()
    }

    @Test("the will is published when the connection drops, and not after a farewell")
    func willAndFarewell() async throws {
        let broker = try await MosquittoBroker()
        let subscriber = try await startSubscriber(broker, "obisd/+/status")
        let relay = try Relay(to: broker.port)
        var settings = BrokerSettings(host: "127.0.0.1", port: relay.port, clientID: "dropped")
        settings.will = MQTTMessage("obisd/dropped/status", "offline", retain: true)
        let dropped = try startClient(settings)
        try await dropped.connected()
        relay.cut()
        var message = try await subscriber.message()
        #expect(message.topic == "obisd/dropped/status")
        #expect(message.text == "offline")
        await dropped.stop()

        settings.port = broker.port
        settings.clientID = "stopped"
        settings.will = MQTTMessage("obisd/stopped/status", "the will", retain: true)
        let stopped = try startClient(settings)
        try await stopped.connected()
        try await stopped.publish(MQTTMessage("obisd/stopped/status", "online", retain: true))
        await stopped.stop(farewell: MQTTMessage("obisd/stopped/status", "offline", retain: true))
        #expect(try await subscriber.message().text == "online")
        message = try await subscriber.message()
        #expect(message.text == "offline")
        #expect(message.retain == false)

        // Retained: a later subscriber gets the last word, with the mark of an old message.
        let late = try await startSubscriber(broker, "obisd/stopped/status")
        message = try await late.message()
        #expect(message.text == "offline")
        #expect(message.retain)
        await subscriber.stop()
        await late.stop()
    }

    @Test("stop returns while nobody answers: no listener, a listener that stays silent, before the start")
    func stopWithoutBroker() async throws {
        let port = try FreePort.tcp()
        let nobody = try startClient(BrokerSettings(host: "127.0.0.1", port: port, clientID: "c"))
        await nobody.stop(farewell: MQTTMessage("a", "offline"))

        let silent = try SilentListener()
        let waiting = try startClient(BrokerSettings(host: "127.0.0.1", port: silent.port, clientID: "c"))
        await silent.accepted()
        await waiting.stop(farewell: MQTTMessage("a", "offline"))
        await #expect(throws: PublishError.notConnected) { try await waiting.publish(MQTTMessage("a", "x")) }

        let idle = MQTTClient(
            settings: BrokerSettings(host: "127.0.0.1", port: port, clientID: "c"), logger: quietLogger)
        await idle.stop()
        await idle.stop()
    }

    @Test("a listener that closes at once is no broker, and is said to be none")
    func notABroker() async throws {
        let listener = try SilentListener(closes: true)
        let client = try startClient(BrokerSettings(host: "127.0.0.1", port: listener.port, clientID: "c"))
        let why = try await client.disconnected()
        #expect(why.kind == .lost)
        #expect(why.sentence.contains("closed the connection before it answered"))
        await client.stop()
    }

    @Test("a client works with descriptors beyond 1024")
    func manyDescriptors() async throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        if limit.rlim_cur < 4096, limit.rlim_max >= 4096 {
            limit.rlim_cur = 4096
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        let broker = try await MosquittoBroker()
        let descriptors = (0..<1100).map { _ in dup(0) }
        defer { for descriptor in descriptors where descriptor >= 0 { close(descriptor) } }
        guard !descriptors.contains(-1) else {
            print("Not tested with descriptors beyond 1024: this machine does not allow as many.")
            return
        }
        let client = try startClient(.test(broker))
        try await client.connected()
        #expect(try await client.publish(MQTTMessage("a", "x")) < 128)
        await client.stop()
    }

    @Test("settings that cannot work are reported, not tried in silence")
    func impossibleSettings() async throws {
        let base = BrokerSettings(host: "127.0.0.1", port: 1, clientID: "c")
        var wildcardWill = base
        wildcardWill.will = MQTTMessage("a/#", "x")
        var halfTLS = base
        halfTLS.tls = TLSSettings(certificateFile: "/nowhere.pem")
        var passwordOnly = base
        passwordOnly.version = .v311
        passwordOnly.password = Secret([65])
        var nulPassword = base
        nulPassword.password = Secret([65, 0])
        let cases = [
            (wildcardWill, "last will"), (halfTLS, "belong together"), (passwordOnly, "user name"),
            (nulPassword, "NUL"),
        ]
        for (settings, text) in cases {
            let client = try startClient(settings)
            let why = try await client.disconnected()
            #expect(why.kind == .settings)
            #expect(why.sentence.contains(text))
            await client.stop()
        }
    }
}

/// `mosquitto_passwd` comes with the broker.
private func setPassword(_ password: String, of user: String, at broker: MosquittoBroker) throws {
    #expect(try ChildProcess.run("mosquitto_passwd", ["-b", broker.file("passwords"), user, password]) == 0)
}
