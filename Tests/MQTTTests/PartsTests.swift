import Testing

@testable import MQTT

@Suite("The parts of the client")
struct PartsTests {
    @Test("the window sends in order, no more than it holds, and gives back what was lost in order")
    func window() {
        var window = PublishWindow()
        let now = ContinuousClock().now
        let texts = { (messages: [Outgoing]) in messages.map { $0.message.text } }
        window.append(
            contentsOf: (0..<1000).map { number in Outgoing(message: MQTTMessage("t", "\(number)")) { _ in } })
        #expect(window.next() == nil)
        window.capacity = 3
        for number in 0..<3 {
            guard let outgoing = window.next() else { continue }
            #expect(outgoing.message.text == "\(number)")
            window.sent(outgoing, messageID: Int32(number + 1), at: now)
        }
        #expect(window.next() == nil)
        #expect(window.acknowledged(messageID: 99) == nil)
        #expect(window.acknowledged(messageID: 2)?.message.text == "1")
        #expect(window.acknowledged(messageID: 2) == nil)
        window.prepend(Outgoing(message: MQTTMessage("t", "first")) { _ in })
        #expect(window.next()?.message.text == "first")
        #expect(window.next()?.message.text == "3")
        #expect(texts(window.takeUnderWay()) == ["0", "2"])
        #expect(texts(window.takeWaiting()) == (4..<1000).map { "\($0)" })
        #expect(window.isIdle)
    }

    @Test("a window of one passes a thousand messages in order")
    func narrowWindow() {
        var window = PublishWindow()
        window.capacity = 1
        window.append(
            contentsOf: (0..<1000).map { number in Outgoing(message: MQTTMessage("t", "\(number)")) { _ in } })
        for number in 0..<1000 {
            guard let outgoing = window.next() else { break }
            window.sent(outgoing, messageID: 7, at: ContinuousClock().now)
            #expect(window.next() == nil)
            #expect(window.acknowledged(messageID: 7)?.message.text == "\(number)")
        }
        #expect(window.isIdle)
    }

    @Test("the time between attempts doubles to its limit, with half of it left to chance")
    func backoff() {
        let longest = ReconnectBackoff(random: { 1 })
        #expect(
            (1...8).map { longest.delay(attempt: $0, refused: true) }
                == [1, 2, 4, 8, 16, 32, 60, 60].map { .seconds($0) })
        #expect((1...5).map { longest.delay(attempt: $0, refused: false) } == [1, 2, 4, 5, 5].map { .seconds($0) })
        #expect(longest.delay(attempt: .max, refused: true) == .seconds(60))
        let shortest = ReconnectBackoff(random: { 0 })
        #expect(shortest.delay(attempt: 1, refused: true) == .milliseconds(500))
        #expect(shortest.delay(attempt: 7, refused: true) == .seconds(30))
    }

    @Test(
        "the packet size counts header, length, topic, identifier, properties and payload",
        arguments: [
            (0, 0, MQTTVersion.v5, 2 + 2 + 1 + 1), (0, 1, .v5, 2 + 2 + 1 + 2 + 1), (0, 1, .v311, 2 + 2 + 1 + 2),
            (121, 1, .v5, 2 + 127), (122, 1, .v5, 3 + 128), (16_377, 1, .v5, 3 + 16_383), (16_378, 1, .v5, 4 + 16_384),
            (2_097_146, 1, .v5, 5 + 2_097_152),
        ])
    func packetSize(payload: Int, qos: Int, version: MQTTVersion, size: Int) {
        let message = MQTTMessage(topic: "t", payload: [UInt8](repeating: 0, count: payload), qos: qos)
        #expect(message.packetSize(version: version) == size)
    }

    @Test(
        "the answers of a 3.1.1 broker have the numbers of version 5",
        arguments: [(1, 132), (2, 133), (3, 136), (4, 134), (5, 135), (0, 0)])
    func connectCodes(old: Int32, new: UInt8) {
        #expect(ReasonCode.connect(old, version: .v311) == new)
        #expect(ReasonCode.connect(Int32(new), version: .v5) == new)
    }

    @Test(
        "each refusal says what to do",
        arguments: [
            (134, "Check broker.username and the password."), (135, "set broker.username"),
            (132, "Set broker.protocol: 3.1.1."),
            (133, "Set another broker.client_id than \"c\""), (136, "server unavailable (136)"), (200, "reason 200"),
        ])
    func refusals(reason: UInt8, text: String) {
        let settings = BrokerSettings(host: "fd00::1", clientID: "c")
        let why = Disconnection.refused(settings, reason: reason)
        #expect(why.sentence.contains(text))
        #expect(why.sentence.contains("[fd00::1]:1883"))
        #expect(why.isRefusal)
    }

    @Test("times for the poll are rounded up and bounded")
    func pollTimeout() {
        #expect(Duration.milliseconds(1).pollTimeout == 1)
        #expect(Duration.nanoseconds(1).pollTimeout == 1)
        #expect(Duration.seconds(2).pollTimeout == 2000)
        #expect(Duration.seconds(-2).pollTimeout == 0)
        #expect(Duration.seconds(1_000_000_000).pollTimeout == 3_600_000)
    }

    @Test("the keepalive stays within what the protocol takes", arguments: [(0, 5), (60, 60), (100_000, 65_535)])
    func keepalive(wish: Int, got: Int32) {
        let settings = BrokerSettings(host: "h", clientID: "c", keepalive: .seconds(wish))
        #expect(settings.keepaliveSeconds == got)
    }
}
