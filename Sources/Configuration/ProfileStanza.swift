import Metering
import OBIS

/// A profile as it is written, before the one that it extends has been found.
struct ProfileDefinition {
    var profile: Profile
    var extends: Value?
}

extension ConfigurationReading {
    /// All profiles: those that ship with the program, then those of the configuration, which may replace them.
    func readProfiles(_ values: [Value]) -> [String: Profile] {
        let shipped = Dictionary(ShippedProfiles.all.map { ($0.name, $0) }) { first, _ in first }
        return resolved(definitions(values), shipped: shipped)
    }

    /// The profiles of `profiles:` mappings, which extend each other or `shipped` ones.
    func definitions(_ values: [Value]) -> [String: ProfileDefinition] {
        var definitions: [String: ProfileDefinition] = [:]
        for value in values {
            for (name, place, value) in value.entries() ?? [] {
                if definitions[name] != nil {
                    findings.fail(
                        place, value.key, "another file defines the profile \(quoted(name))",
                        remedy: "rename one of them")
                } else if let definition = definition(name, place, value) {
                    definitions[name] = definition
                }
            }
        }
        return definitions
    }

    func resolved(_ definitions: [String: ProfileDefinition], shipped: [String: Profile]) -> [String: Profile] {
        var profiles = shipped
        for name in definitions.keys {
            profiles[name] = resolve(name, definitions, shipped, path: [])
        }
        return profiles
    }

    // MARK: Extension

    /// Own rules come first, so that they win over those of the extended profile.
    private func resolve(
        _ name: String, _ definitions: [String: ProfileDefinition], _ shipped: [String: Profile], path: [String]
    ) -> Profile? {
        guard let definition = definitions[name] else { return shipped[name] }
        guard let extends = definition.extends, let base = extends.text() else { return definition.profile }
        var parent: Profile?
        if base == name {
            parent = shipped[name]
        } else if (path + [name]).contains(base) {
            extends.fail("the profiles extend each other in a circle", remedy: "leave one `extends:` out")
            return definition.profile
        } else {
            parent = resolve(base, definitions, shipped, path: path + [name])
        }
        guard let parent else {
            let names = Set(definitions.keys).union(shipped.keys).subtracting([name]).sorted()
            extends.fail(
                "there is no profile \(quoted(base))", remedy: extends.suggestion(for: base, among: names))
            return definition.profile
        }
        var profile = definition.profile
        if profile.makers.isEmpty { profile.makers = parent.makers }
        profile.units += parent.units
        profile.lists += parent.lists.filter { list in !profile.lists.contains { $0.types == list.types } }
        return profile
    }

    // MARK: One profile

