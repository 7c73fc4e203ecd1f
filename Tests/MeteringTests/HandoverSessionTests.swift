import IEC62056
import Metering
import OBIS
import Testing
import Wire

/// A session that speaks its own language: it says what it is given.
private struct Inner: Session {
    mutating func handle(_ event: SessionEvent) -> [SessionAction<Telegram>] {
        switch event {
        case .poll: [.send([0x7E]), .arm(.seconds(1))]
        case .readProfile: [.send([0x7D])]
        case .received(let bytes) where bytes == [0x7E]: [.emit(Telegram(warnings: ["done"])), .disarm, .finished(nil)]
        case .received(let bytes): [.noise(bytes.count)]
        case .timer: [.finished(WireError(.timeout, "the inner one"))]
        case .closed: [.disarm, .finished(WireError(.truncated, ""))]
        case .recalled(let bytes): [.keep(bytes)]
        case .kept: [.send([0x01])]
        case .opened, .boundary, .drained: []
        }
    }
}

@Suite("An optical port that is handed over to HDLC")
struct HandoverSessionTests {
    private static func session() -> HandoverSession {
        HandoverSession(settings: .init(signOn: .init(retries: 0)), inner: Inner())
    }

    private static let signOn: [SessionEvent] = [
        .drained, .received(Array("/ABC5\\2METER\r\n".utf8)), .timer, .drained,
    ]

    /// What the last of the events leads to.
    private func actions(_ events: [SessionEvent]) -> [SessionAction<Telegram>] {
        var session = Self.session()
        var actions: [SessionAction<Telegram>] = []
        for event in events { actions = session.handle(event) }
        return actions
    }

    private static let span = SessionEvent.readProfile(ProfileSpan(after: 0, through: 900))

    @Test("the inner session is asked for what was wanted when the meter has been led into mode E")
    func inner() {
        for (event, message) in [(SessionEvent.poll, UInt8(0x7E)), (Self.span, 0x7D)] {
            #expect(actions([.opened, event]).contains(.send(Array("/?!\r\n".utf8))))
            #expect(actions([event] + Self.signOn).first == .setLine(LineSettings(baud: 9600)))
            #expect(actions([event] + Self.signOn + [.timer]).contains(.send([message])))
        }
    }

    @Test("when the inner session has finished the line returns, and the next poll signs on again")
    func end() {
        let whole: [SessionEvent] = [.poll] + Self.signOn + [.timer, .received([0x7E])]
        #expect(
            actions(whole) == [.emit(Telegram(warnings: ["done"])), .disarm, .setLine(.signOn), .finished(nil)])
        #expect(actions(whole + [.poll]).contains(.send(Array("/?!\r\n".utf8))))
        let late: [SessionEvent] = [.poll] + Self.signOn + [.timer, .timer]
        #expect(actions(late) == [.setLine(.signOn), .finished(WireError(.timeout, ""))])
    }

    @Test("a sign-on that fails ends the poll, and the inner session hears nothing")
    func failure() {
        let plain: [SessionEvent] = [.poll, .drained, .received(Array("/ABC5METER\r\n".utf8))]
        #expect(actions(plain) == [.disarm, .finished(WireError(.unsupported, ""))])
        #expect(actions([.poll, .drained, .timer]) == [.disarm, .finished(WireError(.timeout, ""))])
    }

    @Test("what is kept goes through at any time")
    func kept() {
        for before in [[], [.poll], [.poll] + Self.signOn + [.timer]] as [[SessionEvent]] {
            #expect(actions(before + [.recalled([7])]) == [.keep([7])])
            #expect(actions(before + [.kept(true)]) == [.send([1])])
        }
    }

    @Test("a link that closes ends the conversation once, wherever it is, and the next one begins with the sign-on")
    func closed() {
        let whole: [SessionEvent] = [.poll] + Self.signOn + [.timer]
        for count in 1...whole.count {
            let before = Array(whole.prefix(count))
            let ends = actions(before + [.closed]).count { $0 == .finished(WireError(.truncated, "")) }
            #expect(ends == 1, "after \(count) events")
            let after = actions(before + [.closed, .opened, .poll])
            #expect(after.contains(.send(Array("/?!\r\n".utf8))), "after \(count) events")
        }
    }

    @Test("a poll in the middle changes nothing in the sign-on")
    func outOfTurn() {
        #expect(actions([.poll, .poll]) == [])
        #expect(actions([.received([0x41])]) == [.noise(1)])
    }
}
