import Foundation
import Metering
import OBIS
import Testing

@testable import Configuration

@Suite("Profiles")
struct ProfileTests {
    @Test("every shipped file is part of the program and free of errors and warnings")
    func shippedFiles() throws {
        let folder = checkout.appendingPathComponent("Sources/Configuration/Profiles").path
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        #expect(ShippedProfiles.files.map(\.name) == names)
        #expect(ShippedProfiles.read().diagnostics == [])
        let profiles = [
            "iskra-am550", "iskra-am550-slovenia", "kaifa", "kamstrup-omnipower", "kamstrup-omnipower-10wh",
            "kamstrup-omnipower-wh",
            "lg-e360", "lg-e450", "lg-e450-burgenland", "lg-e450-steiermark", "lg-e450-wiener-netze",
        ]
        #expect(ShippedProfiles.all.map(\.name) == profiles)
        #expect(ShippedProfiles.all.allSatisfy { !$0.summary.isEmpty && !$0.units.isEmpty })
        #expect(ShippedProfiles.named("lg-e450")?.name == "lg-e450" && ShippedProfiles.named("none") == nil)
    }

    /// `10^power unit` of a code; empty where the profile says nothing.
    private func unit(_ profile: String, _ code: String) throws -> String {
        let profile = try #require(ShippedProfiles.named(profile))
        let code = try #require(ObisCode(code))
        guard let rule = profile.units.first(where: { $0.matches(code) }) else { return "" }
        return "10^\(rule.power) \(rule.unit?.symbol ?? "-")"
    }

    @Test(
        "the unit table of the E450, whichever channel a code names",
        arguments: [
            ("1-1:1.8.0", "10^0 Wh"), ("1-0:1.8.2", "10^0 Wh"), ("1-1:2.8.0", "10^0 Wh"), ("1-0:3.8.0", "10^0 varh"),
            ("1-1:5.8.0", "10^0 varh"), ("1-1:8.8.2", "10^0 varh"), ("1-0:1.7.0", "10^0 W"), ("1-0:2.7.0", "10^0 W"),
            ("1-0:21.7.0", "10^0 W"), ("1-0:62.7.0", "10^0 W"), ("1-0:3.7.0", "10^0 var"), ("1-0:4.7.0", "10^0 var"),
            ("1-0:32.7.0", "10^0 V"), ("1-0:72.7.0", "10^0 V"), ("1-0:31.7.0", "10^-2 A"), ("1-0:71.7.0", "10^-2 A"),
            ("1-0:13.7.0", "10^-3 -"), ("1-0:81.7.26", "10^0 deg"), ("0-0:96.1.0", ""), ("1-0:16.7.0", ""),
            ("1-0:1.7.1", ""),
        ])
    func e450(code: String, expected: String) throws {
        for profile in ["lg-e450", "lg-e450-steiermark", "lg-e450-burgenland", "lg-e450-wiener-netze"] {
            #expect(try unit(profile, code) == expected)
        }
    }

    @Test(
        "the scales of other meters",
        arguments: [
            ("lg-e360", "32.7.0", "10^-1 V"), ("lg-e360", "31.7.0", "10^-2 A"), ("lg-e360", "1.8.0", "10^0 Wh"),
            ("iskra-am550", "52.7.0", "10^-1 V"), ("iskra-am550", "51.7.0", "10^-2 A"), ("iskra-am550", "13.7.0", ""),
            ("kaifa", "32.7.0", "10^-1 V"), ("kaifa", "31.7.0", "10^-3 A"), ("kaifa", "1.8.0", "10^0 Wh"),
            ("kamstrup-omnipower", "1-1:32.7.0", "10^0 V"), ("kamstrup-omnipower", "1-1:31.7.0", "10^-2 A"),
            ("kamstrup-omnipower", "1-1:13.7.0", "10^-2 -"), ("kamstrup-omnipower", "1-1:1.8.0", ""),
            ("kamstrup-omnipower-wh", "1-1:1.8.0", "10^0 Wh"), ("kamstrup-omnipower-10wh", "1-1:1.8.0", "10^1 Wh"),
            ("kamstrup-omnipower-10wh", "1-1:4.8.0", "10^1 varh"), ("kamstrup-omnipower-10wh", "1-1:31.7.0", "10^-2 A"),
        ])
    func scales(profile: String, code: String, expected: String) throws {
        #expect(try unit(profile, code) == expected)
    }

