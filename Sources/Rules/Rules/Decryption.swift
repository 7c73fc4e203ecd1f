import OBIS

/// Messages that cannot be decrypted, or whose authentication tag is wrong.
struct Decryption: Rule {
    static let events: RuleEvents = [.link]

    static let samples = RuleParameter.samples(3, "so many messages within `window`")
    static let window = RuleParameter.duration("window", 600, "the time in which failures are counted")
    static let clearFor = RuleParameter.clearFor(0)
    static let cooldown = RuleParameter.cooldown(3600)
    static let severity = RuleParameter.severity(.high)

    static let description = RuleDescription(
        type: "decryption", title: "Messages cannot be decrypted",
        what: "Three messages within ten minutes did not decrypt or had a wrong authentication tag.",
        why: "The key is wrong or was exchanged, or somebody sends forged messages.",
        action: "Compare the keys with what the grid operator gave; ask whether they were renewed.",
        parameters: [samples, window, severity, clearFor, cooldown], make: { Decryption($0) })

    private static let failures: Set<String> = ["decryption", "authentication", "key-missing"]

    private let samples: Int
    private let window: Int64
    private var start: Int64?
    private var good = 0
    private var failed = 0
    private let ladder: Ladder

    init(_ context: RuleContext) {
        samples = context.count(Self.samples)
        window = context.milliseconds(Self.window)
        ladder = Ladder(
            conditions: [context.level(context.severity(Self.severity, or: .high))],
            clearFor: context.milliseconds(Self.clearFor), cooldown: context.milliseconds(Self.cooldown))
    }

    mutating func observe(_ link: LinkObservation, _ moment: Moment, _ tracks: inout Tracks) {
        let start = self.start ?? moment.milliseconds
        self.start = start
        good += max(0, min(link.goodFrames, 1_000_000))
        let new = link.rejected(Self.failures)
        failed += new
        if new > 0, failed >= samples { judge(1, &tracks) }
        guard moment.milliseconds - start >= window else { return }
        // Silence proves nothing: only messages that decrypt do.
        if failed == 0, good > 0 { judge(0, &tracks) }
        self.start = moment.milliseconds
        good = 0
        failed = 0
    }

    private func judge(_ value: Double, _ tracks: inout Tracks) {
        tracks.judge(value, by: ladder) { _ in
            "\(failed) messages in a short time did not decrypt or had a wrong tag. Compare the keys with what the "
                + "grid operator gave."
        }
    }
}
