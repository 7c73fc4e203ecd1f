import Configuration
import MeterSimulator
import Metering
import OBIS
import Testing
import Wire

@Suite("Which profile fits")
struct ProfileFitTests {
    private static func telegram(voltage: Int64, maker: String?) -> Telegram {
        func register(_ code: ObisCode, _ value: Int64) -> Register {
            let number = RegisterValue.number(FixedDecimal(value))
            return Register(obis: code, value: number, wireValue: number)
        }
        return Telegram(
            meter: MeterIdentity(manufacturer: maker),
            registers: [
                register(ObisCode(1, 0, 1, 8, 0, 255), 123_456), register(ObisCode(1, 0, 1, 7, 0, 255), 1234),
                register(ObisCode(1, 0, 32, 7, 0, 255), voltage), register(ObisCode(1, 0, 31, 7, 0, 255), 412),
            ])
    }

    @Test(
        "is told by plausible voltages and by the maker",
        arguments: [
            (231, "LGZ", "lg-e450", Confidence.certain), (2310, "LGZ", "lg-e360", .certain),
            (2310, "ISK", "iskra-am550", .certain), (2310, "KFM", "kaifa", .certain),
            (231, "KAM", "kamstrup-omnipower-10wh", .guess),
        ] as [(Int64, String, String, Confidence)])
    func named(voltage: Int64, maker: String, name: String, confidence: Confidence) {
        let fit = ProfileFit.best(
            for: [Self.telegram(voltage: voltage, maker: maker)], among: ShippedProfiles.all)
        #expect(
            fit?.profile.name == name && fit?.confidence == confidence,
            "\(fit?.profile.name ?? "-"): \(fit?.why ?? "-")")
    }

    @Test("is a guess where several profiles fit and the maker is not known")
    func unknownMaker() {
        let fit = ProfileFit.best(for: [Self.telegram(voltage: 2310, maker: nil)], among: ShippedProfiles.all)
        #expect(fit?.confidence == .guess && fit?.why.contains("but so do") == true)
    }

    @Test("is none where the wire has all units")
    func complete() {
        var telegram = Self.telegram(voltage: 231, maker: "LGZ")
        for index in telegram.registers.indices { telegram.registers[index].unit = .volt }
        #expect(ProfileFit.best(for: [telegram], among: ShippedProfiles.all) == nil)
    }
}
