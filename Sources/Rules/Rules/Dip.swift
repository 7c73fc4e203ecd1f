import OBIS

/// A voltage that is too low in single readings.
struct Dip: Rule {
    static let events: RuleEvents = [.values]

    static let below = Voltage.parameter("below", 90, "medium below this voltage")
    static let belowHigh = Voltage.parameter("below_high", 70, "high below this voltage")
    static let hold = RuleParameter.hold(0)
    static let hysteresis = Voltage.hysteresis
    static let samples = RuleParameter.samples(2)
    static let clearFor = RuleParameter.clearFor(10)
    static let cooldown = RuleParameter.cooldown(300)

    static let description = RuleDescription(
        type: "dip", title: "Voltage dip",
        what: "Readings in a row show a phase below 90 % of the nominal voltage.",
        why: "Lamps flicker and devices restart; a loose contact in the supply shows itself this way.",
        action: "See whether a large load started at that time; if dips return, ask an electrician.",
        parameters: [below, belowHigh, samples, hold, hysteresis, clearFor, cooldown], isPerPhase: true,
        make: { Dip($0) })

    private let nominal: Double
    private let ladder: Ladder

    init(_ context: RuleContext) {
        nominal = Nominal.voltage(context.limits)
        let samples = context.count(Self.samples)
        ladder = Voltage.ladder(
            .below,
            [
                context.level(.medium, Self.below, for: Self.hold, samples: samples),
                context.level(.high, Self.belowHigh, for: Self.hold, samples: samples),
            ], nominal * context[Self.hysteresis] / 100, context, Self.clearFor)
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        let isAnyAlive = Voltage.isAnyAlive(sample, nominal: nominal)
        for phase in Phases<Double?>.indices where sample.wired[phase] {
            guard let voltage = sample.voltages[phase] else { continue }
            // One dead phase among live ones is a lost phase. All dead is an outage, and that is a dip.
            if isAnyAlive, voltage < nominal * Voltage.lostShare { continue }
            tracks.judge(voltage, phase: phase, by: ladder) {
                "The voltage\($0.place) fell to \($0.measured), with a limit of \($0.limit). Between two readings it "
                    + "may have been lower. " + Voltage.honesty
            }
        }
    }
}
