import Configuration

/// Spreads a backlog over time: so many entries a second, with a burst of a tenth of a second.
struct Pace: Sendable {
    private let interval: Duration?
    private var next = Duration.zero
    private static let burst = Duration.milliseconds(100)

    init(_ rate: Broker.DrainRate) {
        switch rate {
        case .perSecond(let count): interval = .seconds(1) / max(1, count)
        case .unlimited: interval = nil
        }
    }

    func admits(at now: Duration) -> Bool {
        interval == nil || next - Self.burst <= now
    }

    func delay(at now: Duration) -> Duration {
        max(.milliseconds(1), next - now)
    }

    mutating func took(at now: Duration) {
        guard let interval else { return }
        next = max(next, now) + interval
    }
}
