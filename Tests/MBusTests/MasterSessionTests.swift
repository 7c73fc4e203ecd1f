import MBus
import MeterSimulator
import OBIS
import TestSupport
import Testing
import Wire

@Suite("The master of a bus")
struct MasterSessionTests {
    // MARK: Figures of EN 13757-2 at 2400 baud, with 150 ms of an adapter

    private static let bit = Duration.nanoseconds(416_666)
    private static let pause = SessionAction<Telegram>.arm(bit * 33)
    private static let firstByte = SessionAction<Telegram>.arm(bit * 330 + .milliseconds(200))
    private static let gap = SessionAction<Telegram>.arm(bit * 33 + .milliseconds(75))

    private static func sending(_ count: Int) -> SessionAction<Telegram> { .arm(bit * (11 * count) + .seconds(2)) }

    // MARK: Messages

    private static let reset = "1040014116"
    private static let request = "107B017C16"
    private static let other = "105B015C16"
    private static let selection = "680B0B6873FD5278563412FFFFFFFFD216"
    private static let requestSelected = "107BFD7816"
    private static let otherSelected = "105BFD5816"
    private static let deselection = "1040FD3D16"

    private static let frame = Answer.frame("0403 D2040000 04833C 11000000")
    private static let more = Answer.frame("0403 D2040000 1F")
    private static let last = Answer.frame("022B 6400 04833C 11000000")
    private static let damaged = changed(frame, at: 20)
    private static let selected = MasterSession.Address.secondary(SecondaryAddress(identification: 0x1234_5678))

    private static func changed(_ bytes: [UInt8], at index: Int) -> [UInt8] {
        var bytes = bytes
        bytes[index] ^= 0x04
        return bytes
    }

    private static func session(
        _ address: MasterSession.Address = .primary(1), retries: Int = 2, isSearch: Bool = false
    ) -> MasterSession {
        MasterSession(settings: .init(address: address, retries: retries, isSearch: isSearch))
    }

    private static func telegram(_ frame: [UInt8]) throws -> Telegram {
        try #require(Answer.telegrams([frame]).first)
    }

    // MARK: Event by event

    private struct Step {
        let event: SessionEvent
        let actions: [SessionAction<Telegram>]

        init(_ event: SessionEvent, _ actions: [SessionAction<Telegram>]) {
            self.event = event
            self.actions = actions
        }
    }

    private func check(_ steps: [Step], _ address: MasterSession.Address, location: SourceLocation = #_sourceLocation) {
        var session = Self.session(address)
        for (number, step) in steps.enumerated() {
            let actions = session.handle(step.event)
            #expect(actions == step.actions, "step \(number), \(step.event)", sourceLocation: location)
        }
    }

    @Test("resets, pauses, asks and has a telegram as soon as it is whole")
    func primary() throws {
        let telegram = try Self.telegram(Self.frame)
        check(
            [
                Step(.opened, []),
                Step(.poll, [.setLine(LineSettings(baud: 2400, dataBits: 8, parity: .even)), Self.pause]),
                Step(.timer, [.send(Answer.bytes(Self.reset)), Self.sending(5)]),
                Step(.drained, [Self.firstByte]),
                Step(.received([0xE5]), [Self.gap]),
                Step(.timer, [Self.pause]),
                Step(.timer, [.send(Answer.bytes(Self.request)), Self.sending(5)]),
                Step(.drained, [Self.firstByte]),
                Step(.received(Array(Self.frame[..<9])), [Self.gap]),
                Step(.received(Array(Self.frame[9...])), [.emit(telegram), .disarm, .finished(nil)]),
                Step(.timer, []),
                // Each poll begins from the start.
                Step(.poll, [.setLine(.mbus), Self.pause]),
                Step(.timer, [.send(Answer.bytes(Self.reset)), Self.sending(5)]),
            ], .primary(1))
    }

    @Test("selects, asks and ends the selection")
    func secondary() throws {
        let telegram = try Self.telegram(Self.frame)
        check(
            [
                Step(.poll, [.setLine(.mbus), Self.pause]),
                Step(.timer, [.send(Answer.bytes(Self.selection)), Self.sending(17)]),
                Step(.drained, [Self.firstByte]),
                Step(.received([0xE5]), [Self.gap]),
                Step(.timer, [Self.pause]),
                Step(.timer, [.send(Answer.bytes(Self.requestSelected)), Self.sending(5)]),
                Step(.drained, [Self.firstByte]),
                Step(.received(Self.frame), [Self.pause]),
                Step(.timer, [.send(Answer.bytes(Self.deselection)), Self.sending(5)]),
                Step(.drained, [Self.firstByte]),
                Step(.received([0xE5]), [Self.gap]),
                Step(.timer, [.emit(telegram), .disarm, .finished(nil)]),
            ], Self.selected)
    }

