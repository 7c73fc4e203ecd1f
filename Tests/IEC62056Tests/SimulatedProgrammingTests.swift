import IEC62056
import MeterSimulator
import OBIS
import Testing
import Wire

@Suite("A session in programming mode and a simulated meter")
struct SimulatedProgrammingTests {
    private static func conversation(
        registers: [String] = ["0.0.0", "1.8.0"], password: String? = "12345678", request: ReadCommand? = nil,
        retries: Int = 1, meter: OpticalMeter.Programming = .init(password: "12345678"),
        faults: OpticalMeter.Faults = .init(), chunk: Int = 1
    ) -> Conversation {
        let settings = ProgrammingSession.Settings(
            signOn: .init(retries: retries), password: password.map { Secret(Array($0.utf8)) }, registers: registers,
            request: request)
        return Conversation(
            session: ProgrammingSession(settings: settings), meter: .init(programming: meter), faults: faults,
            chunk: chunk)
    }

    private static let wanted = ["0.0.0(12345678)", "1.8.0(001234.567)kWh"]

    @Test(
        "registers are read at the meter's rate by each command, by the byte and in pieces",
        arguments: ReadCommand.allCases)
    func registers(request: ReadCommand) {
        for (chunk, leavesOutCode) in [(1, false), (7, true), (1000, false)] {
            var meter = OpticalMeter.Programming(password: "12345678", requests: [request], partialBlock: 5)
            meter.leavesOutCode = leavesOutCode
            var conversation = Self.conversation(request: request, meter: meter, chunk: chunk)
            for _ in 0..<2 {
                conversation.poll()
                #expect(conversation.end == .some(nil) && conversation.rejected.isEmpty)
            }
            #expect(conversation.telegrams.map(values) == [Self.wanted, Self.wanted])
            #expect(conversation.lines.map(\.baud) == [300, 9600, 300, 300, 9600, 300])
        }
    }

    @Test("a head with an echo changes nothing", arguments: [0, 3, 5], [0, 3, 5])
    func echo(lost: Int, damaged: Int) {
        var conversation = Self.conversation(
            faults: .init(echoes: true, echo: .init(lostEvery: lost, damagedEvery: damaged)))
        conversation.poll()
        #expect(values(conversation.telegrams.first) == Self.wanted)
    }

    @Test("NAK and a wrong block check cost a repetition each")
    func repetitions() {
        var conversation = Self.conversation(faults: .init(wrongBlockChecks: 1, naks: 1))
        conversation.poll()
        #expect(values(conversation.telegrams.first) == Self.wanted)
        #expect(conversation.rejected == [.checksum] && conversation.agreed == [9600])
    }

    @Test("an unknown register is missing, and the others are read")
    func unknown() {
        var conversation = Self.conversation(registers: ["0.0.0", "9.8.7", "1.8.0"])
        conversation.poll()
        #expect(values(conversation.telegrams.first) == Self.wanted)
        #expect(conversation.telegrams.first?.warnings.count == 1)
    }

    @Test("a wrong password, and none where one is wanted, end the poll with the meter's error", arguments: ["1", nil])
    func password(_ password: String?) {
        var conversation = Self.conversation(password: password)
        conversation.poll()
        #expect(conversation.telegrams.isEmpty && conversation.end == .some(.meterError))
        #expect(conversation.sent.last == SignOn.breakMessage)
    }

    @Test("a meter without programming mode and a silent one give no telegram")
    func others() {
        let settings = ProgrammingSession.Settings(signOn: .init(retries: 0), registers: ["1.8.0"])
        for faults in [OpticalMeter.Faults(), .init(isSilent: true), .init(refuses: true)] {
            var conversation = Conversation(
                session: ProgrammingSession(settings: settings), meter: .init(), faults: faults)
            conversation.poll()
            #expect(conversation.telegrams.isEmpty && conversation.end != .some(nil))
        }
    }

    @Test("a link that closes at any time ends the poll, and the next one works")
    func closed() {
        for milliseconds in stride(from: 10, through: 4000, by: 130) {
            var conversation = Self.conversation()
            conversation.poll(closingAfter: .milliseconds(milliseconds))
            _ = conversation.session.handle(.opened)
            conversation.poll()
            #expect(values(conversation.telegrams.last) == Self.wanted, "at \(milliseconds) ms")
        }
    }

    // MARK: Load profile

    /// The meter's clock shows 2026-01-15 00:00:00.
    private static let now: Int64 = 1_768_435_200

    @Test(
        "the intervals of the load profile are those that the meter has, by each command",
        arguments: ReadCommand.allCases)
    func profile(request: ReadCommand) {
        var conversation = Self.conversation(request: request, chunk: 1000)
        conversation.poll(.readProfile(ProfileSpan(after: Self.now - 30 * 3600, through: Self.now)))
        #expect(conversation.end == .some(nil))
        let ends = conversation.telegrams.compactMap { $0.intervalEnd?.localSeconds }
        #expect(ends == Array(stride(from: Self.now - 30 * 3600 + 900, through: Self.now, by: 900)))
        for telegram in conversation.telegrams {
            let end = telegram.intervalEnd?.localSeconds ?? 0
            #expect(
                telegram.registers.prefix(2).map(\.value)
                    == (0...1).map { .number(SimulatedProfile.value(end: end, channel: $0)) })
        }
    }

    @Test("a time of which the meter has nothing is no error, and a meter without a profile says so")
    func noProfile() {
        let span = ProfileSpan(after: Self.now - 40 * 86_400, through: Self.now - 39 * 86_400)
        var conversation = Self.conversation()
        conversation.poll(.readProfile(span))
        #expect(conversation.end == .some(nil) && conversation.telegrams.isEmpty)
        var without = Self.conversation(meter: .init(password: "12345678", profile: nil))
        without.poll(.readProfile(span))
        #expect(without.end == .some(.unsupported))
    }

    // MARK: Mode E

    @Test("a meter that offers mode E gives the line to HDLC, eight bits at the agreed rate", arguments: [1, 3])
    func binary(polls: Int) {
        var handover = BinaryHandover(settings: .init(signOn: .init(retries: 0)))
        var meter = OpticalMeter(configuration: .init(), binary: { [$0.reversed()] }) { [] }
        for _ in 0..<polls {
            _ = handover.handle(.poll)
            _ = meter.receive(SignOn.request(address: ""))
            guard case .send(let identification) = meter.timer().first else {
                Issue.record("the meter did not identify itself")
                return
            }
            for event: SessionEvent in [.drained, .received(identification)] { _ = handover.handle(event) }
            guard case .send(let acknowledgement) = handover.handle(.timer).actions.first else {
                Issue.record("the meter was not acknowledged")
                return
            }
            #expect(meter.receive(acknowledgement).first == .setLine(LineSettings(baud: 9600)))
            _ = handover.handle(.drained)
            #expect(handover.handle(.timer).outcome != nil)
            #expect(meter.receive([0x7E, 0x81, 0xFF]) == [.send([0xFF, 0x81, 0x7E]), .arm(OpticalMeter.patience)])
            #expect(meter.timer() == [.setLine(.signOn)])
            _ = handover.release()
        }
    }
}
