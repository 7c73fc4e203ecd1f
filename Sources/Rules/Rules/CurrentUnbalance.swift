import OBIS

/// Three phases that are loaded unequally while the load is large.
struct CurrentUnbalance: Rule {
    static let events: RuleEvents = [.values]

    static let above = RuleParameter.percent("above", 20, in: 1...200, "deviation of one phase from the mean of all")
    static let hysteresis = RuleParameter.percent("hysteresis", 5, in: 0...50, "over when it is below by this much")
    static let floor = RuleParameter.quantity(
        "floor", .ampere, in: 0...10_000, "below this mean current nothing is said", from: "fuse"
    ) { $0.fuse.map { $0.double * 0.3 } }
    static let hold = RuleParameter.hold(600)
    static let samples = RuleParameter.samples(3)
    static let clearFor = RuleParameter.clearFor(300)
    static let cooldown = RuleParameter.cooldown(3600)
    static let severity = RuleParameter.severity(.low)

    static let description = RuleDescription(
        type: "current_unbalance", title: "Unequally loaded phases",
        what: "A phase differs by more than 20 % from the mean of the three, at more than 30 % of the fuse.",
        why: "One fuse is near its limit while the others are idle, and the neutral carries the difference.",
        action: "Move large single-phase loads to other phases. A home may well ignore it.",
        parameters: [above, hold, floor, hysteresis, samples, severity, clearFor, cooldown],
        needs: [.value(floor, hint: "limits.fuse")], make: { CurrentUnbalance($0) })

    private let floor: Double
    private let ladder: Ladder

    init(_ context: RuleContext) {
        floor = context[Self.floor]
        let level = context.level(
            context.severity(Self.severity, or: .low), Self.above, for: Self.hold,
            samples: context.count(Self.samples))
        ladder = Ladder(
            .above, [level], hysteresis: context[Self.hysteresis], clearFor: context.milliseconds(Self.clearFor),
            cooldown: context.milliseconds(Self.cooldown), unit: .percent)
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        guard let currents = sample.currents.whole, Phases<Bool>.indices.allSatisfy({ sample.wired[$0] })
        else { return }
        let amounts = Phases(abs(currents[0]), abs(currents[1]), abs(currents[2]))
        tracks.judge(amounts.mean > floor ? amounts.unbalance : 0, by: ladder) {
            "A phase was up to \($0.measured) away from the mean of the three, with a limit of \($0.limit). Move "
                + "large single-phase loads to other phases."
        }
    }
}
