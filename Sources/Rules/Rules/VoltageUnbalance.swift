import OBIS

/// Three phases whose mean voltages differ.
struct VoltageUnbalance: Rule {
    static let events: RuleEvents = [.values]

    static let above = RuleParameter.percent("above", 2, in: 0.1...100, "deviation of one phase from the mean of all")
    static let hysteresis = RuleParameter.percent("hysteresis", 0.5, in: 0...50, "over when it is below by this much")
    static let hold = RuleParameter.hold(600)
    static let samples = RuleParameter.samples(5, "a mean of fewer values is not judged")
    static let clearFor = RuleParameter.clearFor(0)
    static let cooldown = RuleParameter.cooldown(3600)
    static let severity = RuleParameter.severity(.medium)

    static let description = RuleDescription(
        type: "voltage_unbalance", title: "Unequal phase voltages",
        what: "Over ten minutes the voltage of a phase is more than 2 % away from the mean of the three.",
        why: "Three-phase motors get hot; it also shows a weak neutral or one overloaded phase.",
        action: "Spread single-phase loads over the phases; if that does not help, ask the grid operator.",
        parameters: [above, hold, hysteresis, samples, severity, clearFor, cooldown], make: { VoltageUnbalance($0) })

    private let dead: Double
    private var mean: WindowMean
    private let ladder: Ladder

    init(_ context: RuleContext) {
        dead = Nominal.voltage(context.limits) * Voltage.aliveShare
        ladder = Ladder(
            .above, [context.level(context.severity(Self.severity, or: .medium), Self.above)],
            hysteresis: context[Self.hysteresis], clearFor: context.milliseconds(Self.clearFor),
            cooldown: context.milliseconds(Self.cooldown), unit: .percent)
        mean = WindowMean(length: context.milliseconds(Self.hold), samples: context.count(Self.samples))
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        guard let voltages = sample.voltages.whole, Phases<Bool>.indices.allSatisfy({ sample.wired[$0] }),
            Phases<Double>.indices.allSatisfy({ voltages[$0] >= dead }),
            let unbalance = mean.add(voltages.unbalance, at: sample.moment.milliseconds)
        else { return }
        tracks.judge(unbalance, by: ladder) {
            "A phase was \($0.measured) away from the mean of the three, with a limit of \($0.limit). Spread "
                + "single-phase loads over the phases. Reckoned without phase angles. " + Voltage.honesty
        }
    }
}

extension Phases<Double?> {
    /// All three values; nil where one is missing.
    var whole: Phases<Double>? {
        guard let l1 = self[0], let l2 = self[1], let l3 = self[2] else { return nil }
        return Phases<Double>(l1, l2, l3)
    }
}

extension Phases<Double> {
    var mean: Double { (self[0] + self[1] + self[2]) / 3 }

    /// The largest deviation from the mean, in % of it; 0 where the mean is 0.
    var unbalance: Double {
        let mean = mean
        guard mean > 0 else { return 0 }
        return 100 * max(abs(self[0] - mean), abs(self[1] - mean), abs(self[2] - mean)) / mean
    }
}
