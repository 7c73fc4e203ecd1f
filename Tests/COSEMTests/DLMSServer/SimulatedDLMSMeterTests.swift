import MeterSimulator
import OBIS
import Synchronization
import TestSupport
import Testing
import Wire

@Suite("The simulated DLMS meter on a line")
struct SimulatedDLMSMeterTests {
    /// A line that is a test's two hands.
    private final class Line: MeterLine {
        let inbound: AsyncStream<[UInt8]>
        let outbound: AsyncStream<[UInt8]>
        private let received: AsyncStream<[UInt8]>.Continuation
        private let sent: AsyncStream<[UInt8]>.Continuation

        init() {
            (inbound, received) = AsyncStream.makeStream()
            (outbound, sent) = AsyncStream.makeStream()
        }

        func say(_ bytes: [UInt8]) { received.yield(bytes) }
        func send(_ bytes: [UInt8]) async { sent.yield(bytes) }
        func setLine(_ line: LineSettings) async {}
        func close() async {
            received.finish()
            sent.finish()
        }
    }

    private static func wrapped(_ apdu: [UInt8]) -> [UInt8] { [0, 1, 0, 1, 0, 1, 0, UInt8(apdu.count)] + apdu }

    /// Says one thing after another over a line of its own, and hears an answer to each.
    private func answers(_ meter: SimulatedMeter, to requests: [[UInt8]]) async -> [[UInt8]] {
        let line = Line()
        async let running: Void = meter.run(over: line)
        var answers: [[UInt8]] = []
        var heard = line.outbound.makeAsyncIterator()
        for request in requests {
            line.say(Self.wrapped(request))
            guard let answer = await heard.next() else { break }
            answers.append(Array(answer.dropFirst(8)))
        }
        await line.close()
        await running
        return answers
    }

    @Test("remembers counters and attempts from one connection to the next, but no association")
    func memory() async throws {
        var configuration = DLMSServer.Configuration()
        configuration.clients = [.init(address: 1, keys: Asking.keys, isCiphered: true)]
        let server = SimulatedDLMSMeter(configuration: configuration, framing: .wrapper)
        let meter = SimulatedMeter(kind: .dlms(server), seed: 1)
        #expect(meter.line == LineSettings(baud: 9600))
        func associate(_ counter: UInt32) throws -> [UInt8] {
            let user = Asking.ciphered(0x21, try Asking.seal(Asking.initiate(), counter: counter))
            return Asking.associate(context: 3, title: Asking.title, user: user)
        }
        let set = Asking.hex("C101C1000300015E230BFF02000600002710")
        let first = await answers(
            meter, to: [try associate(1), Asking.ciphered(0xC9, try Asking.seal(set, counter: 2))])
        #expect(first.map(\.first) == [0x61, 0xCD])
        #expect(server.memory.writesAttempted == 1)
        let get = Asking.get(8, "0000010000FF", 2)
        let second = await answers(
            meter,
            to: [
                Asking.ciphered(0xC8, try Asking.seal(get, counter: 3)), try associate(2), try associate(3),
                Asking.ciphered(0xC8, try Asking.seal(get, counter: 4)),
            ])
        #expect(second.prefix(2) == [[0xD8, 1, 1], [0xD8, 1, 6, 0, 0, 0, 3]])
        #expect(second.dropFirst(2).map(\.first) == [0x61, 0xCC])
        #expect(server.memory.requests == 6)
    }

    @Test("its load profile leads to what its register shows")
    func profile() async throws {
        var configuration = DLMSServer.Configuration()
        configuration.clients = [.init(address: 1)]
        configuration.profile.entries = 1
        let server = SimulatedDLMSMeter(configuration: configuration, framing: .wrapper)
        let answers = await answers(
            SimulatedMeter(kind: .dlms(server), seed: 1),
            to: [
                Asking.associate(), Asking.get(3, "0100010800FF", 2), Asking.get(7, "0100630100FF", 2),
            ])
        try #require(answers.count == 3)
        func number(_ bytes: some Collection<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }
        let register = number(answers[1].suffix(4))
        let entry = number(answers[2].suffix(9).prefix(4))
        // One period uses at most 1180 W for a quarter of an hour.
        #expect((register - 300...register).contains(entry))
    }

    @Test("ends the connection in the middle of an answer when told to")
    func closes() async {
        var faults = DLMSServer.Faults()
        faults.closedFrame = 1
        var configuration = DLMSServer.Configuration()
        configuration.clients = [.init(address: 1)]
        let server = SimulatedDLMSMeter(configuration: configuration, framing: .wrapper, faults: faults)
        let line = Line()
        async let running: Void = SimulatedMeter(kind: .dlms(server), seed: 1).run(over: line)
        line.say(Self.wrapped(Asking.associate()))
        var pieces: [[UInt8]] = []
        for await piece in line.outbound { pieces.append(piece) }
        await running
        #expect(pieces.map(\.count) == [25])
    }
}
