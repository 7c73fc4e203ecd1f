import IEC62056
import OBIS
import Testing
import Wire

/// What a session does at one event.
struct Step {
    let event: SessionEvent
    let actions: [SessionAction<Telegram>]

    init(_ event: SessionEvent, _ actions: [SessionAction<Telegram>]) {
        self.event = event
        self.actions = actions
    }
}

@Suite("A conversation, event by event")
struct ReadoutSessionTests {
    static let request = Sample.bytes("/?!\r\n")
    static let fast = LineSettings(baud: 4800, dataBits: 7, parity: .even)
    static let acknowledgement = Sample.bytes("\u{6}040\r\n")
    static let block = Array(Sample.readout.dropFirst(Sample.identification.utf8.count))
    static let telegram = telegrams(Sample.readout)[0]

    static let firstByte = SessionAction<Telegram>.arm(.seconds(2))
    static let betweenBytes = SessionAction<Telegram>.arm(.milliseconds(1500))
    static let quiet = SessionAction<Telegram>.arm(.seconds(2))

    /// The guard timer of a message of `count` characters at 10 bits.
    static func sending(_ count: Int, _ line: LineSettings = .signOn) -> SessionAction<Telegram> {
        .arm(line.duration(ofCharacters: count) + .seconds(2))
    }

    static let signOn = [
        Step(.poll, [.setLine(.signOn), .send(request), sending(5)]),
        Step(.drained, [firstByte]),
    ]

    static let acknowledged =
        signOn + [
            Step(.received(Sample.bytes(Sample.identification)), [.arm(.milliseconds(250))]),
            Step(.timer, [.send(acknowledgement), sending(6)]),
            Step(.drained, [.setLine(fast), firstByte]),
        ]

    static let failed = WireError(.timeout, "")

    func check(
        _ steps: [Step], settings: ReadoutSession.Settings = .init(retries: 0),
        location: SourceLocation = #_sourceLocation
    ) {
        var session = ReadoutSession(settings: settings)
        for (number, step) in steps.enumerated() {
            let actions = session.handle(step.event)
            #expect(actions == step.actions, "step \(number), \(step.event)", sourceLocation: location)
        }
    }

    // MARK: Success

    @Test("sign-on, acknowledgement, change of rate after the last character, readout")
    func readout() {
        check(
            Self.acknowledged + [
                Step(.received(Self.block), [.emit(Self.telegram), .disarm, .setLine(.signOn), .finished(nil)]),
                Step(.poll, [.setLine(.signOn), .send(Self.request), Self.sending(5)]),
            ])
    }

    @Test("the readout byte by byte arms the timer anew at each byte")
    func dripped() {
        let steps = Self.block.dropLast().map { Step(.received([$0]), [Self.betweenBytes]) }
        check(
            Self.acknowledged + steps + [
                Step(
                    .received([Self.block.last ?? 0]),
                    [.emit(Self.telegram), .disarm, .setLine(.signOn), .finished(nil)])
            ])
    }

    @Test("parity bits are taken away, and added where the port cannot")
    func parity() {
        let request = Sample.withParity(Self.request)
        let line = LineSettings(baud: 300)
        var fast = line
        fast.baud = 4800
        check(
            [
                Step(.poll, [.setLine(line), .send(request), Self.sending(5)]),
                Step(.drained, [Self.firstByte]),
                Step(.received(Sample.withParity(Sample.bytes(Sample.identification))), [.arm(.milliseconds(250))]),
                Step(.timer, [.send(Sample.withParity(Self.acknowledgement)), Self.sending(6)]),
                Step(.drained, [.setLine(fast), Self.firstByte]),
                Step(
                    .received(Sample.withParity(Self.block)),
                    [.emit(Self.telegram), .disarm, .setLine(line), .finished(nil)]),
            ], settings: .init(line: line, retries: 0, addsParity: true))
    }

    @Test("an address is asked for, and a rate above the maximum is not agreed to")
    func addressAndMaximum() {
        check(
            [
                Step(.poll, [.setLine(.signOn), .send(Sample.bytes("/?00001234!\r\n")), Self.sending(13)]),
                Step(.drained, [Self.firstByte]),
                Step(.received(Sample.bytes(Sample.identification)), [.arm(.milliseconds(250))]),
                Step(.timer, [.send(Sample.bytes("\u{6}030\r\n")), Self.sending(6)]),
                Step(.drained, [.setLine(LineSettings(baud: 2400, dataBits: 7, parity: .even)), Self.firstByte]),
            ], settings: .init(maximumBaud: 2400, address: "00001234"))
    }