    @Test("the times follow from the speed of the bus and what is between")
    func times() {
        var session = MasterSession(settings: .init(address: .primary(1), line: nil, baud: 300, latency: .seconds(1)))
        let bit = Duration.nanoseconds(3_333_333)
        #expect(session.handle(.poll) == [.arm(bit * 33)])
        #expect(session.handle(.timer) == [.send(Answer.bytes(Self.reset)), .arm(bit * 55 + .seconds(2))])
        #expect(session.handle(.drained) == [.arm(bit * 330 + .milliseconds(1050))])
        #expect(session.handle(.received([0xE5])) == [.arm(bit * 33 + .milliseconds(500))])
    }

    @Test("what comes while nothing is asked is noise, and leads to nothing")
    func idle() {
        check(
            [
                Step(.opened, []), Step(.received([0xE5, 0x00]), [.noise(2)]), Step(.timer, []), Step(.drained, []),
                Step(.boundary, []), Step(.received(Self.frame), [.noise(Self.frame.count)]), Step(.closed, []),
                Step(.opened, []), Step(.poll, [.setLine(.mbus), Self.pause]), Step(.poll, []),
                // Before the first message: no answer either.
                Step(.received([0x00, 0x11]), [.noise(2)]),
                Step(.timer, [.send(Answer.bytes(Self.reset)), Self.sending(5)]),
            ], .primary(1))
    }

    @Test("a link that closes ends the poll wherever it is, and the next one begins anew")
    func closed() {
        let events: [SessionEvent] = [
            .poll, .timer, .drained, .received([0xE5]), .timer, .timer, .drained, .received([0x68]),
        ]
        for count in 1...events.count {
            var session = Self.session()
            for event in events[..<count] { _ = session.handle(event) }
            #expect(session.handle(.closed) == [.disarm, .finished(WireError(.truncated, ""))], "after \(count)")
            #expect(session.handle(.timer) == [])
            #expect(session.handle(.poll) == [.setLine(.mbus), Self.pause])
        }
    }

    @Test("a port that takes nothing ends the poll")
    func stuck() {
        var session = Self.session()
        for event: SessionEvent in [.poll, .timer] { _ = session.handle(event) }
        #expect(session.handle(.timer) == [.disarm, .finished(WireError(.timeout, ""))])
    }

    // MARK: Conversations

