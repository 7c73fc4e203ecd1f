/// Whether a meter can be read, by the reader's own judgement. Time is monotonic and passed in.
struct Availability {
    /// How often the meter is expected to deliver: configured, or as observed.
    private(set) var expected: Duration
    private let isConfigured: Bool
    private var lastReading: Duration?
    private var gaps: [Duration] = []

    private static let observed = 8
    private(set) var isOnline = false

    /// Before anything was observed.
    static let assumed = Duration.seconds(300)
    /// Jitter of a fast meter makes no outage.
    static let shortest = Duration.seconds(10)

    init(interval: Duration?) {
        expected = interval ?? Self.assumed
        isConfigured = interval != nil
    }

    /// Whether the interval is configured or was observed often enough to be one.
    var isIntervalKnown: Bool { isConfigured || gaps.count >= 3 }

    /// After this long without a reading the meter is offline.
    var patience: Duration { max(expected * 3, Self.shortest) }

    /// How long nothing was read; nil before the first reading.
    func silence(at now: Duration) -> Duration? {
        lastReading.map { now - $0 }
    }

    /// - Returns: whether this changed the judgement.
    mutating func read(at now: Duration) -> Bool {
        if !isConfigured, let lastReading { observe(now - lastReading) }
        lastReading = now
        defer { isOnline = true }
        return !isOnline
    }

    /// Several lists in one burst are no speed, and one outage is no habit: the second longest of the newest gaps counts.
    private mutating func observe(_ gap: Duration) {
        gaps.append(gap)
        if gaps.count > Self.observed { gaps.removeFirst() }
        guard isIntervalKnown else { return }
        let longest = gaps.sorted(by: >)
        expected = gaps.count < Self.observed ? longest[0] : longest[1]
    }

    /// - Returns: whether this changed the judgement.
    mutating func check(at now: Duration) -> Bool {
        guard isOnline, let lastReading, now - lastReading > patience else { return false }
        isOnline = false
        return true
    }
}
