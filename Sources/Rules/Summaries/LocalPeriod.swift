import OBIS

/// An hour or a day of a calendar, as instants.
///
/// A day of daylight saving has 23 or 25 hours. The local hour that comes twice is two hours; where the clock moves
/// by half an hour, an hour has more or less than 60 minutes.
struct LocalPeriod: Hashable, Sendable {
    let from: Timestamp
    /// Exclusive.
    let to: Timestamp

    init(from: Timestamp, to: Timestamp) {
        self.from = from
        self.to = to
    }

    /// The period that an instant is in.
    init(_ period: Summary.Period, containing instant: Timestamp, _ calendar: some LocalCalendar) {
        // A year outside of these is no time, and leaves room for the search.
        let second = Swift.min(Swift.max(instant.milliseconds / 1000, -62_000_000_000), 250_000_000_000)
        let span: Int64 = period == .hour ? 2 * 3600 : 27 * 3600
        let name = Self.name(period, second, calendar)
        // Within reach, the seconds of one period stand together.
        let first = Self.firstSecond(after: second - span, to: second) { Self.name(period, $0, calendar) == name }
        let end = Self.firstSecond(after: second, to: second + span) { Self.name(period, $0, calendar) != name }
        from = Timestamp(milliseconds: first * 1000)
        to = Timestamp(milliseconds: end * 1000)
    }

    func contains(_ instant: Timestamp) -> Bool { from <= instant && instant < to }

    /// How a person calls it.
    func label(_ period: Summary.Period, _ calendar: some LocalCalendar) -> String {
        let local = calendar.local(from)
        switch period {
        case .hour: return local.at(utcOffset: calendar.utcOffset(at: from) / 60).description
        case .day: return String(local.local.prefix(10))
        }
    }

    /// Two of a name with another offset in between are not the same.
    private struct Name: Equatable {
        let number: Int64
        let offset: Int
    }

    private static func name(_ period: Summary.Period, _ second: Int64, _ calendar: some LocalCalendar) -> Name {
        let offset = calendar.utcOffset(at: Timestamp(milliseconds: second * 1000))
        let local = second + Int64(offset)
        let length: Int64 = period == .hour ? 3600 : 86_400
        let number = local >= 0 ? local / length : (local + 1) / length - 1
        return Name(number: number, offset: period == .hour ? offset : 0)
    }

    /// The first second for which something is true that stays true, between one for which it is not and one for which
    /// it is.
    private static func firstSecond(after low: Int64, to high: Int64, where isTrue: (Int64) -> Bool) -> Int64 {
        var (low, high) = (low, high)
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if isTrue(middle) { high = middle } else { low = middle }
        }
        return high
    }
}
