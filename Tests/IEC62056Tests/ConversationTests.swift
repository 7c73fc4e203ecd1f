import IEC62056
import MeterSimulator
import OBIS
import Testing
import Wire

/// A session and a simulated meter on one line, with a clock that jumps from event to event. What one side sends at
/// settings that the other does not have arrives as something else.
struct Conversation {
    enum Item {
        case toMeter(UInt8, LineSettings)
        case toSession([UInt8], LineSettings)
        case drained
        case sessionTimer(Int)
        case meterTimer(Int)
        case meterLine(LineSettings)
        case close
    }

    var session: any Session<Telegram>
    var meter: OpticalMeter
    /// So many characters reach the session at once.
    var chunk: Int
    private var agenda: [(time: Duration, Item)] = []
    private var now = Duration.zero
    private var sessionLine = LineSettings.signOn
    private var meterLine = LineSettings.signOn
    private var sessionTimer = 0
    private var meterTimer = 0

    private(set) var sent: [[UInt8]] = []
    /// The rates of the acknowledgements so far.
    var agreed: [Int] {
        sent.compactMap { message -> Int? in
            guard message.count == 6, message[0] == 0x06, case .c(let baud) = SignOnMode(rateCharacter: message[2])
            else { return nil }
            return baud
        }
    }
    private(set) var telegrams: [Telegram] = []
    private(set) var rejected: [WireError.Code] = []
    private(set) var lines: [LineSettings] = []
    private(set) var end: WireError.Code??

    init(
        settings: ReadoutSession.Settings = .init(), meter: OpticalMeter.Configuration = .init(),
        faults: OpticalMeter.Faults = .init(), chunk: Int = 1
    ) {
        self.init(session: ReadoutSession(settings: settings), meter: meter, faults: faults, chunk: chunk)
    }

    init(
        session: any Session<Telegram>, meter: OpticalMeter.Configuration, faults: OpticalMeter.Faults = .init(),
        chunk: Int = 1, binary: OpticalMeter.Binary? = nil
    ) {
        self.session = session
        self.meter = OpticalMeter(configuration: meter, faults: faults, binary: binary) { Self.dataSets }
        meterLine = meter.initialLine
        self.chunk = chunk
    }

    static let dataSets = [
        OpticalMeter.DataSet("F.F", "00"), OpticalMeter.DataSet("0.0.0", "12345678"),
        OpticalMeter.DataSet("1.8.0", "001234.567", unit: "kWh"), OpticalMeter.DataSet("32.7", "231", unit: "V"),
    ]

    /// Runs until the poll has ended and the meter has nothing more to do.
    mutating func poll(_ event: SessionEvent = .poll, closingAfter: Duration? = nil) {
        end = nil
        if let closingAfter { agenda.append((now + closingAfter, .close)) }
        act(session.handle(event))
        var steps = 0
        while let next = agenda.indices.min(by: { agenda[$0].time < agenda[$1].time }), steps < 100_000 {
            steps += 1
            let (time, item) = agenda.remove(at: next)
            now = time
            handle(item)
        }
    }

    private mutating func handle(_ item: Item) {
        switch item {
        case .toMeter(let byte, let line): act(meter.receive([line == meterLine ? byte : byte ^ 0x55]))
        case .toSession(let bytes, let line):
            act(session.handle(.received(line == sessionLine ? bytes : bytes.map { ~$0 })))
        case .drained: act(session.handle(.drained))
        case .sessionTimer(let number): if number == sessionTimer { act(session.handle(.timer)) }
        case .meterTimer(let number): if number == meterTimer { act(meter.timer()) }
        case .meterLine(let line): meterLine = line
        case .close: act(session.handle(.closed))
        }
    }

    private mutating func act(_ actions: [SessionAction<Telegram>]) {
        for action in actions {
            switch action {
            case .send(let bytes):
                sent.append(bytes)
                for (index, byte) in bytes.enumerated() {
                    agenda.append((now + sessionLine.duration(ofCharacters: index + 1), .toMeter(byte, sessionLine)))
                }
                // The port reports a little later than the last bit.
                agenda.append(
                    (now + sessionLine.duration(ofCharacters: bytes.count) + .milliseconds(1), .drained))
            case .setLine(let line):
                sessionLine = line
                lines.append(line)
            case .arm(let duration):
                sessionTimer += 1
                agenda.append((now + duration, .sessionTimer(sessionTimer)))
            case .disarm: sessionTimer += 1
            case .emit(let telegram): telegrams.append(telegram)
            case .reject(let error): rejected.append(error.code)
            case .noise, .keep: continue
            case .finished(let error): end = .some(error?.code)
            }
        }
    }

