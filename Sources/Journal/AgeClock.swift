import Glibc
import OBIS

/// Whether the host's clock can be believed where readings are dropped for their age: only after it has run evenly for an
/// hour. A clock that begins in 1970 and is set right, or wrong, has not.
struct AgeClock {
    static let probation = Duration.seconds(3600)

    private var last: (wall: Timestamp, uptime: Duration)?
    private var evenSince = Duration.zero

    /// - Returns: whether it has run evenly for long enough.
    mutating func isTrusted(_ wall: Timestamp, uptime: Duration) -> Bool {
        defer { last = (wall, uptime) }
        guard let last else {
            evenSince = uptime
            return false
        }
        let (passed, overflow) = wall.milliseconds.subtractingReportingOverflow(last.wall.milliseconds)
        let expected = uptime - last.uptime
        // What a time server corrects by and by is much less.
        let tolerance = max(.seconds(10), expected / 50)
        guard !overflow, abs(.milliseconds(passed) - expected) <= tolerance else {
            evenSince = uptime
            return false
        }
        return uptime - evenSince >= Self.probation
    }

    private func abs(_ duration: Duration) -> Duration { duration < .zero ? .zero - duration : duration }

    /// Time since the machine was started, in sleep as well.
    static var uptime: Duration {
        var time = timespec()
        // The structure outlives the call, which fills it.
        unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
