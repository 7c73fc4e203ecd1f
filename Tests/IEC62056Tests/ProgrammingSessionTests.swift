import IEC62056
import OBIS
import TestSupport
import Testing
import Wire

@Suite("A conversation in programming mode")
struct ProgrammingSessionTests {
    static let operand = ScriptedMeter.command("P0", "(00000000)")
    static let password = Secret(Array("12345678".utf8))

    /// A meter with registers and the password 12345678.
    static func meter(_ extra: [String: [UInt8]] = [:], echoes: Bool = false) -> ScriptedMeter {
        var table: [String: [UInt8]] = [
            "/?!": Sample.bytes("/ABC5METER\r\n"), "ACK 051": operand, "P1 (12345678)": [0x06],
            "R1 0.0.0()": Sample.block("0.0.0(87654321)"), "R1 1.8.0()": Sample.block("1.8.0(000123.4*kWh)"),
            "R1 2.8.0()": Sample.block("(000007.80*kWh)"),
        ]
        table.merge(extra) { $1 }
        return ScriptedMeter(answers: { [table] in table[$0] }, echoes: echoes)
    }

    static func session(
        _ registers: [String] = ["0.0.0", "1.8.0", "2.8.0"], password: Secret? = password, request: ReadCommand? = nil,
        retries: Int = 0, line: LineSettings? = .signOn, profile: String? = "P.01"
    ) -> ProgrammingSession {
        ProgrammingSession(
            settings: .init(
                signOn: .init(line: line, retries: retries), password: password, registers: registers, request: request,
                profile: profile))
    }

    private func converse(
        _ meter: ScriptedMeter, _ session: ProgrammingSession = session(), _ event: SessionEvent = .poll
    ) -> ScriptedMeter.Course {
        var session = session
        return meter.converse(&session, event)
    }

    // MARK: Success

