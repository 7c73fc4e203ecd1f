import Foundation
import OBIS
import Rules
import Testing

@Suite("The registry of rules")
struct RegistryTests {
    @Test("every default is allowed, every key is snake_case, and every text is there")
    func defaults() {
        for rule in RuleRegistry.all {
            #expect(rule.type.wholeMatch(of: /[a-z]+(_[a-z]+)*/) != nil)
            for text in [rule.title, rule.what, rule.why, rule.action] { #expect(!text.isEmpty) }
            #expect(!rule.title.contains { $0.isNumber }, "\(rule.title)")
            #expect(Set(rule.parameters.map(\.key)).count == rule.parameters.count)
            for parameter in rule.parameters {
                #expect(parameter.key.wholeMatch(of: /[a-z]+(_[a-z]+)*/) != nil)
                let limits = InstallationLimits(contractedPower: 9000, fuse: 25, phases: 3)
                if let value = parameter.defaultValue(for: limits) {
                    #expect(parameter.objection(to: value) == nil, "\(rule.type) \(parameter.key)")
                }
            }
        }
        #expect(Set(RuleRegistry.all.map(\.type)).count == RuleRegistry.all.count)
    }

    @Test(
        "what is wrong with a setting is said in a sentence",
        arguments: [
            ("fuse", ["for": RuleValue.duration(.seconds(120))], [String]()),
            ("fuse", ["above": .quantity(20, .ampere)], []),
            ("fuse", ["above": .quantity(20_000, .milliampere)], []),
            ("fuse", ["above": .quantity(20, .volt)], ["`above` must be a number with its unit, such as `1 A` (A)"]),
            ("fuse", ["above": .duration(.seconds(1))], ["`above` must be a number with its unit, such as `1 A` (A)"]),
            ("fuse", ["above": .quantity(0, .ampere)], ["`above` must be from 1 A to 10000 A, not 0 A"]),
            ("night_base_load", ["from": .timeOfDay(minutes: 1440)], ["`from` must be from 00:00 to 23:59, not 00:00"]),
            ("dip", ["min_samples": .number(FixedDecimal(15, exponent: -1))], ["`min_samples` must be a whole number"]),
            ("peak", ["share": .percent(20)], ["`share` must be from 100 % to 10000 %, not 20 %"]),
            (
                "stale", ["above": .number(1)],
                ["`stale` has no `above`; it has `intervals`, `for`, `for_critical`, `clear_for`, `cooldown`"]
            ),
        ] as [(String, [String: RuleValue], [String])])
    func objections(_ type: String, _ values: [String: RuleValue], _ expected: [String]) throws {
        let rule = try #require(RuleRegistry.description(of: type))
        #expect(rule.objections(to: .init(values: values), limits: InstallationLimits()) == expected)
    }

    @Test("check explains what is active and why")
    func explanations() throws {
        let limits = InstallationLimits(fuse: 25, phases: 3)
        let settings = RuleSettings([
            "dip": .init(isEnabled: false), "night_base_load": .init(values: ["above": .quantity(300, .watt)]),
        ])
        func why(_ type: String) -> String? {
            RuleRegistry.explanations(for: limits, settings: settings).first { $0.type == type }?.why
        }
        #expect(why("fuse") == "active above 25 A for 10 min (from limits: fuse)")
        #expect(why("swell") == "active above 253 V (assuming limits.nominal_voltage: 230 V)")
        #expect(why("overload") == "not active: limits.contracted_power is not set")
        #expect(why("dip") == "not active: switched off")
        #expect(why("unexpected_export") == "not active: limits.generator is not set")
        #expect(why("night_base_load") == "active above 300 W from 01:00 to 05:00 (as configured)")
        #expect(why("budget")?.hasPrefix("not active: `energy`") == true)
        #expect(RuleRegistry.explanations(for: limits).count == RuleRegistry.all.count)
        let missing = RuleRegistry.description(of: "overload")
        #expect(
            missing?.objections(to: .init(isEnabled: true), limits: limits)
                == ["`overload` is switched on, but limits.contracted_power is not set"])
    }

    @Test("settings change what a rule does")
    func tuned() {
        let settings = RuleSettings.on(
            "fuse", ["for": .duration(.seconds(30)), "above": .quantity(10, .ampere)])
        var stage = Stage(settings: settings)
        stage.play(for: .minutes(1), every: .seconds(10)) { $0[.currentL1] = 12 }
        #expect(stage.log(of: "fuse") == ["opened l1 medium"])
        let severe = RuleSettings.on("thd_voltage", ["severity": .severity(.high)])
        var distorted = Stage(settings: severe)
        distorted.play(for: .minutes(21), every: .seconds(10)) { $0[.thdVoltage] = 12 }
        #expect(distorted.log(of: "thd_voltage") == ["opened high"])
    }

    // MARK: The documentation

    private static let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("docs/anomalies.md")

    @Test("docs/anomalies.md has a row for every rule, with its words and its keys")
    func documented() throws {
        let lines = try String(contentsOf: Self.page, encoding: .utf8).split(separator: "\n")
        let rows = lines.filter { $0.hasPrefix("| `") }.map {
            $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
        let rules = rows.filter { $0.count == 5 }
        #expect(rules.map { $0[0] } == RuleRegistry.all.map { "`\($0.type)`" })
        for (row, rule) in zip(rules, RuleRegistry.all) {
            #expect([row[1], row[3], row[4]] == [rule.what, rule.why, rule.action], "\(rule.type)")
        }
        let keys = rows.filter { $0.count == 2 }
        #expect(keys.map { $0[0] } == RuleRegistry.all.map { "`\($0.type)`" })
        for (row, rule) in zip(keys, RuleRegistry.all) {
            let named = row[1].matches(of: /`([a-z_]+)`/).map { String($0.1) }
            #expect(named == rule.parameters.map(\.key), "\(rule.type)")
        }
    }
}
