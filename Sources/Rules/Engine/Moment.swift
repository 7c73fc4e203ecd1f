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

/// A minute of a day, as the clock on the wall shows it.
struct LocalMoment: Sendable, Hashable {
    /// Days since 1970.
    let day: Int
    let minute: Int

    var hour: Int { minute / 60 }

    /// Year and month as one number that rises by one each month.
    var month: Int {
        let date = CivilDate(daysSince1970: Int64(day))
        return date.year * 12 + date.month - 1
    }
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
