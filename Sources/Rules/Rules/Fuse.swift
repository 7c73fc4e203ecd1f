import OBIS

/// More current on a phase than its fuse is made for: the levels follow the time in which a fuse trips.
struct Fuse: Rule {
    static let events: RuleEvents = [.values]

    private static func share(_ percent: Double) -> @Sendable (InstallationLimits) -> Double? {
        { $0.fuse.map { $0.double * percent / 100 } }
    }

    private static let range = 1.0...10_000
    static let above = RuleParameter.quantity(
        "above", .ampere, in: range, "medium above this current", from: "fuse", share(100))
    static let high = RuleParameter.quantity(
        "above_high", .ampere, in: range, "high above this current", from: "fuse", share(113))
    static let critical = RuleParameter.quantity(
        "above_critical", .ampere, in: range, "critical above this current", from: "fuse", share(145))
    static let hold = RuleParameter.hold(600)
    static let holdHigh = RuleParameter.hold(600, key: "for_high")
    static let holdCritical = RuleParameter.hold(60, key: "for_critical")
    static let hysteresis = RuleParameter.percent(
        "hysteresis", 5, in: 0...50, "over when the current is below `above` by this share of it")
    static let clearFor = RuleParameter.clearFor(60)
    static let cooldown = RuleParameter.cooldown(600)
    static let samples = RuleParameter.samples(2)

    static let description = RuleDescription(
        type: "fuse", title: "More current than the fuse is made for",
        what: "The current of a phase is above the rated current of its fuse.",
        why: "The fuse gets warm and trips after a while, and its contacts age.",
        action: "Move loads to other phases or switch some off; an electrician can balance the circuits.",
        parameters: [
            above, hold, high, holdHigh, critical, holdCritical, hysteresis, samples, clearFor, cooldown,
        ],
        isPerPhase: true, needs: [.value(above, hint: "limits.fuse")], make: { Fuse($0) })
    private let ladder: Ladder

    init(_ context: RuleContext) {
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
            unit: .ampere)
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        for phase in Phases<Double?>.indices {
            guard let current = sample.currents[phase] else { continue }
            tracks.judge(abs(current), phase: phase, by: ladder) {
                "Up to \($0.measured) flowed\($0.place), with a limit of \($0.limit). "
                    + "Move loads to other phases or switch some off."
            }
        }
    }
}
