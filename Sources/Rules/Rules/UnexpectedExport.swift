import OBIS

/// Power flows into the grid where nothing can feed it.
struct UnexpectedExport: Rule {
    static let events: RuleEvents = [.values]

    static let above = RuleParameter.quantity("above", .watt, in: 0...10_000_000, "export") { _ in 20 }
    static let hold = RuleParameter.hold(600)
    static let samples = RuleParameter.samples(3)
    static let clearFor = RuleParameter.clearFor(600)
    static let cooldown = RuleParameter.cooldown(3600)
    static let severity = RuleParameter.severity(.low)

    static let description = RuleDescription(
        type: "unexpected_export", title: "Export without a generator",
        what: "The meter shows export for ten minutes, although the limits say that there is no generator.",
        why: "A phase or a current transformer is connected the wrong way round, or a generator is not registered.",
        action: "State the generator in the configuration, or have the wiring of the meter checked.",
        parameters: [above, hold, samples, severity, clearFor, cooldown], needs: [.generator(false)],
        make: { UnexpectedExport($0) })
    private let ladder: Ladder

    init(_ context: RuleContext) {
        let level = context.level(
            context.severity(Self.severity, or: .low), Self.above, for: Self.hold, samples: context.count(Self.samples))
        ladder = Ladder(
            .above, [level], hysteresis: context[Self.above] / 2, clearFor: context.milliseconds(Self.clearFor),
            cooldown: context.milliseconds(Self.cooldown), unit: .watt)
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        guard let power = sample.power else { return }
        tracks.judge(-power, by: ladder) {
            "Up to \($0.measured) flowed into the grid, although there should be no generator. State it, or have the wiring "
                + "of the meter checked."
        }
    }
}