    @Test("sign-on, operand, password, each register, break; the line returns")
    func registers() {
        let course = converse(Self.meter())
        #expect(
            course.texts == [
                "/?!", "ACK 051", "P1 (12345678)", "R1 0.0.0()", "R1 1.8.0()", "R1 2.8.0()", "B0",
            ])
        #expect(course.isGood)
        #expect(values(course.telegrams.first) == ["0.0.0(87654321)", "1.8.0(000123.4)kWh", "2.8.0(000007.80)kWh"])
        let registers = course.telegrams.first?.registers ?? []
        #expect(registers.map(\.obis) == [ObisCode("0.0.0"), ObisCode("1.8.0"), ObisCode("2.8.0")])
        #expect(registers.last?.value == .number(FixedDecimal(780, exponent: -2)))
        #expect(
            course.telegrams.first?.meter
                == MeterIdentity(
                    id: "87654321", manufacturer: "ABC", medium: .electricity, version: "METER"))
        #expect(course.telegrams.first?.warnings == [])
        #expect(course.lines.map(\.baud) == [300, 9600, 300])
    }

    @Test("the bytes of the commands have the check characters of the standard")
    func checkCharacters() {
        for (message, check) in [
            (ReadCommand.r1.message(code: "F.F"), 0x4D), (ReadCommand.r5.message(code: "0.0.0"), 0x57),
            (SignOn.breakMessage, 0x71),
        ] as [([UInt8], UInt8)] {
            #expect(message.last == check)
        }
        let course = converse(Self.meter(), Self.session(password: Secret(Array("00000000".utf8))))
        #expect(course.sent.contains { ScriptedMeter.text($0) == "P1 (00000000)" && $0.last == 0x61 })
    }

    @Test("a head with an echo changes nothing")
    func echo() {
        let course = converse(Self.meter(echoes: true))
        #expect(course.isGood && course.rejected.isEmpty && course.noise == 0)
        #expect(course.telegrams.first?.registers.count == 3)
    }

    @Test("an acknowledgement that looks like the end of the password's own echo is understood")
    func acknowledgementLikeEcho() throws {
        // Of all passwords of one letter and digits, one has the block check 06.
        let password = try #require(
            (0..<1000).map { "a\($0)" }.first { ScriptedMeter.command("P1", "(\($0))").last == 0x06 })
        let meter = Self.meter(["P1 (\(password))": [0x06]])
        let course = converse(meter, Self.session(password: Secret(Array(password.utf8))))
        #expect(course.isGood && course.telegrams.count == 1)
    }

    @Test("a meter that needs no password is read without one")
    func noPassword() {
        let course = converse(Self.meter(), Self.session(password: nil))
        #expect(course.isGood && !course.texts.contains { $0.hasPrefix("P1") })
        #expect(course.telegrams.first?.registers.count == 3)
    }

    @Test(
        "the request is the configured one, else R5 for Landis+Gyr and R1 for others",
        arguments: [
            (nil, "/ABC5x\r\n", "R1"), (nil, "/LGZ5ZMD\r\n", "R5"), (nil, "/lgz5ZMD\r\n", "R5"),
            (.r2, "/ABC5x\r\n", "R2"),
            (.r1, "/LGZ5x\r\n", "R1"), (.r6, "/LGZ5x\r\n", "R6"), (.r5, "/ABC5x\r\n", "R5"),
        ] as [(ReadCommand?, String, String)])
    func requests(_ request: ReadCommand?, _ identification: String, _ command: String) {
        let meter = Self.meter([
            "/?!": Sample.bytes(identification), "\(command) 1.8.0()": Sample.block("1.8.0(1*kWh)"),
        ])
        let course = converse(meter, Self.session(["1.8.0"], request: request))
        #expect(course.texts.contains("\(command) 1.8.0()"))
        #expect(course.telegrams.count == 1)
    }

    @Test("a link without a line keeps its rate and asks the meter to")
    func noLine() {
        let meter = Self.meter(["ACK 001": Self.operand])
        let course = converse(meter, Self.session(line: nil))
        #expect(course.isGood && course.lines.isEmpty && course.texts.contains("ACK 001"))
    }

    @Test("the meter's clock is read as in readouts")
    func clock() {
        let meter = Self.meter([
            "R1 0.9.1()": Sample.block("0.9.1(123456)"), "R1 0.9.2()": Sample.block("(260115)"),
        ])
        let course = converse(meter, Self.session(["0.9.1", "0.9.2"]))
        #expect(course.telegrams.first?.meterTime?.description == "2026-01-15T12:34:56")
    }

    @Test("the pause before each message is the one that the meter needs", arguments: [("ABC", 250), ("ABc", 40)])
    func pauses(_ maker: String, _ milliseconds: Int) {
        let course = converse(Self.meter(["/?!": Sample.bytes("/\(maker)5x\r\n")]))
        // The acknowledgement, the password, three registers and the break.
        #expect(course.armed.count { $0 == .milliseconds(milliseconds) } == 6)
    }

    // MARK: Codes

    @Test(
        "the answer belongs to the register that was asked for, whole, reduced or without its code",
        arguments: [
            ("1.8.0", "1-0:1.8.0*255(7*kWh)", true), ("1.8.0", "1-1:1.8.0(7*kWh)", true),
            ("1-0:1.8.0*255", "1.8.0(7*kWh)", true), ("1.8.0", "(7*kWh)", true), ("1.8.0", "1.8.1(7*kWh)", false),
            ("1-0:1.8.0", "1-1:1.8.0(7*kWh)", false), ("1.8.0", "1.8.0*01(7*kWh)", false), ("X1", "X1(7*kWh)", true),
            ("X1", "X2(7*kWh)", false),
        ])
    func answeringCode(_ asked: String, _ answer: String, _ isTaken: Bool) {
        let meter = Self.meter(["R1 \(asked)()": Sample.block(answer)])
        let course = converse(meter, Self.session(["0.0.0", asked]))
        #expect(course.isGood)
        #expect(course.telegrams.first?.registers.count == (isTaken ? 2 : 1))
        #expect(course.telegrams.first?.warnings.count == (isTaken ? 0 : 1))
    }

    @Test("several values of one register are kept with their index")
    func severalValues() {
        let meter = Self.meter(["R1 1.6.1()": Sample.block("1.6.1(0.485*kW)(2401151230)")])
        let course = converse(meter, Self.session(["1.6.1"]))
        #expect(course.telegrams.first?.registers.map(\.index) == [0, 1])
    }

    @Test("nothing of an answer that is no data set is believed", arguments: ["", "1.8.0", "1.8.0(7", "((7)", "x"])
    func noDataSet(_ answer: String) {
        let meter = Self.meter(["R1 1.8.0()": Sample.block(answer)])
        let course = converse(meter, Self.session(["0.0.0", "1.8.0"]))
        #expect(course.telegrams.first?.registers.count == 1)
        #expect(course.telegrams.first?.warnings.first?.contains("1.8.0") == true)
    }

    // MARK: Partial blocks

    @Test("partial blocks are acknowledged one by one and put together, wherever they are cut")
    func partialBlocks() {
        let text = "1.8.0(000123.4*kWh)"
        for size in 1...text.count {
            var rest = Array(text)[...]
            let meter = Self.meter()
            let pieces = stride(from: 0, to: text.count, by: size).map { _ -> String in
                defer { rest = rest.dropFirst(size) }
                return String(rest.prefix(size))
            }
            var session = Self.session(["1.8.0"], request: .r6)
            let script = PieceMeter(meter: meter, request: "R6 1.8.0()", pieces: pieces)
            let course = script.scripted.converse(&session)
            #expect(course.isGood && values(course.telegrams.first) == ["1.8.0(000123.4)kWh"], "\(size)")
            #expect(course.texts.count { $0 == "ACK " } == pieces.count - 1)
        }
    }

    @Test("a meter that never ends its partial blocks is cut off with a break", arguments: [0, 1, 30_000])
    func endlessBlocks(length: Int) {
        let block = Sample.block(String(repeating: "1", count: length), end: 0x04)
        let meter = Self.meter(["R1 1.8.0()": block, "ACK ": block])
        var session = Self.session(["1.8.0"])
        let course = meter.converse(&session, steps: 5 * (Limits.partialBlocks + 10))
        #expect(course.error?.code == .limit && course.texts.last == "B0")
    }

    @Test("an answer that never ends is cut off with a break")
    func endlessAnswer() {
        let flood = [0x02] + Array(repeating: UInt8(ascii: "1"), count: Limits.programmingAnswer + 1)
        let course = converse(Self.meter(["R1 1.8.0()": flood]), Self.session(["1.8.0"]))
        #expect(course.error?.code == .limit && course.texts.last == "B0")
    }

    // MARK: Repetition

    @Test("a damaged answer is asked for again, and believed when it is right", arguments: [1, 2, 3])
    func damage(times: Int) {
        var bad = Sample.block("1.8.0(000123.4*kWh)")
        bad[7] ^= 0x01
        let good = Sample.block("1.8.0(000123.4*kWh)")
        let answers = TurnMeter(Self.meter(), "R1 1.8.0()", ["NAK"], Array(repeating: bad, count: times) + [good])
        var session = Self.session(["1.8.0"])
        let course = answers.scripted.converse(&session)
        #expect(course.rejected == Array(repeating: .checksum, count: min(times, 2)))
        #expect(course.texts.count { $0 == "NAK" } == min(times, 2))
        #expect(course.telegrams.count == (times < 3 ? 1 : 0))
        #expect(times < 3 ? course.isGood : course.error?.code == .checksum)
        #expect(course.texts.last == "B0")
    }

    @Test("an answer that stops in the middle, or has a wrong parity bit, is asked for again")
    func stops() {
        let whole = Sample.block("1.8.0(000123.4*kWh)")
        var parity = Sample.withParity(whole)
        parity[9] ^= 0x80
        for (bad, code) in [(Array(whole.prefix(8)), .truncated), (parity, .checksum)] as [([UInt8], WireError.Code)] {
            let answers = TurnMeter(Self.meter(), "R1 1.8.0()", ["NAK"], [bad, whole])
            var session = Self.session(["1.8.0"])
            let course = answers.scripted.converse(&session)
            #expect(course.isGood && course.rejected == [code] && course.telegrams.count == 1)
        }
    }

    @Test("a request that the meter did not understand is repeated, and then the register is left out")
    func refusedRequest() {
        for times in 1...3 {
            let answers = TurnMeter(
                Self.meter(), "R1 1.8.0()", [],
                Array(repeating: [0x15], count: times) + [Sample.block("1.8.0(7*kWh)")])
            var session = Self.session(["0.0.0", "1.8.0"])
            let course = answers.scripted.converse(&session)
            #expect(course.isGood)
            #expect(course.texts.count { $0 == "R1 1.8.0()" } == min(times + 1, 3))
            #expect(course.telegrams.first?.registers.count == (times < 3 ? 2 : 1))
        }
    }

    @Test("a readout that fails is tried again from the sign-on, at a lower rate when the rate may be the cause")
    func nextAttempt() {
        let meter = Self.meter(["R1 1.8.0()": [0x02, 0x31]])
        let course = converse(meter, Self.session(["1.8.0"], retries: 2))
        #expect(course.texts.count { $0 == "/?!" } == 3)
        #expect(course.texts.count { $0 == "B0" } == 3)
        #expect(course.texts.contains("ACK 041"))
    }

    // MARK: Errors

    @Test(
        "the error of one register is a warning, and the others are read",
        arguments: ["(ER07)", "(ERROR)", "1.8.0(ER01)"])
    func oneRegister(_ answer: String) {
        let course = converse(Self.meter(["R1 1.8.0()": Sample.block(answer)]))
        #expect(course.isGood)
        #expect(values(course.telegrams.first) == ["0.0.0(87654321)", "2.8.0(000007.80)kWh"])
        let warning = course.telegrams.first?.warnings.first ?? ""
        #expect(warning.contains("1.8.0") && warning.contains("ER"))
    }

    @Test("when no register can be read the poll ends with the meter's error")
    func allRegisters() {
        let error = Sample.block("(ER05)")
        let course = converse(
            Self.meter(["R1 1.8.0()": error, "R1 2.8.0()": error]), Self.session(["1.8.0", "2.8.0"], retries: 2))
        #expect(course.telegrams.isEmpty && course.error?.code == .meterError)
        #expect(course.error?.message.contains("ER05") == true)
        // It would be the same at the next attempt.
        #expect(course.texts.count { $0 == "/?!" } == 1)
        #expect(course.texts.last == "B0")
    }

    @Test(
        "a refused password, a missing one and a refused mode end with a sentence that says what to do",
        arguments: [
            ("P1 (12345678)", Sample.block("(ER02)"), "password_file", 1),
            ("P1 (12345678)", [0x15], "password_file", 1),
            ("P1 (12345678)", SignOn.breakMessage, "password_file", 1), ("ACK 051", [0x15], "mode: auto", 1),
            ("ACK 051", SignOn.breakMessage, "mode: auto", 1),
            ("ACK 051", Sample.block("1.8.0(1*kWh)\r\n!\r\n"), "mode: auto", 1),
        ] as [(String, [UInt8], String, Int)])
    func refused(_ message: String, _ answer: [UInt8], _ remedy: String, _ signOns: Int) {
        let course = converse(Self.meter([message: answer]), Self.session(retries: 2))
        #expect(course.telegrams.isEmpty)
        #expect(
            course.error?.message.contains(remedy) == true && course.error?.message.contains("rogramming mode") == true)
        #expect(course.texts.count { $0 == "/?!" } == signOns)
        #expect(course.texts.last == "B0")
    }

    @Test(
        "a meter that wants a password where none is configured says so",
        arguments: [SignOn.breakMessage, Sample.block("(ER01)")])
    func missingPassword(_ answer: [UInt8]) {
        let course = converse(Self.meter(["R1 0.0.0()": answer]), Self.session(["0.0.0"], password: nil, retries: 2))
        #expect(course.error?.code == .meterError)
        #expect(course.error?.message.contains("password_file") == true)
        #expect(course.texts.count { $0 == "/?!" } == 1 && course.texts.last == "B0")
    }

    @Test("a password that was refused twice is not sent again, so that the meter does not lock itself")
    func lockOut() {
        var session = Self.session(retries: 2)
        let meter = Self.meter(["P1 (12345678)": Sample.block("(ER02)")])
        for _ in 0..<2 { #expect(meter.converse(&session).texts.count { $0.hasPrefix("P1") } == 1) }
        _ = session.handle(.opened)
        let third = meter.converse(&session)
        #expect(third.sent.isEmpty && third.error?.code == .meterError)
        #expect(third.error?.message.contains("restart") == true)
    }

    @Test("refusals with a success between them are forgotten")
    func forgiven() {
        var session = Self.session()
        let refusing = Self.meter(["P1 (12345678)": Sample.block("(ER02)")])
        for meter in [refusing, Self.meter(), refusing, Self.meter()] { _ = meter.converse(&session) }
        #expect(Self.meter().converse(&session).isGood)
    }

    @Test(
        "a password that no meter can have is not sent",
        arguments: ["", "a)b", "a\u{3}", "ä", String(repeating: "1", count: 33)])
    func impossiblePassword(_ password: String) {
        let course = converse(Self.meter(), Self.session(password: Secret(Array(password.utf8))))
        #expect(course.sent.isEmpty && course.error?.code == .unsupported)
        #expect(course.error?.message.contains(password) != true || password.isEmpty)
    }

    @Test("a meter of mode A or B has no programming mode here", arguments: ["/ABCDx\r\n", "/ABC x\r\n"])
    func otherModes(_ identification: String) {
        let course = converse(Self.meter(["/?!": Sample.bytes(identification)]), Self.session(retries: 2))
        #expect(course.error?.code == .unsupported && course.texts == ["/?!"])
    }

    @Test(
        "silence at each place ends with a time-out and a break",
        arguments: ["ACK 051", "P1 (12345678)", "R1 0.0.0()", "R1 2.8.0()"])
    func silence(_ message: String) {
        let base = Self.meter()
        let meter = ScriptedMeter(answers: { $0 == message ? nil : base.answers($0) })
        let course = converse(meter)
        #expect(course.error?.code == .timeout && course.telegrams.isEmpty)
        #expect(course.texts.suffix(2) == [message, "B0"])
        #expect(course.lines.last == .signOn)
    }

    @Test("the password is tried once in a poll, also where the meter is silent")
    func silentPassword() {
        let base = Self.meter()
        let meter = ScriptedMeter(answers: { $0.hasPrefix("P1") ? nil : base.answers($0) })
        let course = converse(meter, Self.session(retries: 2))
        #expect(course.texts.count { $0.hasPrefix("P1") } == 1)
    }

    @Test("a meter that says nothing at all is asked again, and gets no break")
    func nobody() {
        let course = converse(ScriptedMeter(answers: { _ in nil }), Self.session(retries: 1))
        #expect(course.texts == ["/?!", "/?!"] && course.error?.code == .timeout)
    }

    @Test("a port that never sends is given up")
    func stuckPort() {
        var session = Self.session()
        _ = session.handle(.poll)
        #expect(session.handle(.timer) == [.disarm, .finished(WireError(.timeout, ""))])
    }

    @Test("a link that closes ends the conversation wherever it is, and the next poll works")
    func closed() {
        for steps in 1..<20 {
            var session = Self.session()
            let course = Self.meter().converse(&session, steps: steps)
            guard course.end == nil else { continue }
            #expect(session.handle(.closed) == [.disarm, .finished(WireError(.truncated, ""))])
            #expect(session.handle(.closed) == [] && session.handle(.opened) == [])
            #expect(Self.meter().converse(&session).telegrams.count == 1)
        }
    }

    @Test("a poll or a request for the profile during a conversation changes nothing")
    func outOfTurn() {
        var session = Self.session()
        _ = session.handle(.poll)
        #expect(session.handle(.poll) == [])
        #expect(session.handle(.readProfile(ProfileSpan(after: 0, through: 900))) == [])
    }

    @Test("recorded messages of programming mode are those of the session, and understood")
    func recordings() throws {
        guard let corpus = Corpus("iec62056-21") else { return }
        let cases = Dictionary(uniqueKeysWithValues: try corpus.cases().map { ($0.name, $0.bytes) })
        #expect(cases["pwitab_cmd_R1"] == ReadCommand.r1.message(code: "1.8.0", data: "1"))
        let operand = try #require(cases["pwitab_cmd_P0"])
        let good = try #require(cases["pwitab_answer_ok"])
        let bad = try #require(cases["err_pwitab_answer_badbcc"])
        let meter = TurnMeter(Self.meter(["ACK 051": operand]), "R1 3:171.0()", ["NAK"], [bad, good])
        var session = Self.session(["3:171.0"])
        let course = meter.scripted.converse(&session)
        #expect(course.isGood && course.rejected == [.checksum])
        #expect(values(course.telegrams.first) == ["3:171.0(0)"])
    }

    @Test(
        "codes are letters, digits and separators",
        arguments: [
            ("1-0:1.8.0*255", true), ("F.F", true), ("1.8.0&01", true), ("", false), ("1.8.0(", false),
            ("a\u{3}", false),
        ])
    func codes(_ code: String, _ isValid: Bool) {
        #expect(ReadCommand.isValid(code: code) == isValid)
        #expect(!ReadCommand.isValid(code: code + String(repeating: "1", count: 33)))
    }
}

/// Answers one request in pieces, the next one after each ACK.
struct PieceMeter {
    let scripted: ScriptedMeter

    init(meter: ScriptedMeter, request: String, pieces: [String]) {
        let blocks = pieces.enumerated().map { Sample.block($1, end: $0 + 1 < pieces.count ? 0x04 : 0x03) }
        scripted = TurnMeter(meter, request, ["ACK "], blocks).scripted
    }
}

/// Answers one request, and the messages that go on with it, with one answer after another.
struct TurnMeter {
    let scripted: ScriptedMeter

    init(_ base: ScriptedMeter, _ request: String, _ further: Set<String>, _ answers: [[UInt8]]) {
        let turns = Turns(answers)
        scripted = ScriptedMeter(answers: { $0 == request || further.contains($0) ? turns.next() : base.answers($0) })
    }

    private final class Turns {
        private var rest: [[UInt8]]
        init(_ answers: [[UInt8]]) { rest = answers }
        func next() -> [UInt8]? { rest.isEmpty ? nil : rest.removeFirst() }
    }
}
