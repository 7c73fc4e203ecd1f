/// How long to wait before the next attempt to connect: doubling from `first` to a limit, each time somewhere
/// between half and all of it, so that many daemons do not come back at the same moment.
public struct ReconnectBackoff: Sendable {
    public var first: Duration
    /// While the broker cannot be reached: an attempt costs little, and a broker that is back should be seen soon.
    public var unreachableLimit: Duration
    /// While the broker refuses us, so that a wrong password does not fill its log.
    public var refusedLimit: Duration
    private let random: @Sendable () -> Double

    /// - Parameter random: 0 to 1.
    public init(
        first: Duration = .seconds(1), unreachableLimit: Duration = .seconds(5), refusedLimit: Duration = .seconds(60),
        random: @escaping @Sendable () -> Double = { Double.random(in: 0...1) }
    ) {
        self.first = first
        self.unreachableLimit = unreachableLimit
        self.refusedLimit = refusedLimit
        self.random = random
    }

    /// - Parameter attempt: how many attempts in succession have failed, from 1.
    func delay(attempt: Int, refused: Bool) -> Duration {
        let limit = refused ? refusedLimit : unreachableLimit
        var delay = min(first, limit)
        var doublings = attempt - 1
        while doublings > 0, delay < limit {
            delay = min(delay * 2, limit)
            doublings -= 1
        }
        return delay * (0.5 + 0.5 * min(max(random(), 0), 1))
    }
}
