import OBIS

/// Much more than is usually drawn at this hour of the day.
struct Peak: Rule {
    static let events: RuleEvents = [.values]

    static let share = RuleParameter.percent("share", 250, in: 100...10_000, "of the usual import at this hour")
    static let floor = RuleParameter.quantity(
        "floor", .watt, in: 0...10_000_000, "at least so much above the usual import"
    ) { _ in 500 }
    static let margin = RuleParameter.percent(
        "margin", 125, in: 100...10_000, "of what was drawn at about this hour on one day in ten")
    static let hysteresis = RuleParameter.percent("hysteresis", 20, in: 0...90, "over when it is below by this share")
    static let hold = RuleParameter.hold(900)
    static let samples = RuleParameter.samples(3)
    static let clearFor = RuleParameter.clearFor(300)
    static let cooldown = RuleParameter.cooldown(3600)
    static let severity = RuleParameter.severity(.medium)

    static let description = RuleDescription(
        type: "peak", title: "Unusually high consumption",
        what: "For a quarter of an hour the import is far above what is usual at this hour, also on the busiest days.",
        why: "Something runs that usually does not: a heater, a pump, a new device.",
        action: "Find what runs; ignore it if it is wanted. What becomes usual is no longer reported.",
        parameters: [share, floor, margin, hold, hysteresis, samples, severity, clearFor, cooldown], make: { Peak($0) })

    private let share: Double
    private let floor: Double
    private let margin: Double
    private let back: Double
    private var ladder: Ladder

    init(_ context: RuleContext) {
        share = context[Self.share] / 100
        floor = context[Self.floor]
        margin = context[Self.margin] / 100
        back = 1 - context[Self.hysteresis] / 100
        let level = context.level(
            context.severity(Self.severity, or: .medium), for: Self.hold, samples: context.count(Self.samples))
        ladder = Ladder(
            .above, [level], hysteresis: 0, clearFor: context.milliseconds(Self.clearFor),
            cooldown: context.milliseconds(Self.cooldown), unit: .watt)
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        guard let power = sample.importPower, let habit = sample.habit else { return }
        // A car that is charged every other night is no surprise, although the median does not know it.
        let enter = max(share * habit.median, habit.median + floor, margin * habit.high)
        ladder.move(enter: enter, exit: back * enter)
        tracks.judge(power, by: ladder) {
            let usual = FixedDecimal(habit.median, decimals: 0) ?? 0
            return "Up to \($0.measured) were drawn, with a limit of \($0.limit): usual at this hour are \(usual) W. "
                + "Find what runs, or ignore it if it is wanted."
        }
    }
}
