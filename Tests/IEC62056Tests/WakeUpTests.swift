import IEC62056
import MeterSimulator
import OBIS
import Testing
import Wire

@Suite("Battery meters are woken up")
struct WakeUpTests {
    private typealias Base = ReadoutSessionTests

    private static let heat = LineSettings(baud: 2400)

    private func nul(_ count: Int) -> [UInt8] { Array(repeating: 0, count: count) }

    @Test("NUL for 2.2 s, 1.6 s of pause, request: at each attempt")
    func sequence() {
        let attempt: [SessionAction<Telegram>] = [.setLine(.signOn), .send(nul(66)), Base.sending(66)]
        let request = [
            Step(.drained, [.arm(.milliseconds(1600))]),
            Step(.timer, [.send(Base.request), Base.sending(5)]),
            Step(.drained, [Base.firstByte]),
        ]
        Base().check(
            [Step(.poll, attempt)] + request + [
                Step(.timer, [.reject(WireError(.timeout, "")), Base.quiet]),
                Step(.timer, attempt),
            ] + request + [Step(.received(Sample.bytes(Sample.identification)), [.arm(.milliseconds(250))])],
            settings: .init(retries: 1, wakeUp: .init()))
    }

    @Test("a line of its own holds for the wake-up alone")
    func ownLine() {
        let settings = ReadoutSession.Settings(
            retries: 0, addsParity: true,
            wakeUp: .init(line: Self.heat, duration: .milliseconds(100), pause: .milliseconds(1500)))
        Base().check(
            [
                Step(.poll, [.setLine(Self.heat), .send(nul(24)), Base.sending(24, Self.heat)]),
                Step(.received(nul(24)), []),
                Step(.drained, [.setLine(.signOn), .arm(.milliseconds(1500))]),
                Step(.received([0, 0x7F, 0x41]), [.noise(1)]),
                Step(.timer, [.send(Sample.withParity(Base.request)), Base.sending(5)]),
            ], settings: settings)
    }

    @Test(
        "the time is filled with as many characters as fit, at any rate",
        arguments: [(300, 66), (2400, 528), (9600, 2112), (115_200, 25344)])
    func counts(baud: Int, count: Int) {
        for line in [LineSettings(baud: baud), LineSettings(baud: baud, dataBits: 7, parity: .even)] {
            var session = ReadoutSession(settings: .init(line: line, wakeUp: .init()))
            #expect(session.handle(.poll).contains(.send(nul(count))))
        }
    }

    @Test("no duration makes more than ten seconds of it")
    func bounds() {
        for (duration, count) in [(Duration.seconds(1 << 40), 300), (.seconds(-1 << 40), 0), (.zero, 0)] {
            var session = ReadoutSession(settings: .init(line: nil, wakeUp: .init(duration: duration)))
            #expect(session.handle(.poll).contains(.send(nul(count))))
        }
    }

    @Test("NUL characters that come back late, in part or damaged are no answer")
    func lateEcho() {
        Base().check(
            [
                Step(.poll, [.setLine(.signOn), .send(nul(66)), Base.sending(66)]),
                Step(.received(nul(10)), []),
                Step(.drained, [.arm(.milliseconds(1600))]),
                Step(.received(nul(10)), []),
                Step(.timer, [.send(Base.request), Base.sending(5)]),
                Step(.received(nul(3) + Base.request.prefix(2)), []),
                Step(.received([0, 0] + Base.request.dropFirst(2)), []),
                Step(.drained, [Base.firstByte]),
                Step(.received(nul(3)), [Base.betweenBytes]),
                Step(.received(Sample.bytes(Sample.identification)), [.arm(.milliseconds(250))]),
            ], settings: .init(retries: 0, wakeUp: .init()))
    }

    @Test("a port that never sends the wake-up is given up, and its line set back")
    func stuckPort() {
        Base().check(
            [
                Step(.poll, [.setLine(Self.heat), .send(nul(528)), Base.sending(528, Self.heat)]),
                Step(.timer, [.disarm, .setLine(.signOn), .finished(WireError(.timeout, ""))]),
            ], settings: .init(retries: 0, wakeUp: .init(line: Self.heat)))
    }

    @Test("a link that closes during the wake-up ends the poll, and the next one begins with it")
    func closed() {
        let first = Step(.poll, [.setLine(.signOn), .send(nul(66)), Base.sending(66)])
        let closed = Step(.closed, [.disarm, .finished(WireError(.truncated, ""))])
        let rising = Step(.drained, [.arm(.milliseconds(1600))])
        Base().check(
            [first, closed, Step(.opened, []), first, rising, closed, Step(.timer, []), Step(.opened, []), first],
            settings: .init(wakeUp: .init()))
    }

    @Test("a sleeping meter hears nothing until it is woken up", arguments: [nil, heat])
    func sleeping(line: LineSettings?) {
        let meter = OpticalMeter.Configuration(wakeUp: .init(line: line))
        var unwoken = Conversation(settings: .init(retries: 1), meter: meter)
        unwoken.poll()
        #expect(unwoken.end == .some(.timeout))
        var conversation = Conversation(settings: .init(wakeUp: .init(line: line)), meter: meter)
        for count in 1...3 {
            conversation.poll()
            #expect(conversation.rejected == [])
            #expect(conversation.telegrams.count == count)
        }
        #expect(values(conversation.telegrams.last) == ConversationTests.wanted)
    }

    @Test("a readout that fails wakes the meter again")
    func wokenAgain() {
        var conversation = Conversation(
            settings: .init(wakeUp: .init()), meter: .init(wakeUp: .init()), faults: .init(wrongBlockChecks: 1))
        conversation.poll()
        #expect(conversation.rejected == [.checksum])
        #expect(conversation.telegrams.count == 1)
        #expect(conversation.sent.count { $0 == nul(66) } == 2)
    }

    @Test("too short a wake-up, or a request that comes too late, wakes nobody")
    func tooShort() {
        for wakeUp in [WakeUp(duration: .milliseconds(1200)), WakeUp(pause: .milliseconds(5500))] {
            var conversation = Conversation(
                settings: .init(retries: 0, wakeUp: wakeUp), meter: .init(wakeUp: .init()))
            conversation.poll()
            #expect(conversation.end == .some(.timeout))
        }
    }

    // MARK: What needs a line

    @Test("settings tell why they need a line whose speed can be changed")
    func needsLineChanges() throws {
        let reasons: [(ReadoutSession.Settings, String?)] = [
            (.init(), "19200"), (.init(maximumBaud: 300), nil), (.init(line: nil), nil),
            (.init(line: nil, maximumBaud: 2400), "2400"), (.init(line: Self.heat, maximumBaud: 2400), nil),
            (.init(mode: .a), nil), (.init(line: nil, mode: .b), "mode B"), (.init(line: nil, mode: .c), nil),
            (.init(line: nil, wakeUp: .init()), nil), (.init(line: nil, wakeUp: .init(line: .signOn)), nil),
            (.init(line: nil, wakeUp: .init(line: Self.heat)), "2400 8N1"),
            (.init(line: Self.heat, maximumBaud: 300, wakeUp: .init(line: Self.heat)), nil),
        ]
        for (settings, part) in reasons {
            let reason = settings.needsLineChanges
            #expect((reason == nil) == (part == nil), "\(settings)")
            #expect(reason?.contains(part ?? "") != false, "\(settings)")
        }
    }
}
