import OBIS

/// A low power factor while enough power flows for it to mean something.
struct PowerFactor: Rule {
    static let events: RuleEvents = [.values]

    static let below = RuleParameter("below", .number, in: 0...1, "power factor") { _ in 0.8 }
    static let hysteresis = RuleParameter(
        "hysteresis", .number, in: 0...0.5, "over when the factor is above by this much"
    ) { _ in 0.03 }
    static let floor = RuleParameter.quantity(
        "floor", .watt, in: 0...10_000_000, "below this power the factor means nothing"
    ) { _ in 500 }
    static let hold = RuleParameter.hold(900)
    static let samples = RuleParameter.samples(3)
    static let clearFor = RuleParameter.clearFor(300)
    static let cooldown = RuleParameter.cooldown(3600)
    static let severity = RuleParameter.severity(.low)

    static let description = RuleDescription(
        type: "power_factor", title: "Low power factor",
        what: "The power factor is below 0.8 for a quarter of an hour while more than 500 W flow.",
        why: "Reactive current loads the wires, and larger customers pay for it.",
        action: "Find the motor or ballast that runs at that time; a workshop wants a compensation.",
        parameters: [below, hold, floor, hysteresis, samples, severity, clearFor, cooldown], make: { PowerFactor($0) })

    private let floor: Double
    private let ladder: Ladder

    init(_ context: RuleContext) {
        floor = context[Self.floor]
        let level = context.level(
            context.severity(Self.severity, or: .low), Self.below, for: Self.hold,
            samples: context.count(Self.samples))
        ladder = Ladder(
            .below, [level], hysteresis: context[Self.hysteresis], clearFor: context.milliseconds(Self.clearFor),
            cooldown: context.milliseconds(Self.cooldown), unit: nil)
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        guard let factor = sample.powerFactor, let power = sample.power else { return }
        // Next to no load has any factor: then nothing is wrong.
        tracks.judge(abs(power) > floor ? factor : 1, by: ladder) {
            "The power factor fell to \($0.measured), with a limit of \($0.limit). Find the motor or ballast that "
                + "runs at that time."
        }
    }
}
