import IEC62056
import OBIS
import Testing
import Wire

@Suite("Heads that give back what they are sent")
struct EchoTests {
    private typealias Base = ReadoutSessionTests

    private func check(_ steps: [Step], settings: ReadoutSession.Settings = .init(retries: 0)) {
        Base().check(steps, settings: settings)
    }

    private static let toPause = SessionAction<Telegram>.arm(.milliseconds(250))
    private static let end = Step(
        .received(Base.block), [.emit(Base.telegram), .disarm, .setLine(.signOn), .finished(nil)])

    @Test("the echo of both messages is taken away, in pieces too")
    func pieces() {
        check(
            [
                Base.signOn[0],
                Step(.received(Array(Base.request.prefix(3))), []),
                Step(.received(Array(Base.request.dropFirst(3))), []),
                Base.signOn[1],
                Step(.received(Sample.bytes("/LG")), [Base.betweenBytes]),
                Step(.received(Array(Sample.bytes(Sample.identification)[3...])), [Self.toPause]),
                Step(.timer, [.send(Base.acknowledgement), Base.sending(6)]),
                Step(.received(Base.acknowledgement), []),
                Step(.drained, [.setLine(Base.fast), Base.firstByte]),
                Self.end,
            ])
    }

    @Test("an echo with parity bits is one")
    func parity() {
        check(
            [Base.signOn[0]] + Sample.withParity(Base.request).map { Step(.received([$0]), []) } + [
                Base.signOn[1],
                Step(.received(Sample.withParity(Sample.bytes(Sample.identification))), [Self.toPause]),
            ])
    }

    @Test("an identification that begins like an echo is not taken for one")
    func noEcho() {
        check(
            Base.signOn + [
                Step(.received(Sample.bytes("/")), []),
                Step(.received(Sample.bytes("LGZ4x\r\n")), [Self.toPause]),
            ])
        check(
            [
                Step(.poll, [.setLine(.signOn), .send(Sample.bytes("/?LGZ4!\r\n")), Base.sending(9)]), Base.signOn[1],
                Step(.received(Sample.bytes("/LGZ4\r\n")), [Self.toPause]),
            ], settings: .init(address: "LGZ4", retries: 0))
    }

    @Test(
        "a request that comes back only in part, damaged or among filling leaves the identification to be found",
        arguments: [
            "/?", "?!\r\n", "!\r\n", "/?!", "/\u{0}?!\u{7F}\r\n", "\u{0}\u{0}\u{0}/?!\r\n", "/x!\r\n", "/?!\r\n/?!\r\n",
            "x?!\r\n", "/?!x\n", "\n",
        ])
    func badRequest(_ echo: String) {
        for isAtOnce in [true, false] {
            var session = ReadoutSession(settings: .init(retries: 0))
            _ = session.handle(.poll)
            let bytes = Sample.bytes(echo + Sample.identification)
            var actions: [SessionAction<Telegram>] = []
            for chunk in isAtOnce ? [bytes] : bytes.map({ [$0] }) where !actions.contains(Self.toPause) {
                actions = session.handle(.received(chunk))
            }
            #expect(actions == [Self.toPause])
        }
    }

    @Test("an echo without its beginning is known for one", arguments: ["/?!\r\n", "?!\r\n", "!\r\n", "/?!"])
    func tail(_ echo: String) throws {
        var session = ReadoutSession(settings: .init(retries: 0))
        _ = session.handle(.poll)
        for byte in Sample.bytes(echo) { #expect(session.handle(.received([byte])) == []) }
        _ = session.handle(.drained)
        guard case .finished(let error?) = session.handle(.timer).last else {
            Issue.record("the poll did not end")
            return
        }
        #expect(error.code == .timeout && error.message.contains("echo"))
    }

    @Test(
        "an acknowledgement that comes back only in part, damaged or late costs nothing",
        arguments: [
            "\u{6}04", "40\r\n", "\r\n", "\u{6}0x0\r\n", "x040\r\n", "\u{6}00\r\n", "\u{6}040\n", "\u{0}\u{6}040\r\n",
            "\u{6}040\r\n\u{6}040\r\n", "xxxx\r\nyy\n", "\u{6}04!\r\n",
        ])
    func badAcknowledgement(_ echo: String) {
        for isLate in [true, false] {
            var session = ReadoutSession(settings: .init(retries: 0))
            for step in Base.acknowledged.dropLast() { _ = session.handle(step.event) }
            if !isLate { _ = session.handle(.received(Sample.bytes(echo))) }
            _ = session.handle(.drained)
            if isLate { _ = session.handle(.received(Sample.bytes(echo))) }
            #expect(session.handle(.received(Base.block)).contains(.emit(Base.telegram)), "late: \(isLate)")
        }
    }

    @Test("the echo of a break is no noise")
    func breaking() {
        check(
            Base.acknowledged + [
                Step(.timer, [.send(SignOn.breakMessage), Base.sending(5, Base.fast)]),
                Step(.received(Array(SignOn.breakMessage.prefix(2))), []),
                Step(.drained, [.reject(WireError(.timeout, "")), .setLine(.signOn), Base.quiet]),
                Step(.received(Array(SignOn.breakMessage.dropFirst(2))), [Base.quiet]),
            ], settings: .init(retries: 1))
    }
}
