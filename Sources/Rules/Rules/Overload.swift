import OBIS

/// More power than the contract allows, in three levels.
struct Overload: Rule {
    static let events: RuleEvents = [.values]

    private static func share(_ percent: Double) -> @Sendable (InstallationLimits) -> Double? {
        { $0.contractedPower.map { $0.double * percent / 100 } }
    }

    private static let range = 100.0...100_000_000
    static let above = RuleParameter.quantity(
        "above", .voltAmpere, in: range, "medium above this power", from: "contracted_power", share(90))
    static let high = RuleParameter.quantity(
        "above_high", .voltAmpere, in: range, "high above this power", from: "contracted_power", share(100))
    static let critical = RuleParameter.quantity(
        "above_critical", .voltAmpere, in: range, "critical above this power", from: "contracted_power", share(110))
    static let hold = RuleParameter.hold(300)
    static let holdHigh = RuleParameter.hold(60, key: "for_high")
    static let holdCritical = RuleParameter.hold(10, key: "for_critical")
    static let hysteresis = RuleParameter.percent(
        "hysteresis", 5.5, in: 0...50, "over when the power is below `above` by this share of it")
    static let clearFor = RuleParameter.clearFor(60)
    static let cooldown = RuleParameter.cooldown(600)
    static let samples = RuleParameter.samples(2)

    static let description = RuleDescription(
        type: "overload", title: "More power than contracted",
        what: "The power drawn is near or above the contracted power.",
        why: "The limiter or the main switch may trip, and the supplier may charge for it.",
        action: "Switch off or postpone large loads (car, oven, heating), or ask for a larger contract.",
        parameters: [
            above, hold, high, holdHigh, critical, holdCritical, hysteresis, samples, clearFor, cooldown,
        ],
        needs: [.value(above, hint: "limits.contracted_power")], make: { Overload($0) })

    private let hasGenerator: Bool
    private let ladder: Ladder

    init(_ context: RuleContext) {
        hasGenerator = context.limits.hasGenerator == true
        let samples = context.count(Self.samples)
        ladder = Ladder(
            .above,
            [
                context.level(.medium, Self.above, for: Self.hold, samples: samples),
                context.level(.high, Self.high, for: Self.holdHigh, samples: samples),
                context.level(.critical, Self.critical, for: Self.holdCritical, samples: samples),
            ],
            hysteresis: context[Self.above] * context[Self.hysteresis] / 100,
            clearFor: context.milliseconds(Self.clearFor), cooldown: context.milliseconds(Self.cooldown),
            unit: .voltAmpere)
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        // A list that carries no active power does not say in which direction the apparent one flows.
        guard let power = sample.apparentPower, sample.power != nil || !hasGenerator else { return }
        tracks.judge(power, by: ladder) {
            "Up to \($0.measured) were drawn, with a limit of \($0.limit). Switch off or postpone large loads."
        }
    }
}
