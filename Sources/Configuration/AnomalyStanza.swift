import OBIS
import Rules

/// What a meter's stanza says of rules: `anomalies: {night_base_load: {above: 300 W}, unexpected_export: off}`.
extension ConfigurationReading {
    func rules(_ value: Value, _ limits: MeterLimits) -> RuleSettings {
        guard let section = value.section("anomalies", keys: RuleRegistry.all.map(\.type)) else {
            return RuleSettings()
        }
        var settings = RuleSettings()
        for description in RuleRegistry.all {
            guard let stanza = section[description.type], let rule = rule(stanza, description) else { continue }
            settings.rules[description.type] = rule
            for objection in description.objections(to: rule, limits: InstallationLimits(limits)) {
                stanza.fail(objection)
            }
        }
        return settings
    }

    private func rule(_ value: Value, _ description: RuleDescription) -> RuleSettings.Rule? {
        if case .scalar = value.node.content { return value.bool().map { RuleSettings.Rule(isEnabled: $0) } }
        let keys = ["enabled"] + description.parameters.map(\.key)
        guard let section = value.section(description.type, keys: keys) else { return nil }
        var rule = RuleSettings.Rule(isEnabled: section["enabled"].flatMap { $0.bool() })
        for parameter in description.parameters {
            rule.values[parameter.key] = section[parameter.key].flatMap { self.value($0, of: parameter) }
        }
        return rule
    }

    private func value(_ value: Value, of parameter: RuleParameter) -> RuleValue? {
        switch parameter.kind {
        case .quantity(let unit):
            value.parsed("quantity", examples: "10 \(unit.symbol)") { text in
                Notation.quantity(text).map { .quantity($0.value, $0.unit) }
            }
        case .duration:
            value.parsed("duration", examples: "10m (units: ms s m h d)", Notation.duration).map { .duration($0) }
        case .percent: value.parsed("share", examples: "80 %", Self.percent).map { .percent($0) }
        case .number, .count: value.parsed("number", examples: "3") { FixedDecimal($0).map { .number($0) } }
        case .severity:
            value.choice("severity", Anomaly.Severity.allCases.map { ($0.rawValue, RuleValue.severity($0)) })
        case .timeOfDay:
            value.parsed("time of the day", examples: #""05:00""#) { text in
                TimeOfDay(text).map { .timeOfDay(minutes: $0.minutesSinceMidnight) }
            }
        }
    }

    private static func percent(_ text: String) -> FixedDecimal? {
        guard text.hasSuffix("%") else { return nil }
        return FixedDecimal(text.dropLast().prefix { $0 != " " })
    }

    // MARK: What can be

    /// What a value can be at all: `plausible: {voltage: [90 V, 140 V]}`.
    func plausibility(_ value: Value) -> PlausibilityBounds {
        let keys = ["voltage", "current", "power", "frequency", "power_factor", "distortion"]
        guard let section = value.section("plausible", keys: keys) else { return PlausibilityBounds() }
        return PlausibilityBounds(
            voltage: section["voltage"].flatMap { range($0, .volt) },
            current: section["current"].flatMap { range($0, .ampere) },
            power: section["power"].flatMap { range($0, .watt) },
            frequency: section["frequency"].flatMap { range($0, .hertz) },
            powerFactor: section["power_factor"].flatMap { range($0, nil) },
            distortion: section["distortion"].flatMap { range($0, .percent) })
    }

    private func range(_ value: Value, _ unit: Unit?) -> ClosedRange<FixedDecimal>? {
        let example = unit.map { "[0 \($0.symbol), 100 \($0.symbol)]" } ?? "[-1, 1]"
        guard let items = value.list() else { return nil }
        guard items.count == 2 else {
            value.fail("must have a lowest and a highest value", remedy: "write for example \(example)")
            return nil
        }
        let ends = items.compactMap { item in
            item.parsed(unit == nil ? "number" : "quantity", examples: example) { text in
                guard let unit else { return FixedDecimal(text) }
                return Notation.quantity(text).flatMap { $0.unit.convert($0.value, to: unit) }
            }
        }
        guard ends.count == 2 else { return nil }
        guard ends[0] <= ends[1] else {
            value.fail("begins with the larger value", remedy: "write for example \(example)")
            return nil
        }
        return ends[0]...ends[1]
    }

    // MARK: Totals

    /// What the totals begin with beside the counters: `offset: {active_import: 12345.6 kWh}`.
    func offsets(_ value: Value) -> [NamedField: FixedDecimal] {
        let fields = NamedField.totals(of: .electricity) + NamedField.totals(of: .heat)
        guard let section = value.section("offset", keys: fields.map(\.key)) else { return [:] }
        var offsets: [NamedField: FixedDecimal] = [:]
        for field in fields {
            guard let stated = section[field.key], let unit = field.unit else { continue }
            offsets[field] = stated.parsed("quantity", examples: "12345.6 \(unit.symbol)") { text in
                Notation.quantity(text).flatMap { $0.unit.convert($0.value, to: unit) }
            }
        }
        return offsets
    }
}

extension InstallationLimits {
    /// What the rules and the validation go by.
    public init(_ limits: MeterLimits) {
        // A contract in kW limits the apparent power at least as much.
        let power = limits.contractedPower.flatMap {
            $0.unit.convert($0.value, to: .watt) ?? $0.unit.convert($0.value, to: .voltAmpere)
        }
        self.init(
            contractedPower: power, fuse: limits.fuse, phases: limits.phases, nominalVoltage: limits.nominalVoltage,
            hasGenerator: limits.hasGenerator)
    }
}
