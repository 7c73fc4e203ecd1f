/// Lets the first of equal messages through at once, then one a minute with a count of those between.
///
/// Time is monotonic and passed in.
struct LogLimiter {
    private struct Entry {
        var lastLogged: Duration
        var suppressed = 0
    }

    static let pause = Duration.seconds(60)
    /// Messages that are told apart, and so the most lines of one pause. Beyond, the oldest is forgotten when it may be
    /// said again anyway; until then a new one is held back.
    static let capacity = 64

    private var entries: [String: Entry] = [:]

    /// - Returns: how many equal messages were held back since the last one; nil when this one is held back too.
    mutating func admit(_ key: String, now: Duration) -> Int? {
        guard let entry = entries[key] else {
            guard makeRoom(now: now) else { return nil }
            entries[key] = Entry(lastLogged: now)
            return 0
        }
        guard now - entry.lastLogged >= Self.pause else {
            entries[key]?.suppressed += 1
            return nil
        }
        entries[key] = Entry(lastLogged: now)
        return entry.suppressed
    }

    /// The next message of this kind is news again.
    mutating func forget(_ key: String) {
        entries[key] = nil
    }

    /// - Returns: whether there is any.
    private mutating func makeRoom(now: Duration) -> Bool {
        guard entries.count >= Self.capacity,
            let oldest = entries.min(by: { $0.value.lastLogged < $1.value.lastLogged })
        else { return true }
        guard now - oldest.value.lastLogged >= Self.pause else { return false }
        entries[oldest.key] = nil
        return true
    }
}
