import OBIS

/// A voltage that is too high in single readings.
struct Swell: Rule {
    static let events: RuleEvents = [.values]

    static let above = Voltage.parameter("above", 110, "medium above this voltage")
    static let aboveHigh = Voltage.parameter("above_high", 115, "high above this voltage")
    static let hold = RuleParameter.hold(0)
    static let hysteresis = Voltage.hysteresis
    static let samples = RuleParameter.samples(2)
    static let clearFor = RuleParameter.clearFor(10)
    static let cooldown = RuleParameter.cooldown(300)

    static let description = RuleDescription(
        type: "swell", title: "Voltage swell",
        what: "Readings in a row show a phase above 110 % of the nominal voltage.",
        why: "Power supplies and inverters switch off or are damaged.",
        action: "Unplug what is sensitive and tell the grid operator; with a generator, check its inverter.",
        parameters: [above, aboveHigh, samples, hold, hysteresis, clearFor, cooldown], isPerPhase: true,
        make: { Swell($0) })
    private let ladder: Ladder

    init(_ context: RuleContext) {
        let samples = context.count(Self.samples)
        ladder = Voltage.ladder(
            .above,
            [
                context.level(.medium, Self.above, for: Self.hold, samples: samples),
                context.level(.high, Self.aboveHigh, for: Self.hold, samples: samples),
            ], Nominal.voltage(context.limits) * context[Self.hysteresis] / 100, context, Self.clearFor)
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        for phase in Phases<Double?>.indices where sample.wired[phase] {
            guard let voltage = sample.voltages[phase] else { continue }
            tracks.judge(voltage, phase: phase, by: ladder) {
                "The voltage\($0.place) rose to \($0.measured), with a limit of \($0.limit). Between two readings it "
                    + "may have been higher. " + Voltage.honesty
            }
        }
    }
}