    private mutating func act(_ actions: [OpticalMeter.Action]) {
        var time = now
        for action in actions {
            switch action {
            case .send(let bytes):
                for start in stride(from: 0, to: bytes.count, by: chunk) {
                    let part = Array(bytes[start..<min(start + chunk, bytes.count)])
                    time += meterLine.duration(ofCharacters: part.count)
                    // What a head echoes is there together with the character itself.
                    let isEcho = bytes.count == 1 && bytes[0] != 0x15
                    agenda.append((isEcho ? now : time, .toSession(part, meterLine)))
                }
            case .setLine(let line): agenda.append((time, .meterLine(line)))
            case .arm(let duration):
                meterTimer += 1
                agenda.append((time + duration, .meterTimer(meterTimer)))
            case .disarm: meterTimer += 1
            }
        }
    }
}

/// The registers of a telegram, one text each.
func values(_ telegram: Telegram?) -> [String] {
    (telegram?.registers ?? []).map { "\($0.code ?? "")(\($0.text ?? ""))\($0.unit?.symbol ?? "")" }
}

@Suite("A session and a simulated meter")
struct ConversationTests {
    static let request = Sample.bytes("/?!\r\n")
    static let wanted = ["F.F(00)", "0.0.0(12345678)", "1.8.0(001234.567)kWh", "32.7(231)V"]

    @Test("a whole readout at the meter's rate, by the byte and in pieces", arguments: [1, 2, 7, 1000])
    func readout(chunk: Int) {
        var conversation = Conversation(chunk: chunk)
        conversation.poll()
        #expect(conversation.end == .some(nil))
        #expect(values(conversation.telegrams.first) == Self.wanted)
        #expect(conversation.telegrams.first?.meter.id == "12345678")
        #expect(conversation.telegrams.first?.meter.manufacturer == "OBI")
        #expect(conversation.sent == [Self.request, Sample.bytes("\u{6}050\r\n")])
        #expect(conversation.lines.map(\.baud) == [300, 9600, 300])
        conversation.poll()
        #expect(conversation.telegrams.count == 2)
    }

    @Test("a head with an echo changes nothing")
    func echo() {
        var conversation = Conversation(faults: .init(echoes: true))
        conversation.poll()
        #expect(conversation.rejected == [])
        #expect(values(conversation.telegrams.first) == Self.wanted)
    }

    @Test(
        "a head that gives back only a part of what it is sent, or something else, changes nothing",
        arguments: [0, 2, 3, 4, 5, 7], [0, 2, 3, 4, 5, 7])
    func badEcho(lost: Int, damaged: Int) {
        var conversation = Conversation(
            faults: .init(echoes: true, echo: .init(lostEvery: lost, damagedEvery: damaged)))
        conversation.poll()
        #expect(conversation.rejected == [])
        #expect(values(conversation.telegrams.first) == Self.wanted)
    }

    @Test("a meter of each mode is read, with and without block check", arguments: [true, false])
    func modes(hasBlockCheck: Bool) {
        for mode in [OpticalMeter.Mode.a, .b, .c] where hasBlockCheck || mode != .c {
            for offered in [300, 600, 4800] {
                var conversation = Conversation(
                    meter: .init(offeredBaud: offered, mode: mode, hasBlockCheck: hasBlockCheck))
                conversation.poll()
                #expect(conversation.rejected == [])
                #expect(values(conversation.telegrams.first) == Self.wanted)
                #expect(conversation.lines.map(\.baud).max() == (mode == .a ? 300 : offered))
                #expect(conversation.agreed == (mode == .c ? [offered] : []))
            }
        }
    }

