import COSEM
import MeterSimulator
import OBIS
import TestSupport
import Testing

@Suite("The simulated DLMS meter keeps the rules of its link")
struct ServerLinkTests {
    private static let associate = [0xE6, 0xE6, 0x00] + Asking.associate()
    private static let list = [0xE6, 0xE6, 0x00] + Asking.get(15, "0000280000FF", 2)

    private static func frame(
        _ control: UInt8, _ information: [UInt8] = [], isSegmented: Bool = false, to: [UInt8] = [0x03]
    ) -> [UInt8] {
        HDLCFrame(
            destination: to, source: [0x03], control: control, isSegmented: isSegmented, information: information
        ).encoded() ?? []
    }

    private static func meter(
        faults: DLMSServer.Faults = .init(), _ change: (inout DLMSMeter.LinkConfiguration) -> Void = { _ in }
    ) -> DLMSMeter {
        var configuration = DLMSServer.Configuration()
        configuration.clients = [.init(address: 1)]
        var link = DLMSMeter.LinkConfiguration()
        change(&link)
        return DLMSMeter(
            server: DLMSServer(configuration: configuration, faults: faults), framing: .hdlc, link: link)
    }

    private struct Answer: Equatable {
        let control: UInt8
        let isSegmented: Bool
        let information: [UInt8]
    }

    /// Frames of a client address and a server address of one byte.
    private static func answers(_ frames: [[UInt8]]) -> [Answer] {
        frames.map { frame in
            let hasInformation = frame.count > 9
            return Answer(
                control: frame[5], isSegmented: frame[1] & 0x08 != 0,
                information: hasInformation ? Array(frame[8..<(frame.count - 3)]) : [])
        }
    }

    /// SNRM with these sizes and windows, as the client sees them.
    private static func connect(receive: UInt8, window: UInt8) -> [UInt8] {
        frame(
            0x93,
            Asking.hex("818012050180060180070400000001080400000001").enumerated().map { index, byte in
                index == 8 ? receive : index == 20 ? window : byte
            })
    }

    @Test("without a connection there is none to talk over")
    func disconnected() {
        var meter = Self.meter()
        #expect(meter.sent(Self.frame(0x10, Self.associate)).map(\.hex) == [Self.frame(0x1F).hex])
        #expect(meter.sent(Self.frame(0x53)).map(\.hex) == [Self.frame(0x1F).hex])
        #expect(Self.answers(meter.sent(Self.frame(0x93))).map(\.control) == [0x73])
        #expect(meter.sent(Self.frame(0x53)).map(\.hex) == [Self.frame(0x73).hex])
        #expect(meter.sent(Self.frame(0x53)).map(\.hex) == [Self.frame(0x1F).hex])
    }

