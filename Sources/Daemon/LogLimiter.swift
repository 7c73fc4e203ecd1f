/// Lets the first of equal messages through at once, then one a minute with a count of those between.
///
/// Time is monotonic and passed in.
struct LogLimiter {
    private struct Entry {
        var lastLogged: Duration
        var suppressed = 0
    }

    static let pause = Duration.seconds(60)
    /// Messages that are told apart; beyond, the oldest is forgotten and may be said again.
    static let capacity = 64

    private var entries: [String: Entry] = [:]

    /// - Returns: how many equal messages were held back since the last one; nil when this one is held back too.
    mutating func admit(_ key: String, now: Duration) -> Int? {
        guard let entry = entries[key] else {
            makeRoom()
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

    private mutating func makeRoom() {
        guard entries.count >= Self.capacity else { return }
        if let oldest = entries.min(by: { $0.value.lastLogged < $1.value.lastLogged }) { entries[oldest.key] = nil }
    }
}
