import IEC62056
import MeterSimulator
import OBIS
import TestSupport
import Testing

@Suite("Simulated meters with a P1 port")
struct P1MeterTests {
    static let time = MeterTime(localSeconds: 1_768_480_496)

    @Test("tell what the house has", arguments: P1Meter.Version.allCases)
    func content(_ version: P1Meter.Version) throws {
        let house = Household(seed: 7)
        var meter = P1Meter(configuration: .init(version: version))
        let telegram = try #require(P1.telegrams(meter.telegram(house, time: Self.time, isSummer: true)).first)
        var imported = 0
        var power: FixedDecimal?
        for register in telegram.registers {
            guard let code = register.obis, let number = register.value.number else { continue }
            if code.a == 1, code.c == 1, code.d == 8 {
                let energy = try #require(register.unit?.convert(number, to: .wattHour))
                imported += try #require(Int(energy.description))
            }
            if code == ObisCode(1, 0, 1, 7, 0) { power = register.unit?.convert(number, to: .watt) }
        }
        #expect(imported == house.imported)
        let expected = max(0, house.power)
        #expect(power == FixedDecimal(Int64(version == .v22 ? expected / 10 * 10 : expected)))
        #expect(telegram.meter.id == (version == .se ? nil : "E0012345678901234"))
        #expect(telegram.meterTime?.description == (version == .v22 ? nil : Self.time.description))
        #expect(telegram.meterTime?.isDaylightSaving == (version == .v22 ? nil : true))
    }

    @Test("have the check that is asked for", arguments: P1Checksum.allCases)
    func checks(_ checksum: P1Checksum) {
        var meter = P1Meter(configuration: .init(version: .se, checksum: checksum))
        let bytes = meter.telegram(Household(seed: 7), time: Self.time, isSummer: false)
        #expect(P1.telegrams(bytes).count == 1)
        #expect(P1.telegrams(bytes, checksum: .arc).count == (checksum == .auto || checksum == .arc ? 1 : 0))
        #expect(P1.telegrams(bytes, checksum: .x25).count == (checksum == .x25 ? 1 : 0))
    }

    @Test("damage the telegrams that they are told to")
    func faults() {
        var faults = P1Meter.Faults()
        faults.noiseEvery = 3
        faults.flippedBitEvery = 2
        var meter = P1Meter(configuration: .init(faults: faults))
        let findings = (1...6).map { _ in
            let bytes = meter.telegram(Household(seed: 7), time: Self.time, isSummer: false)
            return FramerVerifier.outputs(P1Decoder(), chunks: [bytes]).map { output in
                switch output {
                case .frame: "telegram"
                case .rejected: "damage"
                case .noise: "noise"
                }
            }
        }
        let plain = ["telegram"]
        #expect(findings == [plain, ["damage"], ["noise", "telegram"], ["damage"], plain, ["noise", "damage"]])
    }
}
