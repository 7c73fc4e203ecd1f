import OBIS
import SML
import TestSupport
import Testing

@testable import MeterSimulator

@Suite("The simulated SML meter")
struct SMLMeterTests {
    private func decode(_ bytes: [UInt8]) -> Findings {
        Findings(FramerVerifier.outputs(SMLDecoder(), chunks: [bytes]))
    }

    @Test("sends what its house uses", arguments: 0..<20 as Range<UInt64>)
    func values(seed: UInt64) throws {
        var house = Household(seed: seed)
        var meter = SMLMeter(configuration: .init())
        let time = MeterTime(localSeconds: 1_768_476_896).at(utcOffset: 60)
        for _ in 0..<50 {
            house.advance(by: .seconds(7))
            let found = decode(meter.push(house, time: time))
            let telegram = try #require(found.telegrams.first)
            #expect(found.telegrams.count == 1 && found.lost == 0)
            #expect(telegram.meter == MeterIdentity(id: "1EMH0012345678", manufacturer: "EMH", medium: .electricity))
            #expect(telegram.meterTime?.description == "2026-01-15T10:34:56+00:00")
            func number(_ c: UInt8, _ d: UInt8 = 7) -> FixedDecimal? {
                telegram.registers.first { $0.obis == ObisCode(1, 0, c, d, 0) }?.value.number
            }
            #expect(number(1, 8) == FixedDecimal(Int64(house.imported)))
            #expect(number(2, 8) == FixedDecimal(Int64(house.exported)))
            #expect(number(16) == FixedDecimal(Int64(house.power)))
            for (index, phase) in house.phases.enumerated() {
                let first = UInt8(20 * index)
                #expect(number(36 + first) == FixedDecimal(Int64(phase.power)))
                #expect(number(32 + first) == FixedDecimal(Int64(phase.voltage)))
                #expect(number(31 + first) == FixedDecimal(Int64(phase.current), exponent: -2))
            }
            #expect(telegram.registers.count == 14)
        }
    }

    @Test("damages every n-th push as it is told to")
    func faults() {
        var configuration = SMLMeter.Configuration()
        configuration.faults.flippedBitEvery = 3
        configuration.faults.noiseEvery = 5
        var meter = SMLMeter(configuration: configuration)
        let house = Household(seed: 1)
        for push in 1...30 {
            let found = decode(meter.push(house, time: MeterTime(localSeconds: 0)))
            #expect(found.codes == (push % 3 == 0 ? [.checksum] : []))
            #expect(found.telegrams.count == (push % 3 == 0 ? 0 : 1))
            #expect((found.noise > 0) == (push % 5 == 0))
        }
    }

    @Test("checks with Kermit like one of Holley")
    func kermit() {
        let holley = Sample.push(seed: 3, configuration: .init(serial: "879590", manufacturer: "HLY", usesKermit: true))
        #expect(decode(holley).telegrams.first?.meter.id == "1HLY0000879590")
        let other = Sample.push(seed: 3, configuration: .init(usesKermit: true))
        #expect(decode(other).codes == [.checksum])
    }

    @Test("sends escape sequences in its content twice")
    func doubled() {
        let list = Sample.list(
            entries: [Sample.entry([1, 0, 96, 1, 0, 255], value: Sample.octets(Array(repeating: 0x1B, count: 9)))])
        #expect(SMLMeter.file(list, usesKermit: false) == Sample.file([list]))
    }
}
