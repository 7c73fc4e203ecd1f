import MeterSimulator
import OBIS
import TestSupport
import Testing

@Suite("The simulated DLMS meter misbehaves on demand")
struct ServerFaultTests {
    private static func server(_ change: (inout DLMSServer.Faults) -> Void) -> DLMSServer {
        var faults = DLMSServer.Faults()
        change(&faults)
        return DLMSServer.open(faults: faults)
    }

    private static let get = Asking.get(1, "0000600100FF", 2)
    private static let answer = [0xC4, 1, 0xC1, 0, 9, 8] + Array("12345678".utf8)

    @Test("and does it as often as it was told")
    func counted() {
        var foreign = Self.answer
        foreign[2] ^= 1
        var server = Self.server { $0.wrongInvokeIDs = 1 }
        #expect(server.ask(Self.get) == [foreign])
        #expect(server.ask(Self.get) == [Self.answer])
        server = Self.server { $0.notifications = 1 }
        #expect(server.ask(Self.get).map(\.first) == [0x0F, 0xC4])
        #expect(server.ask(Self.get) == [Self.answer])
        // The association was request 1.
        server = Self.server { $0.silentFromRequest = 3 }
        #expect(server.ask(Self.get) == [Self.answer])
        #expect(server.ask(Self.get) == [])
        server = Self.server { $0.refusedAssociations = 2 }
        #expect(server.ask(Self.get) == [[0xD8, 1, 1]])
        _ = server.ask(Asking.associate())
        #expect(server.ask(Self.get) == [[0xD8, 1, 1]])
        _ = server.ask(Asking.associate())
        #expect(server.ask(Self.get) == [Self.answer])
    }

    @Test("it gives up in the middle of a long answer")
    func aborted() {
        var faults = DLMSServer.Faults()
        faults.abortedBlock = 3
        var server = DLMSServer.open({ $0.pduSize = 64 }, faults: faults)
        _ = server.ask(Asking.get(15, "0000280000FF", 2))
        #expect(server.ask(Asking.next(1)).first?.prefix(4) == [0xC4, 2, 0xC1, 0])
        #expect(server.ask(Asking.next(2)) == [[0xC4, 2, 0xC1, 1, 0, 0, 0, 2, 1, 15]])
    }

    @Test("tags are wrong, and counters go back")
    func ciphering() throws {
        var configuration = DLMSServer.Configuration()
        configuration.clients = [.init(address: 1, keys: Asking.keys, isCiphered: true)]
        var faults = DLMSServer.Faults()
        (faults.wrongTags, faults.repeatedCounters) = (2, 0)
        var server = DLMSServer(configuration: configuration, faults: faults)
        let user = Asking.ciphered(0x21, try Asking.seal(Asking.initiate(), counter: 1))
        _ = server.ask(Asking.associate(context: 3, title: Asking.title, user: user))
        func ask(_ counter: UInt32) throws -> [UInt8] {
            try #require(server.ask(Asking.ciphered(0xC8, try Asking.seal(Self.get, counter: counter))).first)
        }
        // The first wrong tag went out with the association.
        #expect(try Asking.open(try ask(2), title: configuration.systemTitle) == nil)
        let right = try ask(3)
        #expect(try Asking.open(right, title: configuration.systemTitle) == Self.answer)
        server.memory.faults.repeatedCounters = 1
        let back = try ask(4)
        #expect(try Asking.open(back, title: configuration.systemTitle) == Self.answer)
        #expect(right[3..<7].last.map { $0 - 1 } == back[3..<7].last)
        #expect(try ask(5)[6] == right[6] + 1)
    }
}
