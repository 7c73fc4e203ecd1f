import OBIS

/// For how long a value that was measured now and then holds: until the next one, unless that is late.
struct Hold: Sendable {
    /// No value holds for longer.
    static let longest = Duration.seconds(20 * 60)
    /// Meters jitter: so long is never a gap.
    static let shortest = Duration.seconds(10)
    /// How many usual intervals make a gap.
    static let patience = 3

    private var measured: Duration
    /// Up to where its time has been taken.
    private var taken: Duration
    private var usual: Duration?

    init(at now: Duration) {
        measured = now
        taken = now
    }

    /// The time since it was last asked for; zero in a gap, none of which counts.
    mutating func take(until now: Duration) -> Duration {
        guard now > taken, now - measured <= limit else { return .zero }
        defer { taken = now }
        return now - taken
    }

    /// As it is when a new value has come.
    func measured(at now: Duration) -> Hold {
        var next = Hold(at: now)
        let interval = max(.zero, now - measured)
        // A slow average, in which an outage counts for little.
        next.usual = usual.map { ($0 * 7 + min(interval, $0 * Self.patience)) / 8 } ?? min(interval, Self.longest)
        return next
    }

    private var limit: Duration {
        min(Self.longest, max(Self.shortest, (usual ?? Self.longest) * Self.patience))
    }
}
