import Configuration
import Metering
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Shipped profiles")
struct ProfileTests {
    static let encryptionKey = Corpus.bytes(hex: "000102030405060708090A0B0C0D0E0F")
    static let authenticationKey = Corpus.bytes(hex: "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")

    /// Frames of an E450 made with sample keys: what each profile makes of them is known.
    static let frames: [(name: String, profile: String, isCiphered: Bool, hex: [String])] = [
        (
            "Burgenland, plain", "lg-e450-burgenland", false,
            [
                """
                7ea05aceff03139d15e6e7000f000001230c07e8010f010c223800800000020e1200e71200e51200e61200d71200281203eb0600000afa\
                0600000000060012d6870600015bb41200001200f01200780908313233343536373816e47e
                """
            ]
        ),
        (
            "Burgenland, authenticated", "lg-e450-burgenland", true,
            [
                """
                7ea076ceff03133c02e6e700db084c475a67720000015e30000001234968faea2bc280a7f175a58f3c1a23104761720b70c646af1e9c26\
                ad702b60bf12f513f4191d7f5f529b6958de6e88d7ce8ef78fbcdd8df4334c10e169094215a35349daea5162b46ecbf19a7ece87cabdfa\
                ff814cfe5d927825427e
                """
            ]
        ),
        (
            "Burgenland, encrypted", "lg-e450-burgenland", true,
            [
                """
                7ea06aceff03134cc1e6e700db084c475a67720000015220000001234968faea2bc280a7f175a58f3c1a23104761720b70c646af1e9c26\
                ad702b60bf12f513f4191d7f5f529b6958de6e88d7ce8ef78fbcdd8df4334c10e169094215a35349daea5162b46ecbf19a7e305d7e
                """
            ]
        ),
    ]

