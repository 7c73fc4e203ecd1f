/// Whether a meter can be read, by the reader's own judgement. Time is monotonic and passed in.
struct Availability {
    /// How often the meter is expected to deliver: configured, or as observed.
    private(set) var expected: Duration
    private let isConfigured: Bool
    private var lastReading: Duration?
    private(set) var isOnline = false

    /// Before anything was observed.
    static let assumed = Duration.seconds(300)
    /// Jitter of a fast meter makes no outage.
    static let shortest = Duration.seconds(10)

    init(interval: Duration?) {
        expected = interval ?? Self.assumed
        isConfigured = interval != nil
    }

    /// After this long without a reading the meter is offline.
    var patience: Duration { max(expected * 3, Self.shortest) }

    /// - Returns: whether this changed the judgement.
    mutating func read(at now: Duration) -> Bool {
        if !isConfigured, let lastReading {
            let gap = now - lastReading
            // Follows a faster meter at once, a slower one gradually: an outage is no new habit.
            expected = gap < expected ? gap : (expected * 7 + gap) / 8
        }
        lastReading = now
        defer { isOnline = true }
        return !isOnline
    }

    /// - Returns: whether this changed the judgement.
    mutating func check(at now: Duration) -> Bool {
        guard isOnline, let lastReading, now - lastReading > patience else { return false }
        isOnline = false
        return true
    }
}
