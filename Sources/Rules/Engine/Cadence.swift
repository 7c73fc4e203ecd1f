/// How often something usually comes, and whether a pause was longer than that explains.
struct Cadence: Sendable {
    /// Pauses up to here are never a gap, in milliseconds: a telegram or two of a fast meter may be damaged.
    static let shortestGap: Int64 = 30_000
    /// What is no gap while no pace is known, in milliseconds.
    static let longestUnknown: Int64 = 3_600_000

    // Two words: there are dozens of these for each meter, and each is looked at with every reading.
    private var lastOrMin = Int64.min
    private var usualOrZero: Int64 = 0

    init() {}

    /// - Parameter expected: what is configured, in milliseconds.
    init(expected: Int64?) {
        usualOrZero = max(0, expected ?? 0)
    }

    /// Milliseconds of the monotonic clock; nil before the first.
    var last: Int64? { lastOrMin == .min ? nil : lastOrMin }

    /// The usual time between two, in milliseconds; nil before the second.
    var usual: Int64? { usualOrZero == 0 ? nil : usualOrZero }

    /// The longest pause that is no gap, in milliseconds.
    private var longest: Int64 {
        usual.map { max(3 * min($0, .max / 3), Self.shortestGap) } ?? Self.longestUnknown
    }

    /// Notes that it came.
    ///
    /// - Returns: milliseconds since the last time; nil for the first time and after a gap.
    @discardableResult
    mutating func step(to now: Int64) -> Int64? {
        defer { lastOrMin = now }
        guard let last, now >= last else { return nil }
        let elapsed = now - last
        let isGap = elapsed > longest
        learn(elapsed)
        return isGap ? nil : elapsed
    }

    /// Follows a faster pace soon and a slower one slowly: one long pause must not make all pauses usual.
    private mutating func learn(_ elapsed: Int64) {
        if usualOrZero == 0 {
            usualOrZero = elapsed
        } else if elapsed < usualOrZero {
            usualOrZero -= (usualOrZero - elapsed) / 4
        } else {
            usualOrZero += min(elapsed - usualOrZero, usualOrZero + 8) / 8
        }
    }
}