    @Test("a link without a line keeps its rate and asks the meter to")
    func noLine() {
        check(
            [
                Step(.poll, [.send(Self.request), Self.sending(5)]),
                Step(.drained, [Self.firstByte]),
                Step(.received(Sample.bytes(Sample.identification)), [.arm(.milliseconds(250))]),
                Step(.timer, [.send(Sample.bytes("\u{6}000\r\n")), Self.sending(6)]),
                Step(.drained, [Self.firstByte]),
                Step(.received(Self.block), [.emit(Self.telegram), .disarm, .finished(nil)]),
            ], settings: .init(line: nil))
    }

    @Test("a lower-case third letter allows a short pause")
    func fastReaction() {
        check(Self.signOn + [Step(.received(Sample.bytes("/ISk5MT174\r\n")), [.arm(.milliseconds(40))])])
    }

    @Test("a meter of mode B changes its rate without an acknowledgement")
    func modeB() {
        let line = "/ABCDmeter\r\n"
        let telegram = telegrams(Sample.bytes(line) + Self.block)[0]
        check(
            Self.signOn + [
                Step(.received(Sample.bytes(line)), [.setLine(Self.fast), Self.firstByte]),
                Step(.received(Self.block), [.emit(telegram), .disarm, .setLine(.signOn), .finished(nil)]),
            ])
    }

    @Test("the rate of mode B holds from the last character of the identification, or a little later without it")
    func modeBLineFeed() {
        let line = "/ABCDmeter\r"
        for event in [SessionEvent.received([0x0A]), .timer] {
            check(
                Self.signOn + [
                    Step(.received(Sample.bytes(line)), [.arm(.milliseconds(70))]),
                    Step(event, [.setLine(Self.fast), Self.firstByte]),
                ])
        }
    }

    @Test("a meter of mode A goes on at once, without a block check too")
    func modeA() {
        let line = "/ABC meter\r\n"
        let telegram = telegrams(Sample.bytes(line) + Self.block)[0]
        let lines = Sample.bytes(Sample.text(Sample.lines) + "!\r\n")
        check(
            Self.signOn + [
                Step(.received(Sample.bytes(line)), [Self.firstByte]),
                Step(.received(lines), [.emit(telegram), .disarm, .finished(nil)]),
            ])
        check(
            Self.signOn + [
                Step(
                    .received(Sample.bytes(line) + lines),
                    [Self.firstByte, .emit(telegram), .disarm, .finished(nil)])
            ])
    }

    @Test(
        "the configuration says the mode of a meter whose baud rate character means something else",
        arguments: [
            (ModeSelection.a, "5", nil), (.a, "C", nil), (.b, "D", 4800), (.b, "4", 4800), (.b, "x", nil),
            (.automatic, "x", nil), (.automatic, "D", 4800),
        ] as [(ModeSelection, String, Int?)])
    func withoutAcknowledgement(_ mode: ModeSelection, _ character: String, _ baud: Int?) {
        let change = baud.map { [SessionAction<Telegram>.setLine(.init(baud: $0, dataBits: 7, parity: .even))] } ?? []
        check(
            Self.signOn + [Step(.received(Sample.bytes("/ABC\(character)meter\r\n")), change + [Self.firstByte])],
            settings: .init(retries: 0, mode: mode))
    }

    @Test(
        "with mode C by configuration every meter is acknowledged",
        arguments: [("5", "5"), ("C", "3"), (" ", "0"), ("9", "0")])
    func alwaysAcknowledged(_ character: String, _ rate: String) {
        check(
            Self.signOn + [
                Step(.received(Sample.bytes("/ABC\(character)meter\r\n")), [.arm(.milliseconds(250))]),
                Step(.timer, [.send(Sample.bytes("\u{6}0\(rate)0\r\n")), Self.sending(6)]),
            ], settings: .init(retries: 0, mode: .c))
    }

    @Test("the noise of a head before the identification is skipped")
    func noiseBefore() {
        check(
            Self.signOn + [
                Step(.received([0xFF, 0x00, 0x2F] + Sample.bytes(Sample.identification)), [.arm(.milliseconds(250))])
            ])
    }

