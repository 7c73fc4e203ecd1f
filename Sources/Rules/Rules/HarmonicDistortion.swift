import OBIS

/// Too many harmonics in the voltage, where the meter measures them.
struct HarmonicDistortion: Rule {
    static let events: RuleEvents = [.values]

    static let above = RuleParameter.percent("above", 8, in: 0.1...100, "ten-minute mean of the distortion")
    static let hysteresis = RuleParameter.percent("hysteresis", 1, in: 0...50, "over when it is below by this much")
    static let hold = RuleParameter.hold(600)
    static let samples = RuleParameter.samples(5, "a mean of fewer values is not judged")
    static let clearFor = RuleParameter.clearFor(0)
    static let cooldown = RuleParameter.cooldown(3600)
    static let severity = RuleParameter.severity(.medium)

    static let description = RuleDescription(
        type: "thd_voltage", title: "Distorted voltage",
        what: "The total harmonic distortion of the voltage is above 8 % over ten minutes.",
        why: "Transformers, capacitors and motors get hot; electronics misbehave.",
        action: "Look for large electronic loads (drives, chargers, old inverters); ask the grid operator.",
        parameters: [above, hold, hysteresis, samples, severity, clearFor, cooldown], make: { HarmonicDistortion($0) })

    private var mean: WindowMean
    private let ladder: Ladder

    init(_ context: RuleContext) {
        ladder = Ladder(
            .above, [context.level(context.severity(Self.severity, or: .medium), Self.above)],
            hysteresis: context[Self.hysteresis], clearFor: context.milliseconds(Self.clearFor),
            cooldown: context.milliseconds(Self.cooldown), unit: .percent)
        mean = WindowMean(length: context.milliseconds(Self.hold), samples: context.count(Self.samples))
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        guard let distortion = sample.thdVoltage, let mean = mean.add(distortion, at: sample.moment.milliseconds)
        else { return }
        tracks.judge(mean, by: ladder) {
            "The distortion of the voltage was \($0.measured) on average, with a limit of \($0.limit). Look for large "
                + "electronic loads. " + Voltage.honesty
        }
    }
}
