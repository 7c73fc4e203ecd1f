import IEC62056
import OBIS
import Testing
import Wire

@Suite("The way into mode E")
struct BinaryHandoverTests {
    private static let identification = Sample.bytes("/ABC5\\2METER\r\n")
    private static let acknowledgement = Sample.bytes("\u{6}252\r\n")
    private static let ready = BinaryHandover.Outcome.ready(
        MeterIdentity(manufacturer: "ABC", version: "METER"), LineSettings(baud: 9600))

    /// Feeds the events, and gives the outcome of the last.
    private func outcome(
        _ events: [SessionEvent], settings: BinaryHandover.Settings = .init(signOn: .init(retries: 0))
    ) -> (outcome: BinaryHandover.Outcome?, actions: [SessionAction<Telegram>]) {
        var handover = BinaryHandover(settings: settings)
        var result: BinaryHandover.Outcome?
        var actions: [SessionAction<Telegram>] = []
        for event in events { (actions, result) = handover.handle(event) }
        return (result, actions)
    }

    private static let acknowledged: [SessionEvent] = [
        .poll, .drained, .received(identification), .timer, .drained,
    ]

    @Test("sign-on, acknowledgement of mode E, and then the line is 8N1 at the agreed rate")
    func handover() {
        let (none, sent) = outcome(Array(Self.acknowledged.dropLast()))
        #expect(none == nil && sent.first == .send(Self.acknowledgement))
        #expect(outcome(Self.acknowledged).actions == [.setLine(LineSettings(baud: 9600)), .arm(.milliseconds(500))])
        let (end, actions) = outcome(Self.acknowledged + [.timer])
        #expect(end == Self.ready && actions == [.disarm])
    }

    @Test(
        "a confirmation is tolerated, whole, as garbage and in pieces",
        arguments: [acknowledgement, Sample.withParity(acknowledgement), [0xF3, 0x99, 0x00]])
    func confirmation(_ bytes: [UInt8]) {
        let pieces = bytes.map { SessionEvent.received([$0]) }
        #expect(outcome(Self.acknowledged + pieces).actions == [.arm(.milliseconds(250))])
        #expect(outcome(Self.acknowledged + pieces + [.timer]).outcome == Self.ready)
        #expect(outcome(Self.acknowledged + [.received(bytes), .timer]).outcome == Self.ready)
    }

    @Test("the echo of the acknowledgement is none")
    func echo() {
        let events = Array(Self.acknowledged.dropLast()) + [.received(Self.acknowledgement), .drained, .timer]
        #expect(outcome(events).outcome == Self.ready)
    }

    @Test("a meter that does not offer mode E is not acknowledged, unless the configuration wants it")
    func offered() {
        let plain: [SessionEvent] = [.poll, .drained, .received(Sample.bytes("/ABC5METER\r\n"))]
        let (end, actions) = outcome(plain, settings: .init(signOn: .init(retries: 2)))
        #expect(
            end == .failed(WireError(.unsupported, ""))
                && !actions.contains { if case .send = $0 { true } else { false } })
        let anyway = BinaryHandover.Settings(signOn: .init(retries: 0), asksAnyway: true)
        #expect(outcome(plain + [.timer], settings: anyway).actions.first == .send(Self.acknowledgement))
    }

    @Test("without a line the meter is asked to keep its rate")
    func noLine() {
        let settings = BinaryHandover.Settings(signOn: .init(line: nil, retries: 0))
        let (end, _) = outcome(Self.acknowledged + [.timer], settings: settings)
        #expect(end == .ready(MeterIdentity(manufacturer: "ABC", version: "METER"), nil))
        #expect(
            outcome(Array(Self.acknowledged.dropLast()), settings: settings).actions.first
                == .send(Sample.bytes("\u{6}202\r\n")))
    }

    @Test("NAK, a meter that goes on talking, silence and a closed link are failures")
    func failures() {
        #expect(outcome(Self.acknowledged + [.received([0x15])]).outcome == .failed(WireError(.meterError, "")))
        let babble = Array(repeating: UInt8(0x41), count: 65)
        #expect(outcome(Self.acknowledged + [.received(babble)]).outcome == .failed(WireError(.framing, "")))
        #expect(outcome([.poll, .drained, .timer]).outcome == .failed(WireError(.timeout, "")))
        #expect(outcome(Self.acknowledged + [.closed]).outcome == .failed(WireError(.truncated, "")))
    }

    @Test("afterwards the line goes back to the sign-on's")
    func release() {
        var handover = BinaryHandover(settings: .init(signOn: .init(retries: 0)))
        for event in Self.acknowledged + [.timer] { _ = handover.handle(event) }
        #expect(handover.release() == [.setLine(.signOn)])
        #expect(handover.release() == [])
        #expect(handover.handle(.poll).actions.first == .setLine(.signOn))
    }
}