    @Test("name the values of an E450 that sends none", arguments: frames.indices)
    func bare(index: Int) throws {
        let (_, name, isCiphered, hex) = Self.frames[index]
        let telegram = try telegram(hex, profile: name, isCiphered: isCiphered)
        let values = NamedMapping().values(of: telegram.registers, medium: .electricity)
        #expect(
            named(values) == [
                "active_import 1234.567", "active_export 89.012", "active 2810", "l1 231", "l2 229", "l3 230",
                "l1 2.15", "l2 0.40", "l3 10.03",
            ])
        #expect(telegram.meter.id == "12345678" && telegram.meterTime?.local == "2024-01-15T12:34:56")
        #expect(
            telegram.registers.map { $0.code ?? "-" }.suffix(4) == [
                "1-0:81.7.4*255", "1-0:81.7.15*255", "1-0:81.7.26*255", "0-0:96.1.0*255",
            ])
        #expect(telegram.registers.suffix(4).dropLast().map { $0.value.number } == [0, 240, 120])
        #expect(telegram.ciphering?.invocationCounter == (isCiphered ? 0x123 : nil))
        // The key for the tag is there, so a message without one is worth a word.
        #expect(telegram.warnings.count == (telegram.ciphering?.isAuthenticated == false ? 1 : 0))
    }

    @Test("give the units of an object list in two blocks")
    func objectList() throws {
        let blocks = [
            """
            7ea084ceff0313128be6e700e04000010000700f000001230c07e8010f010c223800800000020601060204120028090600081909\
            00ff0f02120000020412000109060000600101ff0f02120000020412000309060100010700ff0f021200000204120003090601010108\
            00ff0f02120000020412000309060100200700ff0f02120000ac937e
            """,
            """
            7ea03cceff0313b68fe0c0000200002b0204120003090601001f0700ff0f021200000907373635343332310600000afa060012d687\
            1200e71200d790a57e
            """,
        ]
        let telegram = try telegram(blocks, profile: "lg-e450", isCiphered: false)
        let values = NamedMapping().values(of: telegram.registers, medium: .electricity)
        #expect(named(values) == ["active_import 1234.567", "active 2810", "l1 231", "l1 2.15"])
        #expect(telegram.meter.id == "7654321" && telegram.meterTime?.local == "2024-01-15T12:34:56")
    }

    @Test("leave values alone that carry their own unit, and numbers as they were sent")
    func wireFirst() throws {
        let profile = try #require(ShippedProfiles.named("lg-e450"))
        var telegram = Telegram(registers: [
            Register(
                obis: ObisCode("31.7.0"), value: .number(FixedDecimal(215, exponent: -1)), unit: .ampere,
                wireValue: .number(215)),
            Register(obis: ObisCode("51.7.0"), value: .number(215), wireValue: .number(215)),
            Register(obis: ObisCode("71.7.0"), value: .unavailable),
            Register(obis: ObisCode("14.7.0"), value: .number(500), wireValue: .number(500)),
            // A scale without a unit (255), and none of both.
            Register(obis: ObisCode("13.7.0"), value: .number(FixedDecimal(98, exponent: -2)), wireValue: .number(98)),
            Register(obis: ObisCode("13.7.0"), value: .number(980), wireValue: .number(980)),
        ])
        profile.apply(to: &telegram)
        #expect(
            telegram.registers.map { $0.value.number?.description } == ["21.5", "2.15", nil, "500", "0.98", "0.980"])
        #expect(telegram.registers.map { $0.unit?.symbol } == ["A", "A", nil, nil, nil, nil])
        #expect(telegram.registers[1].wireValue == .number(215))
    }

    @Test("say so when a list without codes is not theirs, and name nothing")
    func otherList() throws {
        let profile = try #require(ShippedProfiles.named("lg-e450-burgenland"))
        var telegram = Telegram(
            registers: (0..<3).map { Register(obis: nil, value: .number(FixedDecimal(Int64($0))), index: $0) },
            list: "u16,u16,u16")
        profile.apply(to: &telegram)
        #expect(telegram.registers.allSatisfy { $0.obis == nil && $0.index != nil })
        #expect(telegram.warnings.count == 1 && telegram.warnings[0].contains("lg-e450-burgenland"))
    }

    // MARK: Recorded pushes

    /// Recordings whose meaning another program states: the folder, the case, the profile, the quantity that decides.
    @Test("give a recorded E450 and AM550 the values that their projects expect")
    func projects() throws {
        let expectations: [(case: String, profile: String, values: [String])] = [
            (
                "LGZ_E450_gbt_VSE2026", "lg-e450",
                [
                    "active_import 482.939", "active_export 0.000", "reactive_import 0.037", "reactive_export 344.697",
                    "active 28", "l1 236", "l2 236", "l3 0", "l1 0.09", "l2 0.08", "l3 0.00",
                ]
            ),
            (
                "athom_slovenia-list-1", "iskra-am550-slovenia",
                [
                    "active 0", "reactive 0", "l1 0.0", "l2 0.0", "l3 234.6", "l1 0.00", "l2 0.00", "l3 0.00",
                ]
            ),
            (
                "athom_slovenia-list-2", "iskra-am550-slovenia",
                [
                    "active_import 3.810", "active_export 0.000", "reactive_import 4.531", "reactive_export 0.000",
                ]
            ),
            (
                "ISK_AM550_scaler_unit_3segments", "iskra-am550",
                [
                    "active_import 261.927", "active_export 63.832", "active 182", "l1 236.4", "l2 234.4", "l3 237.0",
                    "l1 0.63", "l2 0.89", "l3 0.68",
                ]
            ),
        ]
        guard let corpus = Corpus("dlms-push") else { return }
        let cases = try corpus.cases()
        for (name, profile, values) in expectations {
            let item = try #require(cases.first { $0.name == name })
            let telegram = try telegram(item.bytes, profile: profile, keys: ProtocolSettings())
            #expect(named(NamedMapping().values(of: telegram.registers, medium: .electricity)) == values, "\(name)")
        }
    }

    @Test("give a recorded encrypted push of Burgenland plausible values under their names")
    func burgenland() throws {
        guard let corpus = Corpus("dlms-push-encrypted") else { return }
        let item = try #require(try corpus.cases().first { $0.name == "LGZ_E450_Burgenland_gh501-1" })
        let keys = ProtocolSettings(
            encryptionKey: item.key("guek").map(Secret.init), authenticationKey: item.key("gak").map(Secret.init))
        let telegram = try telegram(item.bytes, profile: "lg-e450-burgenland", keys: keys)
        #expect(
            named(NamedMapping().values(of: telegram.registers, medium: .electricity)) == [
                "active_import 31358.606", "active_export 7.619", "active 29", "l1 236", "l2 237", "l3 236",
                "l1 0.00", "l2 0.04", "l3 0.26",
            ])
        #expect(telegram.meter.id == "30137181")
    }

    /// The names of another library, and the quantity that each stands for.
    private static let names: [String: (ObisCode.Quantity, Unit)] = {
        var table: [String: (ObisCode.Quantity, Unit)] = [
            "active_power_import": (.init(c: 1, d: 7, e: 0), .watt),
            "active_power_export": (.init(c: 2, d: 7, e: 0), .watt),
            "reactive_power_import": (.init(c: 3, d: 7, e: 0), .var),
            "reactive_power_export": (.init(c: 4, d: 7, e: 0), .var),
            "active_power_import_total": (.init(c: 1, d: 8, e: 0), .wattHour),
            "active_power_export_total": (.init(c: 2, d: 8, e: 0), .wattHour),
            "reactive_power_import_total": (.init(c: 3, d: 8, e: 0), .varHour),
            "reactive_power_export_total": (.init(c: 4, d: 8, e: 0), .varHour),
        ]
        for phase in UInt8(0)..<3 {
            table["current_l\(phase + 1)"] = (.init(c: 31 + 20 * phase, d: 7, e: 0), .ampere)
            table["voltage_l\(phase + 1)"] = (.init(c: 32 + 20 * phase, d: 7, e: 0), .volt)
        }
        return table
    }()

    @Test(
        "agree with another library on recorded Kaifa and Kamstrup meters",
        arguments: [("kaifa", ["KFM_", "amshan_kaifa"]), ("kamstrup-omnipower-10wh", ["KAM_", "amshan_kamstrup"])])
    func otherLibrary(profile: String, prefixes: [String]) throws {
        guard let corpus = Corpus("dlms-push") else { return }
        var compared = 0
        for item in try corpus.cases() where item.isValid && prefixes.contains(where: item.name.hasPrefix) {
            let messages = item.json["messages"] as? [[String: Any]] ?? []
            guard let expected = messages.first?["named_by_amshan"] as? [String: Any] else { continue }
            let telegram = try telegram(item.bytes, profile: profile, keys: ProtocolSettings())
            for (name, value) in expected {
                guard let (quantity, unit) = Self.names[name], let value = value as? Double else { continue }
                let found = telegram.registers.first { $0.obis?.quantity == quantity && $0.obis?.a == 1 }
                let number = found.flatMap { found in
                    found.value.number.flatMap { found.unit?.convert($0, to: unit) }
                }
                let isSame = number.map { abs($0.double - value) < 1e-6 } ?? false
                #expect(isSame, "\(item.name): \(name) \(value), here \(number?.description ?? "nothing")")
                compared += 1
            }
        }
        #expect(compared > 50)
    }

    // MARK: Support

    private func telegram(_ hex: [String], profile: String, isCiphered: Bool) throws -> Telegram {
        var keys = ProtocolSettings()
        if isCiphered {
            keys.encryptionKey = Secret(Self.encryptionKey)
            keys.authenticationKey = Secret(Self.authenticationKey)
        }
        return try telegram(hex.flatMap { Corpus.bytes(hex: $0) }, profile: profile, keys: keys)
    }

    /// The first telegram, through the decoder of the registry.
    private func telegram(_ bytes: [UInt8], profile: String, keys: ProtocolSettings) throws -> Telegram {
        var settings = keys
        let shipped = try #require(ShippedProfiles.named(profile))
        settings.profile = shipped
        let recording = Recording(protocolName: "dlms-push", name: profile, settings: settings, bytes: bytes)
        return try #require(try Findings(recording, [bytes]).telegrams.first)
    }
}

/// The known values with their keys, in the order of the fields.
func named(_ values: NamedValues) -> [String] {
    NamedField.allCases.compactMap { field in values[field].map { "\(field.key) \($0)" } }
}
