import OBIS

/// What is drawn all night long: judged once per night by the lowest ten minutes of it.
struct NightBaseLoad: Rule {
    static let events: RuleEvents = [.values, .time]

    static let above = RuleParameter.quantity("above", .watt, in: 1...10_000_000, "a fixed limit") { _ in nil }
    static let share = RuleParameter.percent("share", 150, in: 100...10_000, "of the median of the last 14 nights")
    static let floor = RuleParameter.quantity(
        "floor", .watt, in: 0...1_000_000, "at least so much above that median"
    ) { _ in 100 }
    static let from = RuleParameter.timeOfDay("from", hour: 1, "when the night begins, local time")
    static let to = RuleParameter.timeOfDay("to", hour: 5, "when the night ends")
    static let cooldown = RuleParameter.cooldown(0)
    static let severity = RuleParameter.severity(.medium)

    static let description = RuleDescription(
        type: "night_base_load", title: "High consumption at night",
        what: "The lowest ten minutes between 01:00 and 05:00 are above a limit or far above the usual nights.",
        why: "Something runs that nobody uses: a pump, a heater, a device that failed to switch off.",
        action:
            "Switch circuits off one after the other while watching the power. It does not detect residual current.",
        parameters: [above, share, floor, from, to, severity, cooldown], make: { NightBaseLoad($0) })

    private static let nights = 14
    private static let leastNights = 7
    /// The share of the night that must have been seen.
    private static let leastCoverage = 0.75
    private static let windowLength: Int64 = 600_000

    private let limit: Double
    private let share: Double
    private let floor: Double
    private let from: Int
    private let to: Int

    /// The day on which the present night ends; nil by day.
    private var night: Int?
    private var lowest: Double?
    private var covered: Int64 = 0
    private var mean = WindowMean(length: windowLength, samples: 1)
    /// The lowest power of the last nights, in W, the oldest first.
    private var history: [Int32] = []
    private var ladder: Ladder

    init(_ context: RuleContext) {
        limit = context[Self.above]
        share = context[Self.share] / 100
        floor = context[Self.floor]
        from = context.count(Self.from)
        to = context.count(Self.to)
        ladder = Ladder(
            .above, [context.level(context.severity(Self.severity, or: .medium))], hysteresis: 0, clearFor: 0,
            cooldown: context.milliseconds(Self.cooldown), unit: .watt)
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        guard let local = sample.moment.local else { return }
        turn(to: night(of: local), &tracks)
        guard night != nil, let power = sample.importPower else { return }
        if let mean = mean.add(power, at: sample.moment.milliseconds) { lowest = min(lowest ?? mean, mean) }
        covered += sample.elapsed ?? 0
    }

    mutating func tick(_ moment: Moment, _ tracks: inout Tracks) {
        if let local = moment.local { turn(to: night(of: local), &tracks) }
    }

    /// The day on which the night ends that a moment belongs to. A night may begin before midnight.
    private func night(of local: LocalMoment) -> Int? {
        if from <= to { return (from..<to).contains(local.minute) ? local.day : nil }
        return local.minute >= from ? local.day + 1 : local.minute < to ? local.day : nil
    }

    private mutating func turn(to next: Int?, _ tracks: inout Tracks) {
        guard next != night else { return }
        if night != nil { close(&tracks) }
        night = next
        lowest = nil
        covered = 0
        mean = WindowMean(length: Self.windowLength, samples: 1)
    }

    private mutating func close(_ tracks: inout Tracks) {
        let length = Double((to - from + 1440) % 1440) * 60_000
        guard let lowest, Double(covered) >= Self.leastCoverage * length else { return }
        let usual = history.count >= Self.leastNights ? history.median : nil
        let learned = usual.map { max(share * $0, $0 + floor) }
        if let enter = [limit.isNaN ? nil : limit, learned].compactMap({ $0 }).min() {
            ladder.move(enter: enter, exit: 0.95 * enter)
            tracks.judge(lowest, by: ladder) {
                let night = usual.flatMap { FixedDecimal($0, decimals: 0) }.map { " (usual: \($0) W)" } ?? ""
                return "Never less than \($0.measured) was drawn last night, with a limit of \($0.limit)\(night). "
                    + "Find what runs that nobody uses. This is no residual-current detection."
            }
        }
        history.append(Int32(clamping: Int64(exactly: lowest.rounded()) ?? 0))
        if history.count > Self.nights { history.removeFirst() }
    }

    func store(_ writer: inout JSONWriter) {
        writer.member("night", night)
        writer.member("lowest", lowest.flatMap { FixedDecimal($0, decimals: 1) })
        writer.member("covered", covered)
        writer.key("history")
        writer.array { for night in history { $0.number(night) } }
    }

    mutating func restore(_ memory: StoredValue) {
        night = memory["night"]?.integer
        lowest = memory["lowest"]?.double
        covered = Int64(max(0, min(memory["covered"]?.integer ?? 0, 86_400_000)))
        history = (memory["history"]?.array ?? []).suffix(Self.nights).compactMap(\.integer).map { Int32(clamping: $0) }
    }
}
