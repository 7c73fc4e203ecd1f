import OBIS

/// Hardly anything was drawn in an hour that usually needs something.
struct Drop: Rule {
    static let events: RuleEvents = [.values]

    static let below = RuleParameter.percent("below", 10, in: 0...100, "of the usual import of this hour")
    static let hysteresis = RuleParameter.percent("hysteresis", 20, in: 0...100, "over when it is above by this much")
    static let floor = RuleParameter.quantity(
        "floor", .watt, in: 0...10_000_000, "hours with less usual import are not judged"
    ) { _ in 200 }
    static let samples = RuleParameter.samples(1, "how many hours in a row it takes")
    static let clearFor = RuleParameter.clearFor(0)
    static let cooldown = RuleParameter.cooldown(0)
    static let severity = RuleParameter.severity(.low)

    static let description = RuleDescription(
        type: "drop", title: "Unusually low consumption",
        what:
            "In a whole hour less than 10 % of the usual import was drawn, and less than half of what the quietest days need.",
        why: "A freezer, a heating or a machine may have failed, or a fuse has tripped.",
        action: "Look whether everything runs that should. Days with export are not judged.",
        parameters: [below, floor, hysteresis, samples, severity, clearFor, cooldown], make: { Drop($0) })

    private let floor: Double
    private let ladder: Ladder

    init(_ context: RuleContext) {
        floor = context[Self.floor]
        let level = context.level(
            context.severity(Self.severity, or: .low), Self.below, samples: context.count(Self.samples))
        ladder = Ladder(
            .below, [level], hysteresis: context[Self.hysteresis], clearFor: context.milliseconds(Self.clearFor),
            cooldown: context.milliseconds(Self.cooldown), unit: .percent)
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        // A generator makes the import small without a fault.
        guard let hour = sample.closedHour, !hour.hadExport, let habit = hour.habit, habit.median > floor
        else { return }
        let share = 100 * hour.mean / habit.median
        // As little was drawn on other days as well: not usual, but no sign of a fault.
        if ladder.isBeyond(share, ladder.exit), hour.mean > habit.low / 2 { return }
        tracks.judge(share, by: ladder) {
            let mean = FixedDecimal(hour.mean, decimals: 0) ?? 0
            let usual = FixedDecimal(habit.median, decimals: 0) ?? 0
            return "In one hour \(mean) W were drawn on average, \($0.measured) of the usual \(usual) W. Look whether "
                + "everything runs that should."
        }
    }
}