    @Test("an identification with a wrong parity bit is none")
    func damagedIdentification() {
        var bytes = Sample.withParity(Sample.bytes(Sample.identification))
        // The 6 of its version becomes a 7 that lacks its bit.
        bytes[bytes.count - 3] ^= 0x01
        check(
            Self.signOn + [
                Step(.received(bytes), [Self.betweenBytes]),
                Step(.timer, [.disarm, .finished(WireError(.framing, ""))]),
            ])
    }

    // MARK: Failure

    @Test("no answer ends the poll with a time-out")
    func silence() {
        check(Self.signOn + [Step(.timer, [.disarm, .finished(WireError(.timeout, ""))])])
    }

    @Test("silence says whether at least the echo came")
    func silenceMessages() throws {
        for (bytes, word) in [([], "no meter"), (Self.request, "echo")] as [([UInt8], String)] {
            var session = ReadoutSession(settings: .init(retries: 0))
            _ = session.handle(.poll)
            _ = session.handle(.received(bytes))
            _ = session.handle(.drained)
            guard case .finished(let error?) = session.handle(.timer).last else {
                Issue.record("the poll did not end")
                continue
            }
            #expect(error.message.contains(word))
        }
    }

    @Test("garbage instead of an identification names the line settings")
    func garbage() {
        check(
            Self.signOn + [
                Step(.received([0x99, 0xB3, 0x41]), [Self.betweenBytes]),
                Step(.timer, [.disarm, .finished(WireError(.framing, ""))]),
            ])
    }

    @Test("endless garbage is cut off")
    func endlessGarbage() {
        check(
            Self.signOn + [
                Step(
                    .received(Array(repeating: 0x55, count: Limits.readoutLine + 1)),
                    [.disarm, .finished(WireError(.framing, ""))])
            ])
    }

    @Test("NAK to the request or to the acknowledgement is the meter's refusal")
    func refusal() {
        let refused = WireError(.meterError, "")
        check(Self.signOn + [Step(.received([0x15]), [.disarm, .finished(refused)])])
        check(Self.acknowledged + [Step(.received([0x95]), [.disarm, .setLine(.signOn), .finished(refused)])])
    }

    @Test("silence after the acknowledgement sends a break and returns to the line of the sign-on")
    func silenceAfterAcknowledgement() {
        check(
            Self.acknowledged + [
                Step(.timer, [.send(SignOn.breakMessage), Self.sending(5, Self.fast)]),
                Step(.drained, [.disarm, .setLine(.signOn), .finished(WireError(.timeout, ""))]),
            ])
    }

    @Test("a readout that stops in the middle sends a break and is tried again after a quiet while")
    func stopsInTheMiddle() {
        check(
            Self.acknowledged + [
                Step(.received(Array(Self.block.prefix(50))), [Self.betweenBytes]),
                Step(.timer, [.send(SignOn.breakMessage), Self.sending(5, Self.fast)]),
                Step(.drained, [.reject(WireError(.truncated, "")), .setLine(.signOn), Self.quiet]),
                Step(.received([0x41, 0x42]), [.noise(2), Self.quiet]),
                Step(.timer, Self.signOn[0].actions),
            ] + Self.acknowledged.dropFirst().dropLast(2) + [
                Step(.timer, [.send(Sample.bytes("\u{6}030\r\n")), Self.sending(6)]),
                Step(.drained, [.setLine(.modeD), Self.firstByte]),
                Step(.received(Self.block), [.emit(Self.telegram), .disarm, .setLine(.signOn), .finished(nil)]),
            ], settings: .init(retries: 1))
    }

    @Test("a wrong block check is tried again without a break, and then given up")
    func wrongCheck() {
        var bad = Self.block
        bad[bad.count - 1] ^= 1
        let checksum = WireError(.checksum, "")
        check(
            Self.acknowledged + [
                Step(.received(bad), [.reject(checksum), .setLine(.signOn), Self.quiet]),
                Step(.timer, Self.signOn[0].actions),
            ] + Self.acknowledged.dropFirst() + [
                Step(.received(bad), [.disarm, .setLine(.signOn), .finished(checksum)])
            ], settings: .init(retries: 1))
    }