    @Test(
        "a meter whose identification lies is read when the configuration says its mode",
        arguments: [
            (OpticalMeter.Mode.a, "5", ModeSelection.a, 300), (.b, "4", .b, 4800), (.c, "D", .c, 4800),
            (.a, "A", .a, 300),
        ])
    func fixedModes(_ mode: OpticalMeter.Mode, _ character: String, _ said: ModeSelection, _ baud: Int) {
        let meter = OpticalMeter.Configuration(
            offeredBaud: baud, mode: mode, rateCharacter: character.utf8.first)
        var conversation = Conversation(settings: .init(retries: 0, mode: said), meter: meter)
        conversation.poll()
        #expect(values(conversation.telegrams.first) == Self.wanted)
        #expect(conversation.lines.map(\.baud).max() == baud)
    }

    @Test("each offered rate is used up to the maximum", arguments: [300, 600, 1200, 2400, 4800, 9600, 19200])
    func rates(baud: Int) {
        for maximum in [300, 2400, 19200] {
            var conversation = Conversation(
                settings: .init(maximumBaud: maximum), meter: .init(offeredBaud: baud))
            conversation.poll()
            #expect(values(conversation.telegrams.first) == Self.wanted)
            #expect(conversation.lines.map(\.baud).max() == min(baud, maximum))
        }
    }

    @Test("an address is matched without its leading zeros")
    func address() {
        for (asked, answers) in [("", true), ("1234", true), ("00001234", true), ("1235", false)] {
            var conversation = Conversation(
                settings: .init(address: asked, retries: 0), meter: .init(address: "001234"))
            conversation.poll()
            #expect(conversation.telegrams.count == (answers ? 1 : 0), "\(asked)")
            #expect(conversation.end == .some(answers ? nil : .timeout))
        }
    }

    @Test("a wrong block check is noticed, and the readout tried again")
    func wrongCheck() {
        var conversation = Conversation(faults: .init(wrongBlockChecks: 1))
        conversation.poll()
        #expect(conversation.rejected == [.checksum])
        #expect(values(conversation.telegrams.first) == Self.wanted)
        #expect(conversation.telegrams.count == 1)
        #expect(conversation.end == .some(nil))
    }

    @Test("readouts that stay wrong end the poll with an error, and the next poll is a new one")
    func wrongChecks() {
        var conversation = Conversation(settings: .init(retries: 1), faults: .init(wrongBlockChecks: 2))
        conversation.poll()
        #expect(conversation.rejected == [.checksum])
        #expect(conversation.end == .some(.checksum))
        #expect(conversation.telegrams.isEmpty)
        conversation.poll()
        #expect(conversation.end == .some(nil))
        #expect(conversation.telegrams.count == 1)
    }

    @Test("a silent meter is asked once more for each retry")
    func silence() {
        var conversation = Conversation(settings: .init(retries: 2), faults: .init(isSilent: true))
        conversation.poll()
        #expect(conversation.sent == [Self.request, Self.request, Self.request])
        #expect(conversation.rejected == [.timeout, .timeout])
        #expect(conversation.end == .some(.timeout))
    }

    @Test("a meter that refuses the acknowledgement is given up and understood at the next poll")
    func refusal() {
        var conversation = Conversation(
            settings: .init(maximumBaud: 300, retries: 0), faults: .init(refuses: true))
        conversation.poll()
        #expect(conversation.end == .some(.meterError))
        conversation.meter.faults.refuses = false
        conversation.poll()
        #expect(values(conversation.telegrams.first) == Self.wanted)
    }

    @Test("a line that is set wrongly gives no readout and names the reason")
    func wrongLine() {
        var conversation = Conversation(settings: .init(line: LineSettings(baud: 9600), retries: 0))
        conversation.poll()
        #expect(conversation.telegrams.isEmpty)
        #expect(conversation.end == .some(.timeout))
    }

    @Test("a link that closes at any time ends the poll, and the next one works")
    func closed() {
        for milliseconds in stride(from: 10, through: 2000, by: 97) {
            var conversation = Conversation()
            conversation.poll(closingAfter: .milliseconds(milliseconds))
            let ended = conversation.end
            #expect(ended == .some(.truncated) || conversation.telegrams.count == 1, "at \(milliseconds) ms")
            #expect(conversation.session.handle(.opened) == [])
            conversation.poll()
            #expect(values(conversation.telegrams.last) == Self.wanted, "at \(milliseconds) ms")
        }
    }
}
