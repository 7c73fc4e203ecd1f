import OBIS

/// The ten-minute mean of a phase outside of its band: nominal voltage ± 10 %, and − 15 % as the hard limit.
struct VoltageBand: Rule {
    static let events: RuleEvents = [.values]

    static let above = Voltage.parameter("above", 110, "medium above this mean")
    static let below = Voltage.parameter("below", 90, "medium below this mean")
    static let belowHigh = Voltage.parameter("below_high", 85, "high below this mean")
    static let hold = RuleParameter.hold(600)
    static let hysteresis = Voltage.hysteresis
    static let clearFor = RuleParameter.clearFor(0)
    static let cooldown = RuleParameter.cooldown(1800)
    static let samples = RuleParameter.samples(5, "a mean of fewer values is not judged")

    static let description = RuleDescription(
        type: "voltage_band", title: "Voltage outside of its band",
        what: "The mean voltage of a phase over ten minutes is outside of the nominal voltage ± 10 %.",
        why: "Devices may fail or age; the grid operator owes a voltage inside of the band.",
        action: "Compare with another instrument, note the times and tell the grid operator.",
        parameters: [above, below, belowHigh, hold, hysteresis, samples, clearFor, cooldown], isPerPhase: true,
        make: { VoltageBand($0) })

    private let nominal: Double
    private var means: Phases<WindowMean>
    private let high: Ladder
    private let low: Ladder

    init(_ context: RuleContext) {
        nominal = Nominal.voltage(context.limits)
        let hysteresis = nominal * context[Self.hysteresis] / 100
        high = Voltage.ladder(.above, [context.level(.medium, Self.above)], hysteresis, context, Self.clearFor)
        low = Voltage.ladder(
            .below, [context.level(.medium, Self.below), context.level(.high, Self.belowHigh)], hysteresis, context,
            Self.clearFor)
        means = Phases(
            repeating: WindowMean(length: context.milliseconds(Self.hold), samples: context.count(Self.samples)))
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        for phase in Phases<Double?>.indices where sample.wired[phase] {
            // A lost phase is an anomaly of its own.
            guard let voltage = sample.voltages[phase], voltage >= nominal * Voltage.lostShare,
                let mean = means[phase].add(voltage, at: sample.moment.milliseconds)
            else { continue }
            tracks.judge(mean, phase: phase, by: mean > nominal ? high : low) {
                "The mean voltage\($0.place) was \($0.measured), with a limit of \($0.limit). " + Voltage.honesty
            }
        }
    }
}

/// What the rules about voltage have in common.
enum Voltage {
    /// A phase below this share of the nominal voltage is dead, above the next one it is alive.
    static let lostShare = 0.05
    static let aliveShare = 0.5

    static let honesty = "An indication from the meter's display values, not an EN 50160 measurement."

    static let hysteresis = RuleParameter.percent(
        "hysteresis", 2, in: 0...20, "over when the voltage is back inside by this share of the nominal voltage")

    static func parameter(_ key: String, _ percent: Double, _ meaning: String) -> RuleParameter {
        .quantity(key, .volt, in: 1...100_000, meaning, from: Nominal.source) {
            Nominal.voltage($0) * percent / 100
        }
    }

    static func ladder(
        _ side: Ladder.Side, _ levels: [Ladder.Level], _ hysteresis: Double, _ context: RuleContext,
        _ clearFor: RuleParameter
    ) -> Ladder {
        let cooldown = context.description.parameters.first { $0.key == "cooldown" }
        return Ladder(
            side, levels, hysteresis: hysteresis, clearFor: context.milliseconds(clearFor),
            cooldown: cooldown.map { context.milliseconds($0) } ?? 0, unit: .volt)
    }

    /// Whether any wired phase is alive.
    static func isAnyAlive(_ sample: Sample, nominal: Double) -> Bool {
        Phases<Double?>.indices.contains { phase in
            sample.wired[phase] && (sample.voltages[phase] ?? 0) >= nominal * aliveShare
        }
    }
}
