import OBIS

/// A grid frequency outside of 50 Hz ± 0.5 Hz, or far outside.
struct Frequency: Rule {
    static let events: RuleEvents = [.values]

    private static func parameter(_ key: String, _ hertz: Double, _ meaning: String) -> RuleParameter {
        .quantity(key, .hertz, in: 10...100, meaning) { _ in hertz }
    }

    static let above = parameter("above", 50.5, "medium above this frequency")
    static let below = parameter("below", 49.5, "medium below this frequency")
    static let aboveCritical = parameter("above_critical", 52, "critical above this frequency")
    static let belowCritical = parameter("below_critical", 47, "critical below this frequency")
    static let hysteresis = RuleParameter.quantity(
        "hysteresis", .hertz, in: 0...5, "over when the frequency is back inside by this much"
    ) { _ in 0.05 }
    static let hold = RuleParameter.hold(10)
    static let samples = RuleParameter.samples(1)
    static let clearFor = RuleParameter.clearFor(10)
    static let cooldown = RuleParameter.cooldown(300)

    static let description = RuleDescription(
        type: "frequency", title: "Grid frequency off",
        what: "The frequency stays outside of 49.5 to 50.5 Hz, or is outside of 47 to 52 Hz once.",
        why: "The whole grid is in trouble, or a generator feeds an island.",
        action: "Nothing in the house: expect an outage. With a generator, check whether it runs as an island.",
        parameters: [
            above, below, hold, aboveCritical, belowCritical, hysteresis, samples, clearFor, cooldown,
        ], make: { Frequency($0) })

    private let middle: Double
    private let high: Ladder
    private let low: Ladder

    init(_ context: RuleContext) {
        func ladder(_ side: Ladder.Side, _ outer: RuleParameter, _ inner: RuleParameter) -> Ladder {
            let samples = context.count(Self.samples)
            return Ladder(
                side,
                [
                    context.level(.medium, inner, for: Self.hold, samples: samples),
                    context.level(.critical, outer, samples: samples),
                ],
                hysteresis: context[Self.hysteresis], clearFor: context.milliseconds(Self.clearFor),
                cooldown: context.milliseconds(Self.cooldown), unit: .hertz)
        }
        high = ladder(.above, Self.aboveCritical, Self.above)
        low = ladder(.below, Self.belowCritical, Self.below)
        middle = (context[Self.above] + context[Self.below]) / 2
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        guard let frequency = sample.frequency else { return }
        tracks.judge(frequency, by: frequency > middle ? high : low) {
            "The frequency reached \($0.measured), with a limit of \($0.limit). An indication, not an EN 50160 "
                + "measurement."
        }
    }
}
