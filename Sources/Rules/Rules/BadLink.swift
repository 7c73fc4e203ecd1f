import OBIS

/// Too many damaged frames.
struct BadLink: Rule {
    static let events: RuleEvents = [.link]

    static let above = RuleParameter.percent("above", 5, in: 0...100, "share of damaged frames")
    static let hysteresis = RuleParameter.percent("hysteresis", 4, in: 0...100, "over when it is below by this much")
    static let hold = RuleParameter.duration("for", 600, "the share is taken over this time")
    static let samples = RuleParameter.samples(20, "and over at least so many frames")
    static let damaged = RuleParameter(
        "min_damaged", .count, in: 1...10_000, "fewer damaged frames are chance: more are awaited"
    ) { _ in 4 }
    static let clearFor = RuleParameter.clearFor(0)
    static let cooldown = RuleParameter.cooldown(3600)
    static let severity = RuleParameter.severity(.medium)

    static let description = RuleDescription(
        type: "bad_link", title: "Bad connection to the meter",
        what: "More than 5 % of the frames of ten minutes were damaged.",
        why: "Readings are lost; a dirty or shifted optical head, a long cable or a wrong line setting is the reason.",
        action: "Clean and align the head, shorten or shield the cable, check the line settings.",
        parameters: [above, hold, samples, damaged, hysteresis, severity, clearFor, cooldown], make: { BadLink($0) })

    /// What noise does to a frame; a wrong key is something else.
    private static let damages: Set<String> = ["checksum", "truncated", "framing", "malformed", "limit"]

    private let length: Int64
    private let samples: Int
    private let leastDamaged: Int
    private var start: Int64?
    private var good = 0
    private var bad = 0
    private let ladder: Ladder

    init(_ context: RuleContext) {
        length = context.milliseconds(Self.hold)
        samples = context.count(Self.samples)
        leastDamaged = context.count(Self.damaged)
        ladder = Ladder(
            .above, [context.level(context.severity(Self.severity, or: .medium), Self.above)],
            hysteresis: context[Self.hysteresis], clearFor: context.milliseconds(Self.clearFor),
            cooldown: context.milliseconds(Self.cooldown), unit: .percent)
    }

    mutating func observe(_ link: LinkObservation, _ moment: Moment, _ tracks: inout Tracks) {
        good += max(0, min(link.goodFrames, 1_000_000))
        bad += link.rejected(Self.damages)
        guard let start else {
            self.start = moment.milliseconds
            return
        }
        guard moment.milliseconds - start >= length, good + bad >= samples else { return }
        let share = 100 * Double(bad) / Double(good + bad)
        if share > ladder.exit, bad < leastDamaged { return }
        tracks.judge(share, by: ladder) {
            "\($0.measured) of the frames were damaged, with a limit of \($0.limit). Clean and align the optical head "
                + "and check cable and line settings."
        }
        self.start = moment.milliseconds
        good = 0
        bad = 0
    }
}