    @Test("the sizes are the smaller of both sides, and without any the usual ones")
    func negotiation() {
        var meter = Self.meter {
            $0.maximumTransmit = 200
            $0.maximumReceive = 100
            $0.transmitWindow = 5
        }
        #expect(
            Self.answers(meter.sent(Self.connect(receive: 0x40, window: 3))).map(\.information.hex)
                == ["818012" + "050140" + "060164" + "070400000003" + "080400000001"])
        var silent = Self.meter { $0.announcesParameters = false }
        #expect(silent.sent(Self.frame(0x93)).map(\.hex) == [Self.frame(0x73).hex])
    }

    @Test("an association ends with the connection")
    func ends() {
        var meter = Self.meter()
        _ = meter.sent(Self.frame(0x93))
        _ = meter.sent(Self.frame(0x10, Self.associate))
        _ = meter.sent(Self.frame(0x53))
        _ = meter.sent(Self.frame(0x93))
        #expect(Self.answers(meter.sent(Self.frame(0x10, Self.list))).map(\.information.hex) == ["E6E700D80101"])
    }

    @Test("a long answer comes in segments, as many at a poll as the window takes", arguments: [1, 3, 7] as [UInt8])
    func segments(window: UInt8) {
        var meter = Self.meter {
            $0.maximumTransmit = 200
            $0.transmitWindow = 7
        }
        _ = meter.sent(Self.connect(receive: 50, window: window))
        _ = meter.sent(Self.frame(0x10, Self.associate))
        var answers = Self.answers(meter.sent(Self.frame(0x32, Self.list)))
        var message: [UInt8] = []
        var number: UInt8 = 1
        var polls = 0
        while polls < 100 {
            polls += 1
            #expect((1...Int(window)).contains(answers.count))
            for (index, answer) in answers.enumerated() {
                let isFinal = index == answers.count - 1
                #expect(answer.control == 2 << 5 | (isFinal ? 0x10 : 0) | number << 1)
                #expect(answer.information.count <= 50)
                number = (number + 1) & 7
                message += answer.information
            }
            guard answers.last?.isSegmented == true else { break }
            answers = Self.answers(meter.sent(Self.frame(number << 5 | 0x11)))
        }
        #expect(message.prefix(3) == [0xE6, 0xE7, 0x00])
        var server = DLMSServer.open()
        #expect([Array(message.dropFirst(3))] == server.ask(Asking.get(15, "0000280000FF", 2)))
        // Everything is confirmed: nothing more to say.
        #expect(meter.sent(Self.frame(number << 5 | 0x11)).map(\.hex) == [Self.frame(0x51).hex])
    }

    @Test("what is not confirmed is sent again, for a poll and for a repeated request")
    func again() {
        var meter = Self.meter { $0.transmitWindow = 3 }
        _ = meter.sent(Self.connect(receive: 50, window: 3))
        let response = meter.sent(Self.frame(0x10, Self.associate))
        #expect(meter.sent(Self.frame(0x10, Self.associate)) == response)
        #expect(meter.sent(Self.frame(0x11)) == response)
        let requests = meter.server.memory.requests
        let three = meter.sent(Self.frame(0x32, Self.list))
        // The second was lost: it and all behind it come again, and one more.
        let again = meter.sent(Self.frame(0x51))
        #expect(Self.answers(again).map(\.control) == [0x44, 0x46, 0x58])
        #expect(Self.answers(again)[0] == Self.answers(three)[1])
        #expect(meter.server.memory.requests == requests + 1)
        // Not ready: nothing is sent until it is.
        #expect(meter.sent(Self.frame(0x55)).map(\.hex) == [Self.frame(0x51).hex])
        #expect(meter.sent(Self.frame(0x51)).map(\.hex) == again.map(\.hex))
    }

    @Test("a request in segments is confirmed piece by piece, and answered whole")
    func segmentedRequest() {
        var meter = Self.meter()
        _ = meter.sent(Self.frame(0x93))
        let pieces = [Array(Self.associate.prefix(20)), Array(Self.associate.dropFirst(20))]
        #expect(meter.sent(Self.frame(0x10, pieces[0], isSegmented: true)).map(\.hex) == [Self.frame(0x31).hex])
        // The same piece again is not taken twice.
        #expect(meter.sent(Self.frame(0x10, pieces[0], isSegmented: true)).map(\.hex) == [Self.frame(0x31).hex])
        let answer = Self.answers(meter.sent(Self.frame(0x12, pieces[1])))
        #expect(answer.map(\.control) == [0x50])
        #expect(answer.first?.information.prefix(4) == [0xE6, 0xE7, 0x00, 0x61])
    }

    @Test("pieces of frames, noise and shared flags are no matter")
    func pieces() {
        let stream = [0x00, 0x7E, 0xA0, 0xFF] + Self.frame(0x93).dropLast() + Self.frame(0x11)
        var whole = Self.meter()
        // The noise looks like a frame that waits for its rest, until the line is silent.
        #expect(whole.sent(Array(stream.prefix(4))) == [])
        whole.lineFellSilent()
        let answers = whole.sent(Array(stream.dropFirst(4)))
        #expect(Self.answers(answers).map(\.control) == [0x73, 0x11])
        var dripped = Self.meter()
        #expect(stream.dropFirst(4).flatMap { dripped.sent([$0]) } == answers)
    }

    @Test("a damaged frame is not answered")
    func damage() {
        var meter = Self.meter()
        var frame = Self.frame(0x93)
        frame[5] ^= 0x10
        #expect(meter.sent(frame) == [])
        #expect(meter.server.memory.damagedFrames == 1)
        #expect(meter.sent(Self.frame(0x93)).count == 1)
    }

    @Test("only its own address is answered")
    func addresses() {
        var meter = Self.meter { $0.physical = 17 }
        for (address, isOwn) in [
            ("03", true), ("05", false), ("0223", true), ("0221", false), ("0423", false), ("00020023", true),
            ("00040023", false),
        ] {
            let frames = meter.sent(Self.frame(0x93, to: Asking.hex(address)))
            #expect(frames.count == (isOwn ? 1 : 0), "\(address)")
        }
    }

    @Test("what it does not understand it rejects, and so a number that was never sent")
    func rejects() {
        var meter = Self.meter()
        _ = meter.sent(Self.frame(0x93))
        #expect(Self.answers(meter.sent(Self.frame(0x19))).map(\.control) == [0x97])
        #expect(Self.answers(meter.sent(Self.frame(0x71))).map(\.control) == [0x97])
        #expect(Self.answers(meter.sent(Self.frame(0x10, Array(repeating: 0, count: 129)))).map(\.control) == [0x97])
    }

    @Test("a notification comes unnumbered before the answer, which ends the turn")
    func notification() {
        var faults = DLMSServer.Faults()
        faults.notifications = 1
        var meter = Self.meter(faults: faults)
        _ = meter.sent(Self.frame(0x93))
        _ = meter.sent(Self.frame(0x10, Self.associate))
        let get = [0xE6, 0xE6, 0x00] + Asking.get(1, "0000600100FF", 2)
        let answers = Self.answers(meter.sent(Self.frame(0x32, get)))
        #expect(answers.map(\.control) == [0x03, 0x52])
        #expect(answers.map { $0.information.dropFirst(3).first } == [0x0F, 0xC4])
    }

    // MARK: Wrapper

    private static func wrapped(_ apdu: [UInt8], from source: UInt8 = 1, to destination: UInt8 = 1) -> [UInt8] {
        [0, 1, 0, source, 0, destination, 0, UInt8(apdu.count)] + apdu
    }

    @Test("the wrapper's ports change places, whatever pieces it comes in")
    func wrapper() {
        var configuration = DLMSServer.Configuration()
        configuration.clients = [.init(address: 1)]
        func meter() -> DLMSMeter {
            DLMSMeter(server: DLMSServer(configuration: configuration), framing: .wrapper)
        }
        let stream =
            Self.wrapped(Asking.associate()) + Self.wrapped(Asking.get(1, "0000600100FF", 2), to: 2)
            + Self.wrapped(Asking.get(1, "0000600100FF", 2))
        var whole = meter()
        let answers = whole.sent(stream)
        #expect(answers.count == 2)
        #expect(
            answers.last
                == [0, 1, 0, 1, 0, 1, 0, 14, 0xC4, 1, 0xC1, 0, 9, 8] + Array("12345678".utf8))
        var dripped = meter()
        #expect(stream.flatMap { dripped.sent([$0]) } == answers)
        // What is not of this version is nothing.
        var noisy = meter()
        #expect(noisy.sent([0, 2, 0, 1, 0, 1, 0, 1, 5]) == [])
        #expect(noisy.sent(Self.wrapped(Asking.associate())) == answers.dropLast())
    }

    // MARK: Faults

    @Test("faults of the link happen at their frame")
    func faults() {
        func answers(_ change: (inout DLMSServer.Faults) -> Void) -> [[DLMSMeter.Action]] {
            var faults = DLMSServer.Faults()
            change(&faults)
            var meter = Self.meter(faults: faults)
            return [Self.frame(0x93), Self.frame(0x10, Self.associate), Self.frame(0x31)].map {
                meter.receive($0, house: Household(seed: 1), time: MeterTime(localSeconds: 0))
            }
        }
        let usual = answers { _ in }
        guard case .send(let response) = usual[1].first else { Issue.record("no answer"); return }
        #expect(usual.map(\.count) == [1, 1, 1])
        #expect(answers { $0.lostFrame = 2 } == [usual[0], [], usual[2]])
        #expect(answers { $0.repeatedFrame = 2 } == [usual[0], usual[1] + usual[1], usual[2]])
        #expect(
            answers { $0.closedFrame = 2 }[1] == [.send(Array(response.prefix(response.count / 2))), .close])
        #expect(answers { $0.delay = .seconds(3) }[1] == [.wait(.seconds(3))] + usual[1])
        #expect(answers { $0.noise = 1 }.map(\.count) == [2, 1, 1])
        var damaged = response
        damaged[damaged.count - 2] ^= 1
        #expect(answers { $0.wrongCheckFrame = 2 }[1] == [.send(damaged)])
        // The association was request 1.
        #expect(answers { $0.silentFromRequest = 1 } == [usual[0], [], []])
        guard case .send(let rejected) = answers({ $0.frameRejects = 1 })[1].first else {
            Issue.record("no rejection")
            return
        }
        #expect(rejected[5] == 0x97)
    }
}
