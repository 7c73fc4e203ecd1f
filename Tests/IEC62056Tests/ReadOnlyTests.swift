import IEC62056
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Nothing is written to a meter")
struct ReadOnlyTests {
    /// What may ever be sent, by the shape of the whole message.
    static func isAllowed(_ message: [UInt8]) -> Bool {
        let message = message.map(Parity.stripped)
        switch message.first {
        case UInt8(ascii: "/"): return isRequest(message)
        case 0x06: return message.count == 1 || isAcknowledgement(message)
        case 0x15: return message.count == 1
        case 0x01: return message == SignOn.breakMessage || isCommand(message)
        default: return message.allSatisfy { $0 == 0 }
        }
    }

    private static func isRequest(_ message: [UInt8]) -> Bool {
        message.starts(with: Array("/?".utf8)) && message.suffix(3) == Array("!\r\n".utf8)[...]
            && message.dropFirst(2).dropLast(3).allSatisfy { $0 != 0x21 && $0 >= 0x20 }
    }

    private static func isAcknowledgement(_ message: [UInt8]) -> Bool {
        message.count == 6 && [UInt8(ascii: "0"), UInt8(ascii: "1")].contains(message[3])
            && message[1] == UInt8(ascii: "0")
            && message.suffix(2) == [0x0D, 0x0A]
    }

    /// One command alone: no other control character is hidden in it.
    private static func isCommand(_ message: [UInt8]) -> Bool {
        guard message.count > 7, message[3] == 0x02, message[message.count - 2] == 0x03 else { return false }
        let name = String(decoding: message[1...2], as: UTF8.self)
        let data = message[4..<(message.count - 2)]
        return ["P1", "R1", "R2", "R5", "R6"].contains(name) && data.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
            && data.last == UInt8(ascii: ")") && data.count { $0 == UInt8(ascii: "(") } == 1
            && message.dropFirst().dropLast().reduce(0) { $0 ^ $1 } == message.last
    }

    @Test("the shapes refuse every command that writes, executes or sends another password")
    func shapes() {
        for command in ["W1", "W2", "W5", "E2", "P2", "R3", "R4", "P0"] {
            #expect(!Self.isAllowed(ScriptedMeter.command(command, "1.8.0(0)")))
        }
        #expect(!Self.isAllowed(ScriptedMeter.command("R1", "1.8.0()\u{3}x\u{1}W1\u{2}1.8.0()")))
        #expect(Self.isAllowed(ScriptedMeter.command("R5", "1.8.0()")))
        #expect(Self.isAllowed(ScriptedMeter.command("P1", "(0)")))
    }

    /// Settings of a hostile author: codes that would smuggle a command in.
    private static func settings(_ random: inout SeededGenerator) -> ProgrammingSession.Settings {
        let codes = ["1.8.0", "\u{3}\u{1}W1\u{2}", "1.8.0(1)", "a/?!\r\n", String(repeating: "1", count: 100), ""]
        let passwords = ["12345678", "1)\u{3}x", ""]
        return ProgrammingSession.Settings(
            signOn: .init(
                address: ["", "12", "!\r\n\u{1}W1"].randomElement(using: &random) ?? "",
                retries: Int.random(in: 0...2, using: &random),
                addsParity: Bool.random(using: &random), wakeUp: Bool.random(using: &random) ? WakeUp() : nil),
            password: Bool.random(using: &random)
                ? Secret(Array((passwords.randomElement(using: &random) ?? "").utf8)) : nil,
            registers: (0..<Int.random(in: 0...3, using: &random)).compactMap { _ in codes.randomElement(using: &random)
            },
            request: ReadCommand.allCases.randomElement(using: &random),
            profile: codes.randomElement(using: &random))
    }

    private static let answers: [[UInt8]] = [
        Sample.bytes("/ABC5METER\r\n"), Sample.bytes("/ABCDx\r\n"), ProgrammingSessionTests.operand, [0x06], [0x15],
        Sample.block("1.8.0(1*kWh)"), Sample.block("1.8.0(1*k", end: 0x04), Sample.block("(ER01)"), SignOn.breakMessage,
        ScriptedMeter.command("W1", "1.8.0(0)"), [0x02, 0x31], [0x01], [0xFF, 0x00],
    ]

    private static func event(_ random: inout SeededGenerator) -> SessionEvent {
        switch Int.random(in: 0..<16, using: &random) {
        case 0: .poll
        case 1:
            .readProfile(
                ProfileSpan(
                    after: .random(in: -4_000_000_000...4_000_000_000, using: &random),
                    through: .random(in: -4_000_000_000...4_000_000_000, using: &random)))
        case 2: [.opened, .closed, .boundary, .kept(true), .recalled([1])].randomElement(using: &random) ?? .opened
        case 3...6: .timer
        case 7...10: .drained
        default: .received(answers.randomElement(using: &random) ?? [])
        }
    }

    /// What a good meter and a good port would do next.
    private static func goodEvent(after actions: [SessionAction<Telegram>]) -> [SessionEvent] {
        let meter = ProgrammingSessionTests.meter()
        let sent = actions.compactMap { action -> [UInt8]? in
            if case .send(let bytes) = action { bytes.map(Parity.stripped) } else { nil }
        }
        guard let message = sent.last else { return [] }
        let text = ScriptedMeter.text(message)
        let isReading = ["R1", "R2", "R5", "R6"].contains(String(text.prefix(2)))
        let answer = text.hasPrefix("/?") ? meter.answers("/?!") : text.hasPrefix("P1") ? [0x06] : meter.answers(text)
        guard let bytes = answer ?? (isReading ? Sample.block("(1*kWh)") : nil) else { return [.drained] }
        return [.drained, .received(bytes)]
    }

    @Test("whatever happens in whatever order, only requests, readings, acknowledgements and breaks are sent")
    func anyOrder() {
        var random = SeededGenerator(seed: 62056)
        var kinds: Set<String> = []
        for _ in 0..<400 {
            var session = ProgrammingSession(settings: Self.settings(&random))
            var events: [SessionEvent] = [.poll]
            for _ in 0..<200 {
                let isOdd = Int.random(in: 0..<8, using: &random) == 0
                let event = isOdd || events.isEmpty ? Self.event(&random) : events.removeFirst()
                let actions = session.handle(event)
                for case .send(let message) in actions {
                    #expect(Self.isAllowed(message), "\(message)")
                    kinds.insert(String(ScriptedMeter.text(message.map(Parity.stripped)).prefix(2)))
                }
                let next = Self.goodEvent(after: actions)
                events = next.isEmpty ? (events.isEmpty ? [.timer] : events) : next
            }
        }
        // The sequences went far enough to mean something.
        #expect(kinds.isSuperset(of: ["/?", "AC", "P1", "R1", "R2", "R5", "R6", "B0", "NA"]), "\(kinds)")
    }
}