    struct Scenario: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var address = MasterSession.Address.primary(1)
        var retries = 2
        var isSearch = false
        let replies: [BusBench.Reply]
        let sent: [String]
        var registers: Int?
        var isWarned = false
        var rejected: [WireError.Code] = []
        var end: WireError.Code?
    }

    private static func header(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
        var header = Answer.header
        change(&header)
        return header
    }

    private static let stranger = Answer.frame(
        Answer.bytes("0403 D2040000"), header: header { $0[0] = 0x79 })
    private static let secret = Answer.frame(
        [UInt8](repeating: 0x55, count: 16), header: header { ($0[10], $0[11]) = (0x10, 0x05) })
    /// Two slaves at once: a 0 of one wins.
    private static let mixture = zip(
        Answer.frame("0403 D2040000"), Answer.frame(Answer.bytes("0403 31020000"), header: header { $0[0] = 0x12 })
    ).map { $0 & $1 }

    private static let goods: [Scenario] = [
        Scenario(
            testDescription: "a reset that nobody acknowledges", replies: [.nothing, .bytes(frame)],
            sent: [reset, request], registers: 2),
        Scenario(
            testDescription: "a request that is answered at the last try",
            replies: [.acknowledge, .nothing, .nothing, .bytes(frame)], sent: [reset, request, request, request],
            registers: 2),
        Scenario(
            testDescription: "an answer in pieces", replies: [.acknowledge, .init(chunks: frame.map { [$0] })],
            sent: [reset, request], registers: 2),
        Scenario(
            testDescription: "a damaged answer", replies: [.acknowledge, .bytes(damaged), .bytes(frame)],
            sent: [reset, request, request], registers: 2, rejected: [.checksum]),
        Scenario(
            testDescription: "an answer that is cut",
            replies: [.acknowledge, .bytes(Array(frame[..<12])), .bytes(frame)],
            sent: [reset, request, request], registers: 2, rejected: [.truncated]),
        Scenario(
            testDescription: "three telegrams",
            replies: [.acknowledge, .bytes(more), .bytes(more), .bytes(last)], sent: [reset, request, other, request],
            registers: 4),
        Scenario(
            testDescription: "an answer that came too late comes again instead of the next one",
            replies: [.acknowledge, .nothing, .bytes(more), .init(chunks: [more, last])],
            sent: [reset, request, request, other], registers: 3),
        Scenario(
            testDescription: "an answer that came too late comes again, and the next one is asked for again",
            replies: [.acknowledge, .nothing, .nothing, .bytes(more), .bytes(more + more), .bytes(last)],
            sent: [reset, request, request, request, other, other], registers: 3),
        Scenario(
            testDescription: "a second telegram that is damaged first",
            replies: [.acknowledge, .bytes(more), .bytes(changed(last, at: 20)), .nothing, .bytes(last)],
            sent: [reset, request, other, other, other], registers: 3, rejected: [.checksum]),
        Scenario(
            testDescription: "a second telegram that never comes",
            replies: [.acknowledge, .bytes(more)], sent: [reset, request, other, other, other], registers: 1,
            isWarned: true),
        Scenario(
            testDescription: "more telegrams than any meter has", retries: 0,
            replies: [.acknowledge] + Array(repeating: .bytes(more), count: 100),
            sent: [reset] + (0..<Limits.mbusTelegrams).map { $0 % 2 == 0 ? request : other },
            registers: Limits.mbusTelegrams, isWarned: true),
        Scenario(
            testDescription: "several telegrams of a selected slave", address: selected,
            replies: [.acknowledge, .bytes(more), .bytes(last), .acknowledge],
            sent: [selection, requestSelected, otherSelected, deselection], registers: 3),
        Scenario(
            testDescription: "a selection that is heard at the last try", address: selected,
            replies: [.nothing, .nothing, .acknowledge, .bytes(frame), .acknowledge],
            sent: [selection, selection, selection, requestSelected, deselection], registers: 2),
        Scenario(
            testDescription: "a deselection that nobody acknowledges", address: selected,
            replies: [.acknowledge, .bytes(frame)], sent: [selection, requestSelected, deselection], registers: 2),
        Scenario(
            testDescription: "any address of a bus with one slave", address: .primary(254),
            replies: [.acknowledge, .bytes(frame)], sent: ["1040FE3E16", "107BFE7916"], registers: 2),
    ]

    private static let failures: [Scenario] = [
        Scenario(
            testDescription: "nobody", replies: [], sent: [reset, request, request, request], end: .timeout),
        Scenario(
            testDescription: "nobody, without retries", retries: 0, replies: [], sent: [reset, request], end: .timeout),
        Scenario(
            testDescription: "answers that are all damaged",
            replies: [.acknowledge] + [.bytes(damaged), .bytes(damaged)],
            sent: [reset, request, request, request], rejected: [.checksum, .checksum], end: .timeout),
        Scenario(
            testDescription: "a damaged answer at the last try", retries: 0,
            replies: [.acknowledge, .bytes(damaged)], sent: [reset, request], end: .checksum),
        Scenario(
            testDescription: "two slaves at once", retries: 1,
            replies: [.acknowledge, .bytes(mixture), .bytes(mixture)], sent: [reset, request, request],
            rejected: [.checksum], end: .checksum),
        Scenario(
            testDescription: "bytes of another speed", retries: 0,
            replies: [.acknowledge, .bytes([0x00, 0xFE, 0x80])], sent: [reset, request], end: .framing),
        Scenario(
            testDescription: "a slave without data", retries: 1,
            replies: [.acknowledge, .acknowledge, .acknowledge], sent: [reset, request, request],
            rejected: [.meterError], end: .meterError),
        Scenario(
            testDescription: "another slave", address: .primary(7), replies: [.acknowledge, .bytes(frame)],
            sent: ["1040074716", "107B078216"], end: .framing),
        Scenario(
            testDescription: "encrypted records without a key", replies: [.acknowledge, .bytes(secret)],
            sent: [reset, request], end: .keyMissing),
        Scenario(
            testDescription: "an error that the slave reports",
            replies: [.acknowledge, .bytes(Answer.frame([0x08], header: [], information: 0x70))],
            sent: [reset, request], end: .meterError),
        Scenario(
            testDescription: "nobody to select", address: selected, replies: [],
            sent: [selection, selection, selection], end: .timeout),
        Scenario(
            testDescription: "several that are selected", address: selected, retries: 1,
            replies: [.bytes([0xE5, 0xE5]), .bytes([0xE5, 0xE5])], sent: [selection, selection, deselection],
            rejected: [.framing], end: .framing),
        Scenario(
            testDescription: "acknowledgements that are mixed", address: selected, retries: 0,
            replies: [.bytes([0xE4])], sent: [selection, deselection], end: .framing),
        Scenario(
            testDescription: "a selected slave that falls silent", address: selected, retries: 1,
            replies: [.acknowledge], sent: [selection, requestSelected, requestSelected, deselection], end: .timeout),
        Scenario(
            testDescription: "a selected slave that is another one", address: selected,
            replies: [.acknowledge, .bytes(stranger)], sent: [selection, requestSelected, deselection], end: .framing),
        Scenario(
            testDescription: "a search that meets nobody", retries: 1, isSearch: true, replies: [],
            sent: [reset, reset], end: .timeout),
        Scenario(
            testDescription: "a search that meets several", retries: 1, isSearch: true,
            replies: [.bytes([0xE5, 0xE5])], sent: [reset], end: .framing),
        Scenario(
            testDescription: "a search that meets two that look like one", address: selected, retries: 0,
            isSearch: true,
            replies: [.acknowledge, .bytes(mixture)], sent: [selection, requestSelected, deselection], end: .checksum),
    ]

    private static let searches: [Scenario] = [
        Scenario(
            testDescription: "a search that is answered at the second try", retries: 1, isSearch: true,
            replies: [.nothing, .acknowledge, .bytes(frame)], sent: [reset, reset, request], registers: 2),
        Scenario(
            testDescription: "a search that meets a slave of another address", address: .primary(0), isSearch: true,
            replies: [.acknowledge, .bytes(frame)], sent: ["1040004016", "107B007B16"], registers: 2),
    ]

    private static func run(_ scenario: Scenario, replies: (Int, [UInt8], BusBench.Reply) -> BusBench.Reply) -> BusBench
    {
        var session = session(scenario.address, retries: scenario.retries, isSearch: scenario.isSearch)
        var number = 0
        return BusBench.poll(&session) { message in
            defer { number += 1 }
            return replies(number, message, number < scenario.replies.count ? scenario.replies[number] : .nothing)
        }
    }

    @Test("conversations go as the standard has them", arguments: goods + failures + searches)
    func conversation(scenario: Scenario) {
        let bench = Self.run(scenario) { $2 }
        #expect(bench.hex == scenario.sent)
        #expect(bench.ends.count == 1 && bench.end?.code == scenario.end)
        #expect(bench.rejected.map(\.code) == scenario.rejected)
        #expect(bench.telegrams.count == (scenario.registers == nil ? 0 : 1))
        #expect(bench.telegrams.first?.registers.count == scenario.registers)
        let warnings = bench.telegrams.first?.warnings ?? []
        #expect(warnings.contains { $0.hasPrefix("The rest of the meter's telegrams is missing") } == scenario.isWarned)
    }

    @Test("an echo of every message changes nothing, however it comes", arguments: goods + failures + searches)
    func echo(scenario: Scenario) {
        let plain = Self.run(scenario) { $2 }
        let echoes: [(String, (Int, [UInt8], BusBench.Reply) -> BusBench.Reply)] = [
            ("whole", { .init(chunks: [$1] + $2.chunks) }),
            ("in pieces", { .init(chunks: $1.map { [$0] } + $2.chunks) }),
            ("together with the answer", { .init(chunks: [$1 + $2.chunks.flatMap { $0 }]) }),
            ("before the message has left", { .init(chunks: [$1] + $2.chunks, isEarly: true) }),
            (
                "the half of it before",
                { .init(chunks: [Array($1[..<3]), Array($1[3...])] + $2.chunks, isEarly: true) }
            ),
        ]
        for (name, reply) in echoes {
            let bench = Self.run(scenario, replies: reply)
            #expect(bench.hex == plain.hex && bench.ends == plain.ends, "\(name)")
            #expect(bench.telegrams == plain.telegrams && bench.noise == plain.noise, "\(name)")
            #expect(bench.rejected == plain.rejected, "\(name)")
        }
    }

    @Test("the records of several telegrams are numbered on")
    func numbers() {
        let bench = Self.run(Self.goods[5]) { $2 }
        #expect(bench.telegrams.first?.registers.compactMap(\.record?.number) == [0, 1, 2, 3])
    }

    @Test("a code that two records of different telegrams would get is none's")
    func doubtful() throws {
        let bench = Self.run(Self.goods[5]) { $2 }
        let telegram = try #require(bench.telegrams.first)
        #expect(telegram.registers.map(\.printedCode) == ["energy", "energy", "power", "energy_backward"])
        #expect(telegram.registers.map { $0.obis != nil } == [false, false, true, true])
    }

    @Test("noise around an answer is told and costs nothing")
    func noise() {
        var session = Self.session()
        let bench = BusBench.poll(
            &session, replies: [.acknowledge, .bytes([0x00, 0x68, 0x42] + Self.frame + [0x00])])
        #expect(bench.telegrams.count == 1 && bench.noise == 4 && bench.end == nil)
    }

    @Test(
        "a slave that never falls silent is given up",
        arguments: [[0x00], [0xE5], [0x10], [0x68], [0x10, 0x40], Answer.bytes(reset)])
    func endless(pattern: [UInt8]) {
        let flood = Array(Array(repeating: pattern, count: 50).joined().prefix(50))
        for isRequest in [false, true] {
            var session = Self.session(retries: 0)
            let events: [SessionEvent] = [.poll, .timer, .drained] + (isRequest ? [.timer, .timer, .drained] : [])
            for event in events { _ = session.handle(event) }
            var pieces = 0
            var end: [SessionAction<Telegram>] = []
            while pieces < 1000, end.isEmpty {
                pieces += 1
                let actions = session.handle(.received(flood))
                if actions != [Self.gap], actions != [Self.firstByte] { end = actions }
            }
            // Four of the longest frames.
            #expect(pieces == 22)
            let isOver = end.contains { if case .finished = $0 { true } else { false } }
            #expect(isOver == isRequest && end.contains(Self.pause) != isRequest, "\(end)")
        }
    }

    // MARK: Against slaves

    private static let house = Household(seed: 11)
    private static let time = MeterTime(year: 2026, month: 7, day: 15, hour: 12, minute: 34, second: 0)

    private static func poll(_ slave: inout MBusSlave, _ address: MasterSession.Address) -> BusBench {
        var session = session(address)
        return BusBench.poll(&session) { message in
            .init(chunks: slave.receive(message, house: house, time: time))
        }
    }

    @Test(
        "reads every kind of slave by both addresses, in one telegram and in several, wherever they are cut",
        arguments: MBusSlave.Kind.allCases)
    func slaves(kind: MBusSlave.Kind) throws {
        for structure in MBusSlave.Structure.allCases {
            let configuration = MBusSlave.Configuration(
                kind: kind, structure: structure, address: 9, serial: "20250017")
            var single = MBusSlave(configuration: configuration)
            let expected = try #require(Self.poll(&single, .primary(9)).telegrams.first)
            #expect(expected.meter.id == "20250017" && expected.registers.count > 1)
            var several = configuration
            for address in [MasterSession.Address.primary(9), .secondary(configuration.secondaryAddress)] {
                for (telegrams, wrong) in (2...17).map({ ($0, $0 % 3) }) {
                    several.telegrams = telegrams
                    var slave = MBusSlave(configuration: several, faults: .init(wrongChecksums: wrong))
                    let bench = Self.poll(&slave, address)
                    let telegram = try #require(bench.telegrams.first)
                    #expect(telegram.registers == expected.registers && telegram.warnings == expected.warnings)
                    #expect(telegram.meterTime == expected.meterTime && telegram.meter.id == expected.meter.id)
                    #expect(bench.rejected.map(\.code) == Array(repeating: .checksum, count: wrong))
                    #expect(bench.end == nil && !slave.isSelected)
                }
            }
        }
    }

    @Test("gives a slave up whose checksums are all wrong, and one that is mute")
    func badSlaves() {
        var wrong = MBusSlave(faults: .init(wrongChecksums: 100))
        #expect(Self.poll(&wrong, .primary(1)).end?.code == .checksum)
        var mute = MBusSlave(faults: .init(isMute: true))
        #expect(Self.poll(&mute, .primary(1)).end?.code == .timeout)
        #expect(Self.poll(&mute, .secondary(mute.configuration.secondaryAddress)).end?.code == .timeout)
        var slave = MBusSlave()
        #expect(Self.poll(&slave, .secondary(.any)).telegrams.count == 1 && !slave.isSelected)
    }
}
