import OBIS

/// Water or gas that never stands still for a day: a leak, or a tap that is not shut.
struct ContinuousFlow: Rule {
    static let events: RuleEvents = [.values]

    static let hold = RuleParameter.hold(86_400)
    static let pause = RuleParameter.duration("pause", 3600, "a standstill of this length shows that nothing leaks")
    static let clearFor = RuleParameter.clearFor(0)
    static let cooldown = RuleParameter.cooldown(21_600)
    static let severity = RuleParameter.severity(.medium)

    static let description = RuleDescription(
        type: "continuous_flow", title: "Water or gas flows without a pause",
        what: "The volume of a water or gas meter has not stood still for an hour in a whole day.",
        why: "A dripping valve, a toilet or a pipe leaks; escaping gas is dangerous.",
        action:
            "Close all taps and watch the meter. At the smell of gas leave the house and call the gas emergency line.",
        parameters: [hold, pause, severity, clearFor, cooldown], make: { ContinuousFlow($0) })

    private let hold: Int64
    private let pause: Int64

    private var volume: Double?
    /// When the volume was read: by the monotonic clock, which is unknown after a restart, and by the wall's.
    private var lastMilliseconds: Int64?
    private var lastWall: Timestamp?
    /// For how long the counter has stood still, and for how long it did not do so for a whole pause, in milliseconds.
    private var standing: Int64 = 0
    private var flowing: Int64 = 0
    private let ladder: Ladder

    init(_ context: RuleContext) {
        hold = context.milliseconds(Self.hold)
        pause = max(1, context.milliseconds(Self.pause))
        ladder = Ladder(
            conditions: [context.level(context.severity(Self.severity, or: .medium))],
            clearFor: context.milliseconds(Self.clearFor), cooldown: context.milliseconds(Self.cooldown))
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        // The water of a heating flows all winter.
        guard sample.medium == .water || sample.medium == .gas, let now = sample.volume else { return }
        defer {
            volume = now
            lastMilliseconds = sample.moment.milliseconds
            lastWall = sample.moment.wall
        }
        guard let volume, now >= volume, let elapsed = elapsed(until: sample.moment), elapsed <= pause + pause / 2
        else {
            // Nobody knows whether it stood still.
            standing = 0
            flowing = 0
            return
        }
        standing = now > volume ? 0 : standing + elapsed
        flowing = standing >= pause ? 0 : flowing + elapsed
        let text = DurationText.text(milliseconds: hold)
        tracks.judge(flowing >= hold ? 1 : 0, by: ladder) { _ in
            "The counter has not stood still for \(DurationText.text(milliseconds: pause)) within \(text). Close all "
                + "taps and watch the meter. A leak below the meter's smallest step cannot be seen this way."
        }
    }

    private func elapsed(until moment: Moment) -> Int64? {
        if let lastMilliseconds { return moment.milliseconds - lastMilliseconds }
        let elapsed = lastWall.map { Timestamp.milliseconds(from: $0, to: moment.wall) }
        return elapsed.flatMap { $0 >= 0 ? $0 : nil }
    }

    func store(_ writer: inout JSONWriter) {
        writer.member("volume", volume.flatMap { FixedDecimal($0) })
        writer.member("at", lastWall)
        writer.member("standing", standing)
        writer.member("flowing", flowing)
    }

    mutating func restore(_ memory: StoredValue) {
        guard let wall = memory["at"]?.timestamp else { return }
        volume = memory["volume"]?.double
        lastWall = wall
        standing = Int64(max(0, min(memory["standing"]?.integer ?? 0, 1 << 40)))
        flowing = Int64(max(0, min(memory["flowing"]?.integer ?? 0, 1 << 40)))
    }
}
