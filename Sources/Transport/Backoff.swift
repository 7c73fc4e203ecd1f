/// How long to wait before the next attempt, for ever: doubling up to a maximum, and shortened at random, so
/// that meters which failed together do not return together.
public struct Backoff: Sendable, Equatable {
    public let initial: Duration
    public let maximum: Duration
    /// The largest share of a delay that chance takes away, in percent.
    public let jitterPercent: Int

    private var upcoming: Duration

    public init(initial: Duration = .seconds(1), maximum: Duration = .seconds(60), jitterPercent: Int = 25) {
        self.initial = max(.zero, min(initial, maximum))
        self.maximum = max(.zero, maximum)
        self.jitterPercent = max(0, min(100, jitterPercent))
        upcoming = self.initial
    }

    /// The delay before the next attempt: never above `maximum`.
    public mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
        let delay = upcoming
        upcoming = delay >= maximum / 2 ? maximum : delay * 2
        let permille = Int.random(in: 0...(jitterPercent * 10), using: &generator)
        return delay - delay / 1000 * permille
    }

    /// The delay before the next attempt, with the system's random numbers.
    public mutating func next() -> Duration {
        var generator = SystemRandomNumberGenerator()
        return next(using: &generator)
    }

    /// The line works again: the next delay is the first one.
    public mutating func reset() {
        upcoming = initial
    }
}