    private func definition(_ name: String, _ place: Place, _ value: Value) -> ProfileDefinition? {
        let isName =
            !name.isEmpty && name.utf8.count <= 64
            && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) }
        guard isName else {
            findings.fail(place, value.key, "cannot be the name of a profile", remedy: "use letters, digits and . _ -")
            return nil
        }
        guard let section = value.section("a profile", keys: ["summary", "makers", "extends", "units", "lists"]) else {
            return nil
        }
        var profile = Profile(name: name)
        profile.summary = section["summary"]?.label(atMost: 1024) ?? ""
        profile.makers = section["makers"].flatMap(makers) ?? []
        profile.units = section["units"].flatMap(unitRules) ?? []
        profile.lists = section["lists"].flatMap(listRules) ?? []
        return ProfileDefinition(profile: profile, extends: section["extends"])
    }

    private func makers(_ value: Value) -> [String]? {
        value.listOrOne()?.compactMap { item in
            item.parsed("maker", examples: "LGZ or KFM") { text in
                text.utf8.count == 3 && text.utf8.allSatisfy { (0x41...0x5A).contains($0) } ? text : nil
            }
        }
    }

    // MARK: Units

    private func unitRules(_ value: Value) -> [Profile.UnitRule]? {
        guard let entries = value.entries() else { return nil }
        var rules: [Profile.UnitRule] = []
        for (pattern, place, value) in entries {
            guard let groups = Self.groups(pattern) else {
                findings.fail(
                    place, value.key, "\(quoted(pattern)) is no pattern of the value groups C.D.E",
                    remedy: #"write for example "31.7.0" or "1.8.*""#)
                continue
            }
            guard let (power, unit) = factor(value) else { continue }
            let rule = Profile.UnitRule(c: groups[0], d: groups[1], e: groups[2], power: power, unit: unit)
            if rules.contains(where: { $0.covers(rule) }) {
                findings.fail(
                    place, value.key, "never counts, a rule above it matches the same codes", remedy: "move it up")
            }
            rules.append(rule)
        }
        return rules
    }

    /// `C.D.E`, each a number or `*`.
    private static func groups(_ pattern: String) -> [UInt8?]? {
        let parts = pattern.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        var groups: [UInt8?] = []
        for part in parts {
            guard part != "*" else {
                groups.append(nil)
                continue
            }
            guard part.allSatisfy({ $0.isASCII && $0.isNumber }), let number = UInt8(part) else { return nil }
            groups.append(number)
        }
        return groups
    }

    /// `Wh`, `0.01 A`, `10 Wh`, or `0.001` for a number without a unit.
    private func factor(_ value: Value) -> (power: Int, unit: Unit?)? {
        guard let text = value.text() else { return nil }
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let symbol = text.dropFirst(digits.count).drop { $0 == " " }
        guard digits.isEmpty || FixedDecimal(digits) != nil, !(digits.isEmpty && symbol.isEmpty) else {
            value.fail("\(quoted(text)) is no unit", remedy: #"write for example Wh, 0.01 A or "0.001""#)
            return nil
        }
        guard let power = digits.isEmpty ? 0 : FixedDecimal(digits).flatMap(Self.powerOfTen) else {
            value.fail(
                "the factor \(quoted(String(digits))) is no power of ten", remedy: "write 0.001, 0.01, 0.1, 1, 10, …")
            return nil
        }
        guard !symbol.isEmpty else { return (power, nil) }
        guard let unit = Unit(printed: String(symbol)), Unit.isKnown(unit) else {
            value.fail(
                "\(quoted(String(symbol))) is no unit",
                remedy: value.suggestion(for: String(symbol), among: Unit.common, lead: "for example"))
            return nil
        }
        return (power, unit)
    }

    private static func powerOfTen(_ number: FixedDecimal) -> Int? {
        (-9...9).first { FixedDecimal(1, exponent: Int8($0)) == number }
    }

    // MARK: Lists

    /// The types that a decoder reports, as in `Profile.ListRule`.
    private static let types = [
        "u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "f32", "f64", "bool", "enum", "octets", "text", "bits",
        "bcd", "time", "date", "datetime", "null",
    ]

    private func listRules(_ value: Value) -> [Profile.ListRule]? {
        guard let items = value.list() else { return nil }
        var rules: [Profile.ListRule] = []
        for item in items {
            guard let section = item.section("a list", keys: ["types", "values"]),
                let types = section.required("types", example: "[u16, u32]")?.list(),
                let values = section.required("values", example: #"["1-0:32.7.0", null]"#)?.list()
            else { continue }
            let names = types.map { $0.choice("type", Self.types.map { ($0, $0) }) ?? "" }
            let codes = values.map(code)
            guard types.count == values.count, !types.isEmpty else {
                item.fail(
                    "has \(types.count) types and \(values.count) values", remedy: "write one value for each type")
                continue
            }
            if rules.contains(where: { $0.types == names }) {
                item.fail("a list with the same types stands above it", remedy: "keep one of them")
            }
            rules.append(Profile.ListRule(types: names, codes: codes))
        }
        return rules
    }

    /// Nothing leaves the value without a name.
    private func code(_ value: Value) -> ObisCode? {
        if case .null = value.node.content { return nil }
        return value.parsed("OBIS code", examples: #""1-0:1.8.0", or null for a value to leave unnamed"#) {
            ObisCode($0)
        }
    }
}

extension Profile.UnitRule {
    /// Whether this rule matches everything that `other` matches.
    fileprivate func covers(_ other: Profile.UnitRule) -> Bool {
        func covers(_ mine: UInt8?, _ its: UInt8?) -> Bool { mine == nil || mine == its }
        return covers(c, other.c) && covers(d, other.d) && covers(e, other.e)
    }
}

extension Unit {
    fileprivate static func isKnown(_ unit: Unit) -> Bool {
        if case .other = unit { false } else { true }
    }

    /// Those that a suggestion is made of.
    fileprivate static let common = [
        "Wh", "kWh", "varh", "kvarh", "VAh", "W", "kW", "var", "kvar", "VA", "V", "A", "mA", "Hz", "deg", "m3", "J",
        "degC", "%",
    ]
}