    @Test("a readout of mode C without its block check is not believed")
    func lostBlockStart() {
        let lost = Array(Self.block.dropFirst())
        check(
            Self.acknowledged + [
                Step(.received(lost), [.send(SignOn.breakMessage), Self.sending(5, Self.fast)]),
                Step(.timer, [.disarm, .setLine(.signOn), .finished(WireError(.framing, ""))]),
            ])
    }

    @Test("an error message of the meter ends the poll")
    func meterError() {
        check(
            Self.acknowledged + [
                Step(
                    .received(Sample.block("(ER12)")),
                    [.disarm, .setLine(.signOn), .finished(WireError(.meterError, ""))])
            ])
    }

    @Test("a password request is no readout")
    func passwordRequest() {
        check(
            Self.acknowledged + [
                Step(
                    .received([0x01] + Sample.bytes("P0\u{2}(1234567)\u{3}P")),
                    [.send(SignOn.breakMessage), Self.sending(5, Self.fast)]),
                Step(.drained, [.disarm, .setLine(.signOn), .finished(WireError(.unsupported, ""))]),
            ])
    }

    @Test("a mode B rate above the maximum, or on a link without a line, is refused")
    func modeBTooFast() {
        check(
            [
                Step(.poll, [.send(Self.request), Self.sending(5)]),
                Step(.received(Sample.bytes("/ABCAmeter\r\n")), [.disarm, .finished(WireError(.unsupported, ""))]),
            ], settings: .init(line: nil, retries: 0))
        check(
            Self.signOn + [
                Step(.received(Sample.bytes("/ABCFmeter\r\n")), [.disarm, .finished(WireError(.unsupported, ""))])
            ], settings: .init(maximumBaud: 9600, retries: 0))
    }

    @Test("a port that never sends is given up")
    func stuckPort() {
        check([Self.signOn[0], Step(.timer, [.disarm, .finished(WireError(.timeout, ""))])])
        check(
            Array(Self.acknowledged.dropLast()) + [
                Step(.timer, [.disarm, .finished(WireError(.timeout, ""))])
            ])
    }

    @Test("a meter that never falls silent is not waited for longer than for a readout")
    func babbling() {
        let babble = Array(repeating: UInt8(0x55), count: Limits.readout)
        check(
            Self.signOn + [
                Step(.timer, [.reject(WireError(.timeout, "")), Self.quiet]),
                Step(.received(babble), [.noise(babble.count), Self.quiet]),
                Step(.received([0x55]), [.noise(1)] + Self.signOn[0].actions),
            ], settings: .init(retries: 1))
    }

    @Test("a link that closes ends the conversation, wherever it is; one that opens starts afresh")
    func closed() {
        let closed = Step(.closed, [.disarm, .finished(WireError(.truncated, ""))])
        for count in 1...Self.acknowledged.count {
            check(
                Self.acknowledged.prefix(count) + [closed, Step(.closed, []), Step(.timer, []), Step(.opened, [])]
                    + Self.signOn)
        }
        check([Step(.closed, []), Step(.opened, []), Step(.drained, []), Step(.timer, [])])
        check(Self.acknowledged + [Step(.opened, [])] + Self.signOn)
    }

    @Test("a poll during a conversation changes nothing, and bytes without one are noise")
    func outOfTurn() {
        check([Step(.received([0x41, 0x0D]), [.noise(1)]), Step(.received([0x0A]), [])])
        check(Self.signOn + [Step(.poll, [])])
    }

    @Test(
        "an address is letters, digits and blanks, at most 32 of them",
        arguments: [("", true), ("00123ab C", true), ("a!b", false), ("1/2", false), ("é", false)])
    func addresses(_ address: String, _ isValid: Bool) {
        #expect(SignOn.isValid(address: address) == isValid)
        #expect(!SignOn.isValid(address: address + String(repeating: "1", count: 33)))
    }

    @Test(
        "the baud rate character tells the mode",
        arguments: [
            ("0", SignOnMode.c(baud: 300)), ("6", .c(baud: 19200)), ("A", .b(baud: 600)), ("F", .b(baud: 19200)),
            (" ", .a), ("9", .a), ("G", .a),
        ])
    func modes(_ character: String, _ mode: SignOnMode) {
        #expect(SignOnMode(rateCharacter: character.utf8.first ?? 0) == mode)
    }
}
