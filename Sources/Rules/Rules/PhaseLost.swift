import OBIS

/// A phase that was alive is dead while another one lives.
struct PhaseLost: Rule {
    static let events: RuleEvents = [.values]

    static let below = Voltage.parameter("below", 5, "dead below this voltage")
    static let hold = RuleParameter.hold(0)
    static let samples = RuleParameter.samples(2)
    static let hysteresis = RuleParameter.percent(
        "hysteresis", 5, in: 0...50, "over when the voltage is above by this share of the nominal voltage")
    static let clearFor = RuleParameter.clearFor(10)
    static let cooldown = RuleParameter.cooldown(60)
    static let severity = RuleParameter.severity(.critical)

    static let description = RuleDescription(
        type: "phase_lost", title: "Phase lost",
        what: "A phase that was under voltage shows next to none, while another phase is alive.",
        why: "A fuse or a conductor of the supply has failed; motors on three phases overheat.",
        action: "Switch off three-phase motors, check the main fuses, and call the grid operator.",
        parameters: [below, samples, hold, hysteresis, severity, clearFor, cooldown], isPerPhase: true,
        make: { PhaseLost($0) })

    private let nominal: Double
    private let ladder: Ladder

    init(_ context: RuleContext) {
        nominal = Nominal.voltage(context.limits)
        let severity = context.severity(Self.severity, or: .critical)
        ladder = Voltage.ladder(
            .below,
            [context.level(severity, Self.below, for: Self.hold, samples: context.count(Self.samples))],
            nominal * context[Self.hysteresis] / 100, context, Self.clearFor)
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        // All dead at once is an outage, not a lost phase; and whoever has one phase cannot lose it alone.
        guard Voltage.isAnyAlive(sample, nominal: nominal) else { return }
        for phase in Phases<Double?>.indices where sample.wired[phase] {
            guard let voltage = sample.voltages[phase] else { continue }
            tracks.judge(voltage, phase: phase, by: ladder) {
                "The meter shows \($0.measured)\($0.place), while another phase is alive. Switch off three-phase "
                    + "motors, check the main fuses, and call the grid operator."
            }
        }
    }
}
