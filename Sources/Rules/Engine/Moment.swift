import OBIS

/// When something happened, on the clocks that rules go by.
struct Moment: Sendable {
    /// Of the monotonic clock: what durations are measured with.
    let milliseconds: Int64
    let wall: Timestamp
    /// The time of the place; nil while the host's clock is known to be wrong.
    var local: LocalMoment?

    init(milliseconds: Int64, wall: Timestamp, local: LocalMoment? = nil) {
        self.milliseconds = milliseconds
        self.wall = wall
        self.local = local
    }
}

/// The monotonic clock of one run. It never goes back, and stays where sums with durations do not overflow.
struct Stopwatch: Sendable {
    private static let range: ClosedRange<Int64> = 0...(1 << 52)

    private(set) var milliseconds: Int64 = 0

    /// - Returns: the milliseconds, no less than before.
    @discardableResult
    mutating func advance(to now: Duration) -> Int64 {
        milliseconds = max(milliseconds, min(max(now.wholeMilliseconds, Self.range.lowerBound), Self.range.upperBound))
        return milliseconds
    }
}

/// A minute of a day, as the clock on the wall shows it.
struct LocalMoment: Sendable, Hashable {
    /// Days since 1970.
    let day: Int
    let minute: Int

    var hour: Int { minute / 60 }
}

/// Finds the local time without asking the calendar each time: offsets change at quarters of an hour only.
struct LocalClock: Sendable {
    private static let quarter: Int64 = 900_000

    private let calendar: any LocalCalendar
    private var slot = Int64.min
    private var offset: Int64 = 0

    init(_ calendar: any LocalCalendar) {
        self.calendar = calendar
    }

    mutating func local(_ instant: Timestamp) -> LocalMoment {
        let current = instant.milliseconds / Self.quarter
        if current != slot {
            slot = current
            offset = Int64(calendar.utcOffset(at: instant))
        }
        let seconds = instant.milliseconds / 1000 &+ offset
        let day = (seconds >= 0 ? seconds : seconds - 86_399) / 86_400
        return LocalMoment(day: Int(day), minute: Int((seconds - day * 86_400) / 60))
    }
}
