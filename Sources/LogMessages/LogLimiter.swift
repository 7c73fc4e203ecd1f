/// Lets the first of equal messages through at once; while it goes on, it is said again after a minute, then after ten,
/// then hourly, each time with a count of those between.
///
/// What is over (`over`) and comes back is news and said at once, three times: whoever comes and goes without end is
/// then as one that goes on, until there was none for an hour. Time is monotonic and passed in.
public struct LogLimiter: Sendable {
    private struct Entry {
        var lastSaid: Duration
        var lastSeen: Duration
        /// How often it was said again while it went on.
        var repetitions = 0
        var returns = 0
        var isOver = false
        var suppressed = 0

        var pause: Duration { LogLimiter.pauses[min(repetitions, LogLimiter.pauses.count - 1)] }

        /// Whether it would be said, if it came now.
        func isDue(at now: Duration) -> Bool {
            now - lastSaid >= pause || (isOver && returns < LogLimiter.returnsAtOnce)
        }

        mutating func said(at now: Duration) {
            if now - lastSeen >= LogLimiter.calm {
                (repetitions, returns) = (0, 0)
            } else if isOver, returns < LogLimiter.returnsAtOnce {
                (repetitions, returns) = (0, returns + 1)
            } else {
                repetitions += 1
            }
            lastSaid = now
            suppressed = 0
        }
    }

    /// From one line to the next while nothing changes; the last one for all that follow.
    public static let pauses: [Duration] = [.seconds(60), .seconds(600), .seconds(3600)]
    /// What was not there for so long begins anew.
    public static let calm = Duration.seconds(3600)
    /// How often that which was over is said at once when it comes back.
    public static let returnsAtOnce = 3
    /// Messages that are told apart, and so the most lines of one pause. Beyond, the one that was said first makes way
    /// when it may be said again anyway; until then a new one is held back.
    public static let capacity = 64

    private var entries: [String: Entry] = [:]

    public init() {}

    /// - Returns: how many equal messages were held back since the last one; nil when this one is held back too.
    public mutating func admit(_ key: String, now: Duration) -> Int? {
        guard var entry = entries[key] else {
            guard makeRoom(now: now) else { return nil }
            entries[key] = Entry(lastSaid: now, lastSeen: now)
            return 0
        }
        defer {
            entry.lastSeen = now
            entry.isOver = false
            entries[key] = entry
        }
        guard entry.isDue(at: now) else {
            entry.suppressed += 1
            return nil
        }
        let suppressed = entry.suppressed
        entry.said(at: now)
        return suppressed
    }

    /// It is no longer so: the next message of this kind is news again.
    public mutating func over(_ key: String) {
        entries[key]?.isOver = true
    }

    /// The same for every kind whose key begins so.
    public mutating func over(beginning prefix: String) {
        for key in entries.keys where key.hasPrefix(prefix) { entries[key]?.isOver = true }
    }

    /// - Returns: whether there is any.
    private mutating func makeRoom(now: Duration) -> Bool {
        guard entries.count >= Self.capacity else { return true }
        let due = entries.filter { now - $0.value.lastSaid >= $0.value.pause }
        guard let oldest = due.min(by: { $0.value.lastSaid < $1.value.lastSaid }) else { return false }
        entries[oldest.key] = nil
        return true
    }
}
