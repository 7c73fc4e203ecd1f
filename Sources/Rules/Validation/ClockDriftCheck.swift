import OBIS

/// Whether the meter's clock agrees with the host's.
struct ClockDriftCheck {
    static let defaultLimit = Duration.seconds(300)

    let limit: Duration

    /// - Returns: nil where one of the clocks is unknown or known to be wrong.
    func objection(to reading: Reading) -> QualityIssue? {
        guard let drift = reading.clockDrift, Self.magnitude(drift) > limit else { return nil }
        return QualityIssue(
            register: nil, level: .warning, code: .clockDrift,
            text: "the meter's clock and that of this machine disagree: \(Self.text(drift))")
    }

    private static func text(_ drift: Duration) -> String {
        let seconds = Int64(drift.seconds.rounded())
        let direction = seconds < 0 ? "behind" : "ahead"
        let hours = (seconds.magnitude + 1800) / 3600
        let rest = Duration.seconds(Int64(seconds.magnitude) - Int64(hours) * 3600)
        // A zone is at most 14 hours off; half-hour zones are not told from a clock that runs badly.
        guard (1...14).contains(hours), magnitude(rest) <= defaultLimit else {
            return "it is \(seconds.magnitude) s \(direction)"
        }
        let amount = hours == 1 ? "one hour" : "\(hours) hours"
        return "it is \(amount) \(direction), as with a wrong zone or without daylight saving time. Set `time_zone` to "
            + "what it keeps, such as +01:00 for one that does not change to summer time"
    }

    private static func magnitude(_ duration: Duration) -> Duration {
        duration < .zero ? .zero - duration : duration
    }
}
