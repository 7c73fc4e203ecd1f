import MeterSimulator
import OBIS
import TestSupport
import Testing

@Suite("The simulated DLMS meter gives what it is asked for")
struct ServiceTests {
    @Test("values, scalers and units of its house")
    func registers() {
        var server = DLMSServer.open()
        let house = Household(seed: 1)
        func uint32(_ value: Int) -> [UInt8] { [6] + (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
        func uint16(_ value: Int) -> [UInt8] { [0x12, UInt8(value >> 8), UInt8(value & 0xFF)] }
        let cases: [(UInt8, String, UInt8, [UInt8])] = [
            (3, "0100010800FF", 2, uint32(house.imported)), (3, "0100010800FF", 3, [2, 2, 0x0F, 0, 0x16, 30]),
            (3, "0100020800FF", 2, uint32(house.exported)),
            (3, "0100200700FF", 2, uint16(house.phases[0].voltage * 10)),
            (3, "0100200700FF", 3, [2, 2, 0x0F, 0xFF, 0x16, 35]),
            (3, "01001F0700FF", 2, uint16(house.phases[0].current)),
            (3, "01001F0700FF", 3, [2, 2, 0x0F, 0xFE, 0x16, 33]),
            (3, "0100010800FF", 1, Asking.hex("09060100010800FF")),
            (8, "0000010000FF", 2, Asking.hex("090C07EA010F040C223800800000")),
            (1, "00002A0000FF", 2, [9, 13] + Array("OBI0012345678".utf8)),
            (1, "0000600100FF", 2, [9, 8] + Array("12345678".utf8)),
            (7, "0100630100FF", 4, uint32(900)), (5, "0100010400FF", 8, uint32(900)),
        ]
        for (classID, code, attribute, data) in cases {
            let answer = server.ask(Asking.get(classID, code, attribute))
            #expect(answer.map(\.hex) == [([0xC4, 1, 0xC1, 0] + data).hex], "\(code) \(attribute)")
        }
    }

    @Test("the clock's deviation is minutes to UTC")
    func deviation() {
        var server = DLMSServer.open()
        let summer = MeterTime(
            year: 2026, month: 7, day: 1, hour: 2, minute: 0, second: 0, utcOffset: 120, isDaylightSaving: true)
        #expect(
            server.ask(Asking.get(8, "0000010000FF", 2), at: summer).map(\.hex)
                == ["C401C100090C07EA070103020000" + "00FF8880"])
    }

    @Test("refusals name their reason")
    func refusals() {
        var server = DLMSServer.open { $0.refusals = [ObisCode(1, 0, 14, 7, 0): .temporaryFailure] }
        for (request, result) in [
            (Asking.get(3, "0100630800FF", 2), 4), (Asking.get(3, "0100010800FF", 9), 4),
            (Asking.get(1, "0100010800FF", 2), 9), (Asking.get(3, "01000E0700FF", 2), 2),
            (Asking.get(3, "0100010800FF", 2, selection: [2, 0]), 12),
        ] as [([UInt8], UInt8)] {
            #expect(server.ask(request) == [[0xC4, 1, 0xC1, 1, result]])
        }
        #expect(server.ask([0xD9, 1]) == [[0xD8, 2, 2]])
        #expect(server.ask([0xC0, 1, 0xC1, 0]) == [[0xD8, 2, 2]])
    }

    @Test("whoever wants to change something is refused and counted")
    func writes() {
        var server = DLMSServer.open()
        #expect(server.ask(Asking.hex("C101C1000300015E230BFF02000600002710")) == [[0xC5, 1, 0xC1, 3]])
        #expect(server.ask(Asking.hex("C301C10046000060030AFF01010F00")) == [[0xC7, 1, 0xC1, 3, 0]])
        // Nobody has to prove itself here.
        #expect(server.ask(Asking.prove([1, 2, 3])) == [[0xC7, 1, 0xC1, 3, 0]])
        #expect(server.memory.writesAttempted == 3)
    }

    @Test("lists, where both sides have them")
    func lists() {
        let list =
            [0xC0, 3, 0xC1, 3] + Asking.descriptor(3, "0100020800FF", 3) + Asking.descriptor(3, "0100630800FF", 2)
            + Asking.descriptor(1, "0000600100FF", 2)
        var server = DLMSServer.open()
        let answer: [UInt8] =
            [0xC4, 3, 0xC1, 3, 0, 2, 2, 0x0F, 0, 0x16, 30, 1, 4, 0, 9, 8] + Array("12345678".utf8)
        #expect(server.ask(list) == [answer])
        var without = DLMSServer.open { $0.conformance.remove(.multipleReferences) }
        #expect(without.ask(list) == [[0xD8, 2, 2]])
    }

    // MARK: Long answers

    @Test("blocks hold together what one message holds", arguments: [64, 100, 128, 200])
    func blocks(size: Int) throws {
        let request = Asking.get(15, "0000280000FF", 2)
        var whole = DLMSServer.open { $0.pduSize = 60_000 }
        var cut = DLMSServer.open { $0.pduSize = size }
        let answer = try #require(whole.ask(request).first)
        let first = try #require(cut.ask(request).first)
        var content: [UInt8] = []
        var block = first
        for number in 1..<200 {
            #expect(block.count <= size)
            #expect(block[4..<8] == [0, 0, UInt8(number >> 8), UInt8(number & 0xFF)])
            content += block[(block[9] < 0x80 ? 10 : 10 + Int(block[9] & 0x7F))...]
            guard block[3] == 0 else { break }
            let next = cut.ask(Asking.next(UInt8(number)))
            // Who asks again gets the same again.
            #expect(cut.ask(Asking.next(UInt8(number))) == next)
            block = try #require(next.first)
        }
        #expect(block[3] == 1)
        #expect([0xC4, 1, 0xC1, 0] + content == answer)
    }

    @Test("blocks that nobody asked for, and those that are not next, are refused")
    func wrongBlocks() {
        var server = DLMSServer.open { $0.pduSize = 64 }
        #expect(server.ask(Asking.next(1)) == [[0xC4, 2, 0xC1, 1, 0, 0, 0, 1, 1, 16]])
        _ = server.ask(Asking.get(15, "0000280000FF", 2))
        #expect(server.ask(Asking.next(3)) == [[0xC4, 2, 0xC1, 1, 0, 0, 0, 3, 1, 19]])
        #expect(server.ask(Asking.next(1)) == [[0xC4, 2, 0xC1, 1, 0, 0, 0, 1, 1, 16]])
        var without = DLMSServer.open {
            $0.pduSize = 64
            $0.conformance.remove(.blockTransferWithGet)
        }
        #expect(without.ask(Asking.get(15, "0000280000FF", 2)) == [[0xD8, 1, 4]])
    }

    @Test("general blocks stream as many as the client's window takes, and again what was lost")
    func generalBlocks() throws {
        let request = Asking.get(15, "0000280000FF", 2)
        var whole = DLMSServer.open { $0.pduSize = 60_000 }
        let answer = try #require(whole.ask(request).first)
        var server = DLMSServer.open {
            $0.pduSize = 100
            $0.conformance.insert(.generalBlockTransfer)
        }
        let first = try #require(server.ask(request).first)
        var content = Array(first.dropFirst(7))
        #expect(first.prefix(6) == [0xE0, 0x01, 0, 1, 0, 0])
        let three = server.ask([0xE0, 0x83, 0, 1, 0, 1, 0])
        #expect(three.map { $0[1] } == [0x41, 0x41, 0x01])
        #expect(three.map { $0[3] } == [2, 3, 4])
        // The third was lost: from there again.
        #expect(server.ask([0xE0, 0x83, 0, 2, 0, 2, 0]).first?.dropFirst(6) == three[1].dropFirst(6))
        content += three.flatMap { $0.dropFirst(7) }
        var confirmed: UInt8 = 4
        while let block = server.ask([0xE0, 0x81, 0, confirmed, 0, confirmed, 0]).first, confirmed < 200 {
            confirmed += 1
            content += block.dropFirst(7)
            if block[1] & 0x80 != 0 { break }
        }
        #expect(content == answer)
        #expect(server.ask([0xE0, 0x81, 0, confirmed, 0, confirmed, 0]) == [])
    }
}