    @Test(
        "lists without codes are known by their types",
        arguments: [
            ("lg-e450-burgenland", [14, 11]), ("lg-e450-wiener-netze", [9, 10]),
            ("iskra-am550-slovenia", [18, 12, 12]),
            ("kaifa", [1, 9, 14, 13, 18, 18]), ("lg-e450", []), ("lg-e450-steiermark", []),
        ])
    func lists(profile: String, counts: [Int]) throws {
        let profile = try #require(ShippedProfiles.named(profile))
        #expect(profile.lists.map(\.types.count) == counts)
        #expect(profile.lists.allSatisfy { $0.codes.count == $0.types.count && !$0.codes.contains(nil) })
        #expect(profile.lists.allSatisfy { Set($0.codes).count == $0.codes.count })
    }

    @Test("the lists of Burgenland and Vienna name what the utilities say")
    func listCodes() throws {
        func codes(_ name: String) throws -> [String] {
            let list = try #require(ShippedProfiles.named(name)?.lists.first)
            return zip(list.types, list.codes).map { type, code in
                "\(type) \(code.map { "\($0.c).\($0.d).\($0.e)" } ?? "-")"
            }
        }
        #expect(
            try codes("lg-e450-burgenland") == [
                "u16 32.7.0", "u16 52.7.0", "u16 72.7.0", "u16 31.7.0", "u16 51.7.0", "u16 71.7.0", "u32 1.7.0",
                "u32 2.7.0",
                "u32 1.8.0", "u32 2.8.0", "u16 81.7.4", "u16 81.7.15", "u16 81.7.26", "octets 96.1.0",
            ])
        #expect(
            try codes("lg-e450-wiener-netze") == [
                "octets 1.0.0", "u32 1.8.0", "u32 2.8.0", "u32 3.8.0", "u32 4.8.0", "u32 1.7.0", "u32 2.7.0",
                "u32 3.7.0",
                "u32 4.7.0",
            ])
    }

    @Test("a profile of the configuration stands alone, extends another, or replaces a shipped one")
    func own() throws {
        let text = """
            profiles:
              alone:
                summary: My utility
                units: {"1.8.*": Wh, "31.7.0": 0.01 A, "13.7.0": "0.001", "*.29.*": 10 varh, "14.7.0": 1 Hz}
                lists:
                  - types: [u16, octets]
                    values: ["1-0:32.7.0", null]
              derived:
                extends: alone
                units: {"31.7.0": A}
                lists:
                  - {types: [u16, octets], values: [null, 0-0:96.1.0]}
                  - {types: [u8], values: [F.F]}
              twice: {extends: derived}
              lg-e450: {extends: lg-e450, units: {"32.7.0": 0.1 V}}
            """
        let profiles = try load(text).profiles
        let alone = try #require(profiles["alone"])
        #expect(alone.name == "alone" && alone.summary == "My utility")
        #expect(
            alone.units == [
                .init(c: 1, d: 8, e: nil, power: 0, unit: .wattHour),
                .init(c: 31, d: 7, e: 0, power: -2, unit: .ampere),
                .init(c: 13, d: 7, e: 0, power: -3, unit: nil), .init(c: nil, d: 29, e: nil, power: 1, unit: .varHour),
                .init(c: 14, d: 7, e: 0, power: 0, unit: .hertz),
            ])
        #expect(alone.lists == [.init(types: ["u16", "octets"], codes: [ObisCode(1, 0, 32, 7, 0), nil])])

        let derived = try #require(profiles["derived"])
        #expect(derived.units.first == .init(c: 31, d: 7, e: 0, power: 0, unit: .ampere) && derived.units.count == 6)
        #expect(derived.lists.map(\.codes) == [[nil, ObisCode(0, 0, 96, 1, 0)], [ObisCode(0, 0, 97, 97, 0)]])
        #expect(profiles["twice"]?.units == derived.units)

        let replaced = try #require(profiles["lg-e450"])
        #expect(replaced.units.first == .init(c: 32, d: 7, e: 0, power: -1, unit: .volt))
        #expect(replaced.units.count == ShippedProfiles.named("lg-e450").map { $0.units.count + 1 })
    }

    @Test("two files cannot define one profile")
    func twice() {
        let files = FakeFiles(texts: ["a.yaml": "profiles: {p: {}}"])
        let found = errors("include: a.yaml\nprofiles: {p: {}}", loader(files))
        #expect(
            found.map(\.description) == [
                "a.yaml:1:12: profiles.p: another file defines the profile `p`; rename one of them"
            ])
    }
}
