import OBIS

/// One phase far too high and another far too low at the same time: what a broken neutral conductor looks like.
struct NeutralFault: Rule {
    static let events: RuleEvents = [.values]

    static let above = Voltage.parameter("above", 110, "one phase above this voltage")
    static let below = Voltage.parameter("below", 90, "and another one below this voltage")
    static let hold = RuleParameter.hold(0)
    static let samples = RuleParameter.samples(2)
    static let hysteresis = Voltage.hysteresis
    static let clearFor = RuleParameter.clearFor(30)
    static let cooldown = RuleParameter.cooldown(60)
    static let severity = RuleParameter.severity(.critical)

    static let description = RuleDescription(
        type: "neutral_fault", title: "Neutral conductor may be broken",
        what: "One phase is above 110 % of the nominal voltage and another below 90 % at the same time.",
        why: "With a broken neutral, up to 400 V reach single-phase devices: danger of fire.",
        action: "Switch off the main switch and call an electrician or the grid operator at once.",
        parameters: [above, below, samples, hold, hysteresis, severity, clearFor, cooldown],
        make: { NeutralFault($0) })

    private let above: Double
    private let below: Double
    private let hysteresis: Double
    private let dead: Double
    private let ladder: Ladder

    init(_ context: RuleContext) {
        let nominal = Nominal.voltage(context.limits)
        above = context[Self.above]
        below = context[Self.below]
        hysteresis = nominal * context[Self.hysteresis] / 100
        dead = nominal * Voltage.lostShare
        let severity = context.severity(Self.severity, or: .critical)
        ladder = Ladder(
            conditions: [context.level(severity, for: Self.hold, samples: context.count(Self.samples))],
            clearFor: context.milliseconds(Self.clearFor), cooldown: context.milliseconds(Self.cooldown))
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        var (lowest, highest, count) = (Double.infinity, 0.0, 0)
        for phase in Phases<Double?>.indices where sample.wired[phase] {
            // Where a value is missing, the pattern cannot be seen; a dead phase is a lost one.
            guard let voltage = sample.voltages[phase] else { return }
            guard voltage >= dead else { continue }
            (lowest, highest, count) = (min(lowest, voltage), max(highest, voltage), count + 1)
        }
        guard count >= 2 else { return }
        let isFaulty = highest > above && lowest < below
        let isWell = highest <= above - hysteresis && lowest >= below + hysteresis
        guard isFaulty || isWell else { return }
        tracks.judge(isFaulty ? 1 : 0, by: ladder) { _ in
            let (low, high) = (FixedDecimal(lowest, decimals: 1), FixedDecimal(highest, decimals: 1))
            return "One phase shows \(high ?? 0) V while another shows \(low ?? 0) V. Switch off the main switch and "
                + "call an electrician or the grid operator at once. " + Voltage.honesty
        }
    }
}
