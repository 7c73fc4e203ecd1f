import MBus
import MeterSimulator
import OBIS
import Testing
import Wire

@Suite("A simulated slave")
struct MBusSlaveTests {
    private static let house = Household(seed: 3)
    private static let time = MeterTime(year: 2026, month: 7, day: 15, hour: 12, minute: 34, second: 0)
    private static let acknowledge: [[UInt8]] = [[0xE5]]

    private static func request(_ address: UInt8, _ frameCountBit: Bool) -> [UInt8] {
        ShortFrame.requestData(address, frameCountBit: frameCountBit).encoded()
    }

    private static func response(_ answers: [[UInt8]]) throws -> MeterResponse {
        let bytes = try #require(answers.first)
        guard answers.count == 1, case .frame(let frame, let length) = LongFrameCandidate(at: 0, in: bytes.rawSpan),
            length == bytes.count
        else { throw WireError(.framing, "no single answer") }
        return try MeterResponse(frame)
    }

    @Test("answers its primary address and no other")
    func primary() throws {
        var slave = MBusSlave(configuration: .init(address: 5))
        #expect(slave.receive(ShortFrame.reset(5).encoded(), house: Self.house) == Self.acknowledge)
        #expect(slave.receive(ShortFrame.reset(6).encoded(), house: Self.house) == [])
        #expect(slave.receive(Self.request(6, true), house: Self.house) == [])
        #expect(slave.receive(Self.request(253, true), house: Self.house) == [])
        #expect(slave.receive(ShortFrame.reset(255).encoded(), house: Self.house) == [])
        #expect(slave.receive(ShortFrame.reset(254).encoded(), house: Self.house) == Self.acknowledge)
        #expect(
            slave.receive(ShortFrame.requestAlarm(5, frameCountBit: true).encoded(), house: Self.house)
                == Self.acknowledge)
        let response = try Self.response(slave.receive(Self.request(5, true), house: Self.house))
        #expect(response.address == 5 && response.secondaryAddress == slave.configuration.secondaryAddress)
    }

    @Test("shows the numbers of its house")
    func electricity() throws {
        var slave = MBusSlave()
        let telegram = try Self.response(slave.receive(Self.request(1, true), house: Self.house, time: Self.time))
            .telegram
        #expect(telegram.meter.id == "12345678" && telegram.meter.manufacturer == "OBI")
        #expect(telegram.meterTime?.local == Self.time?.local)
        func number(_ code: String) -> FixedDecimal? {
            telegram.registers.first { $0.obis?.description == code }?.value.number
        }
        #expect(number("1-0:1.8.0*255") == FixedDecimal(Int64(Self.house.imported)))
        #expect(number("1-0:2.8.0*255") == FixedDecimal(Int64(Self.house.exported)))
        #expect(number("1-0:16.7.0*255") == FixedDecimal(Int64(Self.house.power)))
        for (index, phase) in Self.house.phases.enumerated() {
            #expect(number("1-0:\(32 + 20 * index).7.0*255") == FixedDecimal(Int64(phase.voltage)))
            #expect(number("1-0:\(31 + 20 * index).7.0*255") == FixedDecimal(Int64(phase.current), exponent: -2))
            #expect(number("1-0:\(36 + 20 * index).7.0*255") == FixedDecimal(Int64(phase.power)))
        }
        let stored = telegram.registers.first { $0.printedCode == "energy_forward:s1" }
        #expect(stored?.time?.local == "2026-07-01T00:00:00")
    }

    static let named: [(MBusSlave.Kind, Set<String>)] = [
        (.gas, ["7-0:3.0.0*255", "7-0:43.0.0*255"]), (.water, ["8-0:1.0.0*255", "8-0:2.0.0*255"]),
        (
            .heat,
            [
                "6-0:1.0.0*255", "6-0:2.0.0*255", "6-0:8.0.0*255", "6-0:9.0.0*255", "6-0:10.0.0*255", "6-0:11.0.0*255",
                "6-0:12.0.0*255",
            ]
        ),
    ]

    @Test("measures gas, water and heat", arguments: named)
    func thermal(kind: MBusSlave.Kind, codes: Set<String>) throws {
        var slave = MBusSlave(configuration: .init(kind: kind))
        let telegram = try Self.response(slave.receive(Self.request(1, true), house: Self.house, time: Self.time))
            .telegram
        #expect(telegram.meter.medium?.rawValue == kind.rawValue)
        #expect(Set(telegram.registers.compactMap(\.obis?.description)) == codes)
    }

    @Test("repeats its answer for the same frame count bit and goes on for the other")
    func frameCountBit() throws {
        var slave = MBusSlave(configuration: .init(telegrams: 3))
        let first = slave.receive(Self.request(1, true), house: Self.house)
        #expect(slave.receive(Self.request(1, true), house: Self.house) == first)
        let second = slave.receive(Self.request(1, false), house: Self.house)
        let third = slave.receive(Self.request(1, true), house: Self.house)
        #expect(second != first && third != first)
        let responses = try [first, second, third].map(Self.response)
        #expect(responses.map(\.moreRecordsFollow) == [true, true, false])
        #expect(responses.map(\.telegram.meter.accessNumber) == [1, 2, 3])
        // Then it begins again, as it does after SND_NKE.
        #expect(try Self.response(slave.receive(Self.request(1, false), house: Self.house)).moreRecordsFollow)
        _ = slave.receive(ShortFrame.reset(1).encoded(), house: Self.house)
        let again = try Self.response(slave.receive(Self.request(1, true), house: Self.house))
        #expect(again.telegram.registers == responses[0].telegram.registers)
    }

    @Test("is selected by its secondary address, until another is or the selection ends")
    func secondary() throws {
        var slave = MBusSlave(configuration: .init(address: 0, serial: "4711"))
        func select(_ text: String) throws -> [[UInt8]] {
            let frame = try #require(SecondaryAddress(text)?.selection.encoded())
            return slave.receive(frame, house: Self.house)
        }
        #expect(try select("00004711/OBI/01/02") == Self.acknowledge)
        #expect(slave.isSelected)
        #expect(
            try Self.response(slave.receive(Self.request(253, true), house: Self.house)).telegram.meter.id == "00004711"
        )
        #expect(try select("00004712") == [] && !slave.isSelected)
        #expect(slave.receive(Self.request(253, true), house: Self.house) == [])
        #expect(try select("0000FF11") == Self.acknowledge)
        #expect(slave.receive(ShortFrame.reset(253).encoded(), house: Self.house) == Self.acknowledge)
        #expect(!slave.isSelected && slave.receive(ShortFrame.reset(253).encoded(), house: Self.house) == [])
    }

    @Test("has two counters in the fixed structure", arguments: MBusSlave.Kind.allCases)
    func fixed(kind: MBusSlave.Kind) throws {
        var slave = MBusSlave(configuration: .init(kind: kind, structure: .fixed))
        let telegram = try Self.response(slave.receive(Self.request(1, true), house: Self.house)).telegram
        #expect(telegram.registers.count == 2 && telegram.meter.medium?.rawValue == kind.rawValue)
        #expect(telegram.meter.id == "12345678" && telegram.registers.first?.obis != nil || kind == .electricity)
    }

    @Test("fails as it is told to")
    func faults() throws {
        var slave = MBusSlave(faults: .init(isMute: true))
        #expect(slave.receive(Self.request(1, true), house: Self.house) == [])
        slave.faults = .init(wrongChecksums: 1)
        let wrong = try #require(slave.receive(Self.request(1, false), house: Self.house).first)
        guard case .damaged(let error, _) = LongFrameCandidate(at: 0, in: wrong.rawSpan) else {
            Issue.record("not damaged")
            return
        }
        #expect(error.code == .checksum)
        // The repeat of it is right.
        #expect(throws: Never.self) { try Self.response(slave.receive(Self.request(1, false), house: Self.house)) }
    }

    @Test("hears frames in pieces, between noise, and forgets half ones when the line falls silent")
    func pieces() {
        var slave = MBusSlave()
        var answers: [[UInt8]] = []
        for byte in [0x00, 0x68, 0x42] + Self.request(1, true) { answers += slave.receive([byte], house: Self.house) }
        #expect(answers.count == 1)
        #expect(slave.receive([0x68, 0x0B, 0x0B, 0x68], house: Self.house) == [])
        slave.lineFellSilent()
        #expect(slave.receive(Self.request(1, true), house: Self.house).count == 1)
    }
}
