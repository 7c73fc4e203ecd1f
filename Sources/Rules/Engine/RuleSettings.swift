import OBIS

/// A value of a rule's parameter, as the operator writes it.
public enum RuleValue: Sendable, Hashable {
    case quantity(FixedDecimal, Unit)
    case duration(Duration)
    /// 80 is 80 %.
    case percent(FixedDecimal)
    case number(FixedDecimal)
    case severity(Anomaly.Severity)
    /// Minutes after midnight, local time.
    case timeOfDay(minutes: Int)
}

/// What the operator says about the rules of one meter.
public struct RuleSettings: Sendable, Hashable {
    public struct Rule: Sendable, Hashable {
        /// Nil leaves it to the rule.
        public var isEnabled: Bool?
        /// By the keys of `RuleDescription.parameters`; what is not there has its default.
        public var values: [String: RuleValue]

        public init(isEnabled: Bool? = nil, values: [String: RuleValue] = [:]) {
            self.isEnabled = isEnabled
            self.values = values
        }
    }

    /// By the type of the rule.
    public var rules: [String: Rule]

    public init(_ rules: [String: Rule] = [:]) {
        self.rules = rules
    }
}

/// One thing about a rule that can be set.
public struct RuleParameter: Sendable {
    public enum Kind: Sendable, Hashable {
        /// A number with this unit, or one that converts to it exactly.
        case quantity(Unit)
        case duration, percent, number
        /// A whole number.
        case count
        case severity, timeOfDay
    }

    public let key: String
    public let kind: Kind
    /// What is allowed, in the unit of the kind; durations in seconds.
    public let range: ClosedRange<Double>
    /// For a person: what it says.
    public let meaning: String
    /// The key under `limits` that the default comes from.
    public let source: String?
    private let standard: @Sendable (InstallationLimits) -> Double?

    init(
        _ key: String, _ kind: Kind, in range: ClosedRange<Double>, _ meaning: String, from source: String? = nil,
        _ standard: @escaping @Sendable (InstallationLimits) -> Double?
    ) {
        self.key = key
        self.kind = kind
        self.range = range
        self.meaning = meaning
        self.source = source
        self.standard = standard
    }

    /// What holds where nothing is set; nil where the limits do not say enough.
    public func defaultValue(for limits: InstallationLimits) -> RuleValue? {
        guard let number = standard(limits), let decimal = FixedDecimal(number, decimals: 3) else { return nil }
        switch kind {
        case .quantity(let unit): return .quantity(decimal, unit)
        case .duration: return .duration(.milliseconds(Int64(clamping: Int(exactly: (number * 1000).rounded()) ?? 0)))
        case .percent: return .percent(decimal)
        case .number, .count: return .number(decimal)
        case .severity: return Self.severity(number).map { .severity($0) }
        case .timeOfDay: return Int(exactly: number).map { .timeOfDay(minutes: $0) }
        }
    }

    /// The number that the rule reckons with: in the unit of the kind, durations in seconds.
    ///
    /// - Returns: nil for a value of another kind.
    func number(_ value: RuleValue) -> Double? {
        switch (kind, value) {
        case (.quantity(let wanted), .quantity(let number, let unit)): unit.convert(number, to: wanted)?.double
        case (.duration, .duration(let duration)): Double(duration.wholeMilliseconds) / 1000
        case (.percent, .percent(let number)), (.number, .number(let number)): number.double
        case (.count, .number(let number)): Int(exactly: number.double).map(Double.init)
        case (.severity, .severity(let severity)):
            Anomaly.Severity.allCases.firstIndex(of: severity).map { Double($0) }
        case (.timeOfDay, .timeOfDay(let minutes)): Double(minutes)
        default: nil
        }
    }

    static func severity(_ number: Double) -> Anomaly.Severity? {
        Int(exactly: number).flatMap { Anomaly.Severity.allCases.indices.contains($0) ? .allCases[$0] : nil }
    }

    /// A number of this parameter for a person: `25 A`, `10 min`, `05:00`.
    func text(_ number: Double) -> String {
        func decimal(_ number: Double) -> String { FixedDecimal(number, decimals: 3)?.description ?? "\(number)" }
        return switch kind {
        case .quantity(let unit): "\(decimal(number)) \(unit.symbol)"
        case .duration: DurationText.text(milliseconds: Int64(exactly: (number * 1000).rounded()) ?? 0)
        case .percent: "\(decimal(number)) %"
        case .number, .count: decimal(number)
        case .severity: Self.severity(number)?.rawValue ?? "?"
        case .timeOfDay: DurationText.timeOfDay(minutes: Int(exactly: number) ?? 0)
        }
    }

    /// What a value of the kind looks like.
    public var example: String {
        switch kind {
        case .quantity(let unit): "a number with its unit, such as `\(text(range.lowerBound))` (\(unit.symbol))"
        case .duration: "a duration, such as `10m`"
        case .percent: "a share, such as `80 %`"
        case .number: "a number"
        case .count: "a whole number"
        case .severity: Anomaly.Severity.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", ")
        case .timeOfDay: "a time of day, such as `05:00`"
        }
    }

    /// What is wrong with a value.
    ///
    /// - Returns: a sentence; nil where nothing is.
    public func objection(to value: RuleValue) -> String? {
        guard let number = number(value) else { return "`\(key)` must be \(example)" }
        guard !range.contains(number) else { return nil }
        return "`\(key)` must be from \(text(range.lowerBound)) to \(text(range.upperBound)), not \(text(number))"
    }
}

// MARK: - Parameters that many rules have

extension RuleParameter {
    static func quantity(
        _ key: String, _ unit: Unit, in range: ClosedRange<Double>, _ meaning: String, from source: String? = nil,
        _ standard: @escaping @Sendable (InstallationLimits) -> Double?
    ) -> RuleParameter {
        RuleParameter(key, .quantity(unit), in: range, meaning, from: source, standard)
    }

    static func percent(
        _ key: String, _ standard: Double, in range: ClosedRange<Double> = 0...1000, _ meaning: String
    ) -> RuleParameter {
        RuleParameter(key, .percent, in: range, meaning) { _ in standard }
    }

    /// - Parameter standard: in seconds.
    static func duration(_ key: String, _ standard: Double, _ meaning: String) -> RuleParameter {
        RuleParameter(key, .duration, in: 0...31_536_000, meaning) { _ in standard }
    }

    static func hold(_ standard: Double, key: String = "for") -> RuleParameter {
        duration(key, standard, "how long it must last before anything is said")
    }

    static func clearFor(_ standard: Double) -> RuleParameter {
        duration("clear_for", standard, "how long all must be well before it is over")
    }

    static func cooldown(_ standard: Double) -> RuleParameter {
        duration("cooldown", standard, "how long after its end it may not open again")
    }

    static func samples(_ standard: Double, _ meaning: String = "how many values it takes") -> RuleParameter {
        RuleParameter("min_samples", .count, in: 1...10_000, meaning) { _ in standard }
    }

    static func severity(_ standard: Anomaly.Severity) -> RuleParameter {
        RuleParameter("severity", .severity, in: 0...3, "how bad it is") { _ in
            Anomaly.Severity.allCases.firstIndex(of: standard).map { Double($0) }
        }
    }

    static func timeOfDay(_ key: String, hour: Double, _ meaning: String) -> RuleParameter {
        RuleParameter(key, .timeOfDay, in: 0...1439, meaning) { _ in hour * 60 }
    }
}
