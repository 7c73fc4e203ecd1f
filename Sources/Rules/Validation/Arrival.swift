import OBIS

/// When something arrived, by those clocks of the host that can tell how long ago that was.
public struct Arrival: Sendable, Hashable {
    /// Of this run of the process; nil for what came before it and for what is not live.
    public var monotonic: Duration?
    /// Nil unless the host's clock was synchronised.
    public var wall: Timestamp?

    public init(monotonic: Duration? = nil, wall: Timestamp? = nil) {
        self.monotonic = monotonic
        self.wall = wall
    }

    /// Nothing that depends on time can be judged.
    public static let unknown = Arrival()

    /// - Returns: nil where no clock knows both, and where the wall clock went back.
    func elapsed(since earlier: Arrival) -> Duration? {
        if let monotonic, let before = earlier.monotonic { return max(.zero, monotonic - before) }
        guard let wall, let before = earlier.wall, wall >= before else { return nil }
        return .milliseconds(Timestamp.milliseconds(from: before, to: wall))
    }
}

extension Duration {
    /// For statistics.
    var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }

    /// For statistics.
    var hours: Double { seconds / 3600 }
}
