import OBIS

/// A rule as people and configuration files know it.
public struct RuleDescription: Sendable {
    /// What must be known before a rule can work.
    enum Need: Sendable {
        /// A parameter that has a value only where the limits say something, or the operator.
        case value(RuleParameter, hint: String)
        case generator(Bool)
    }

    /// The stable name: the type of its anomalies and the key in the configuration.
    public let type: String
    /// For a person, short and without numbers.
    public let title: String
    /// What it looks at, why that matters, and what to do: a sentence each.
    public let what: String
    public let why: String
    public let action: String
    public let parameters: [RuleParameter]
    /// Whether phases are followed each by itself.
    public let isPerPhase: Bool
    /// Whether it compares meters, and so stands beside the engines (`BalanceRule`).
    public let isAcrossMeters: Bool
    let needs: [Need]
    let make: @Sendable (RuleContext) -> (any Rule)?

    init(
        type: String, title: String, what: String, why: String, action: String, parameters: [RuleParameter],
        isPerPhase: Bool = false, isAcrossMeters: Bool = false, needs: [Need] = [],
        make: @escaping @Sendable (RuleContext) -> (any Rule)?
    ) {
        self.type = type
        self.title = title
        self.what = what
        self.why = why
        self.action = action
        self.parameters = parameters
        self.isPerPhase = isPerPhase
        self.isAcrossMeters = isAcrossMeters
        self.needs = needs
        self.make = make
    }

    /// Whether the rule works without a word in the configuration.
    public func isOnByDefault(for limits: InstallationLimits) -> Bool {
        RuleContext(self, limits: limits).objection == nil
    }

    /// Everything that is wrong with the settings of this rule, as sentences.
    public func objections(to settings: RuleSettings.Rule, limits: InstallationLimits) -> [String] {
        var objections: [String] = []
        for (key, value) in settings.values.sorted(by: { $0.key < $1.key }) {
            guard let parameter = parameters.first(where: { $0.key == key }) else {
                let known = parameters.map { "`\($0.key)`" }.joined(separator: ", ")
                objections.append("`\(type)` has no `\(key)`; it has \(known)")
                continue
            }
            if let objection = parameter.objection(to: value) { objections.append(objection) }
        }
        let context = RuleContext(self, settings: settings, limits: limits)
        if settings.isEnabled == true, let missing = context.objection {
            objections.append("`\(type)` is switched on, but \(missing)")
        }
        return objections
    }

    /// Whether the rule is at work, and why.
    public func explanation(for limits: InstallationLimits, settings: RuleSettings) -> RuleExplanation {
        let own = settings.rules[type] ?? RuleSettings.Rule()
        let context = RuleContext(self, settings: own, limits: limits)
        if own.isEnabled == false {
            return RuleExplanation(type: type, isActive: false, why: "not active: switched off")
        }
        if let missing = context.objection {
            return RuleExplanation(type: type, isActive: false, why: "not active: \(missing)")
        }
        let place = isAcrossMeters ? " where meters stand behind this one," : ""
        return RuleExplanation(type: type, isActive: true, why: "active" + place + context.summary)
    }
}

/// Whether a rule is at work on a meter, and why: a line of `check`.
public struct RuleExplanation: Sendable, Hashable {
    public let type: String
    public let isActive: Bool
    /// `active above 25 A for 10 min (from limits: fuse)`
    public let why: String
}

/// What a rule is made from: its parameters, resolved for one meter.
struct RuleContext: Sendable {
    let description: RuleDescription
    let settings: RuleSettings.Rule
    let limits: InstallationLimits
    /// The expected pause between readings, in milliseconds; nil where nothing is known.
    let interval: Int64?

    init(
        _ description: RuleDescription, settings: RuleSettings.Rule = .init(), limits: InstallationLimits,
        interval: Int64? = nil
    ) {
        self.description = description
        self.settings = settings
        self.limits = limits
        self.interval = interval
    }

    var isActive: Bool { settings.isEnabled != false && objection == nil }

    /// Why the rule cannot work; nil where it can.
    var objection: String? {
        for need in description.needs {
            switch need {
            case .value(let parameter, let hint): if self[parameter].isNaN { return "\(hint) is not set" }
            case .generator(let wanted):
                guard let stated = limits.hasGenerator else { return "limits.generator is not set" }
                if stated != wanted { return "limits.generator is \(stated)" }
            }
        }
        return nil
    }

    /// What is set, else the default; not a number where neither is, which no value exceeds.
    subscript(parameter: RuleParameter) -> Double {
        number(parameter) ?? .nan
    }

    private func number(_ parameter: RuleParameter) -> Double? {
        let set = settings.values[parameter.key].flatMap { parameter.objection(to: $0) == nil ? $0 : nil }
        return (set ?? parameter.defaultValue(for: limits)).flatMap { parameter.number($0) }
    }

    func milliseconds(_ parameter: RuleParameter) -> Int64 {
        Int64(exactly: (self[parameter] * 1000).rounded()) ?? 0
    }

    func count(_ parameter: RuleParameter) -> Int {
        Int(exactly: self[parameter]) ?? 1
    }

    func severity(_ parameter: RuleParameter, or standard: Anomaly.Severity) -> Anomaly.Severity {
        RuleParameter.severity(self[parameter]) ?? standard
    }

    /// A rung of a ladder.
    ///
    /// - Parameter hold: nil for a level that needs no time.
    func level(
        _ severity: Anomaly.Severity, _ enter: RuleParameter, for hold: RuleParameter? = nil, samples: Int = 1
    ) -> Ladder.Level {
        level(severity, enter: self[enter], for: hold, samples: samples)
    }

    func level(
        _ severity: Anomaly.Severity, enter: Double = 0, for hold: RuleParameter? = nil, samples: Int = 1
    ) -> Ladder.Level {
        Ladder.Level(
            severity: severity, enter: enter, hold: hold.map { milliseconds($0) } ?? 0,
            samples: Int32(clamping: samples))
    }

    /// ` above 25 A for 10 min (from limits: fuse)`
    fileprivate var summary: String {
        var text = ""
        var sources: [String] = []
        for parameter in description.parameters {
            guard Self.told.contains(parameter.key), let number = number(parameter), number > 0 else { continue }
            text += " \(parameter.key.split(separator: "_").joined(separator: " ")) \(parameter.text(number))"
            if let source = parameter.source, settings.values[parameter.key] == nil, !sources.contains(source) {
                sources.append(source)
            }
        }
        let isSet = !settings.values.isEmpty
        if sources == [Nominal.source], limits.nominalVoltage == nil {
            text += " (assuming limits.nominal_voltage: \(FixedDecimal(Nominal.voltage, decimals: 0) ?? 0) V)"
        } else if !sources.isEmpty {
            text += " (from limits: \(sources.joined(separator: ", ")))"
        }
        return text + (isSet ? " (as configured)" : "")
    }

    /// The parameters that say the most.
    private static let told: Set<String> = ["above", "below", "for", "energy", "from", "to"]
}
