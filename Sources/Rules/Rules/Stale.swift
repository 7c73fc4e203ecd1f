import OBIS

/// No believable reading for longer than usual.
struct Stale: Rule {
    static let events: RuleEvents = [.values, .link, .time]

    static let intervals = RuleParameter("intervals", .number, in: 1...1000, "so many usual pauses") { _ in 3 }
    static let hold = RuleParameter.duration("for", 60, "but never less than this")
    static let holdCritical = RuleParameter.duration("for_critical", 3600, "critical after so much more time")
    static let clearFor = RuleParameter.clearFor(0)
    static let cooldown = RuleParameter.cooldown(300)

    static let description = RuleDescription(
        type: "stale", title: "The meter is silent",
        what: "No valid reading for three times the usual interval.",
        why: "Nothing is known of the meter: its power, its line or its reader has failed, or its key is wrong.",
        action: "Check the cable and the optical head, then look at `obisd status`.",
        parameters: [intervals, hold, holdCritical, clearFor, cooldown], make: { Stale($0) })

    /// What is expected of a meter about which nothing is known yet, in milliseconds.
    private static let unknownInterval: Int64 = 900_000

    private let intervals: Double
    private let least: Int64
    private let critical: Int64
    private let interval: Int64?
    private var cadence = Cadence()
    /// When it was heard last, or when waiting began.
    private var since: Int64?
    private let ladder: Ladder

    init(_ context: RuleContext) {
        intervals = context[Self.intervals]
        least = context.milliseconds(Self.hold)
        critical = context.milliseconds(Self.holdCritical)
        interval = context.interval
        ladder = Ladder(
            conditions: [context.level(.high), context.level(.critical)],
            clearFor: context.milliseconds(Self.clearFor), cooldown: context.milliseconds(Self.cooldown))
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        cadence.step(to: sample.moment.milliseconds)
        since = sample.moment.milliseconds
        tracks.judge(0, by: ladder) { _ in "" }
    }

    /// Nothing has changed, but what was said is said anew.
    mutating func observe(_ link: LinkObservation, _ moment: Moment, _ tracks: inout Tracks) {
        guard link.repetitions > 0 else { return }
        since = moment.milliseconds
        tracks.judge(0, by: ladder) { _ in "" }
    }

    mutating func tick(_ moment: Moment, _ tracks: inout Tracks) {
        guard let since else {
            self.since = moment.milliseconds
            return
        }
        let usual = interval ?? cadence.usual ?? Self.unknownInterval
        let limit = max(least, Int64(exactly: (intervals * Double(usual)).rounded()) ?? least)
        let silent = moment.milliseconds - since
        guard silent > limit else { return }
        tracks.judge(silent - limit > critical ? 2 : 1, by: ladder) { _ in
            "No valid reading for \(DurationText.text(milliseconds: silent)); usual is one every "
                + "\(DurationText.text(milliseconds: max(1000, usual))). Check the cable and the optical head."
        }
    }
}
