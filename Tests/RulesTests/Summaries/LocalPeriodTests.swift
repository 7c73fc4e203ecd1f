import OBIS
import Testing

@testable import Rules

/// Zurich in 2026.
struct Zurich: LocalCalendar {
    func utcOffset(at instant: Timestamp) -> Int {
        instant >= Timestamp(milliseconds: 1_774_746_000_000) && instant < Timestamp(milliseconds: 1_792_890_000_000)
            ? 7200 : 3600
    }
}

/// Lord Howe Island in 2026: the clock goes back by half an hour at 15:00 UTC on April 4th.
private struct LordHowe: LocalCalendar {
    func utcOffset(at instant: Timestamp) -> Int {
        instant < Timestamp(milliseconds: 1_775_314_800_000) ? 39_600 : 37_800
    }
}

/// São Paulo in 2018: summer time began at midnight, so that November 4th had none.
private struct SaoPaulo: LocalCalendar {
    func utcOffset(at instant: Timestamp) -> Int {
        instant < Timestamp(milliseconds: 1_541_300_400_000) ? -10_800 : -7200
    }
}

func instant(_ text: String) -> Timestamp {
    Timestamp(text) ?? Timestamp(milliseconds: 0)
}

@Suite("Hours and days of a place")
struct LocalPeriodTests {
    /// An instant, and the hour that it is in: its begin, its length in minutes and its name.
    static let hours: [(String, from: String, minutes: Int64, label: String)] = [
        ("2026-01-15T11:34:56.120Z", "2026-01-15T11:00:00.000Z", 60, "2026-01-15T12:00:00+01:00"),
        ("2026-01-15T12:00:00.000Z", "2026-01-15T12:00:00.000Z", 60, "2026-01-15T13:00:00+01:00"),
        ("2026-01-15T11:59:59.999Z", "2026-01-15T11:00:00.000Z", 60, "2026-01-15T12:00:00+01:00"),
        ("2026-03-29T00:59:59.000Z", "2026-03-29T00:00:00.000Z", 60, "2026-03-29T01:00:00+01:00"),
        ("2026-03-29T01:00:00.000Z", "2026-03-29T01:00:00.000Z", 60, "2026-03-29T03:00:00+02:00"),
        // The hour that comes twice.
        ("2026-10-25T00:30:00.000Z", "2026-10-25T00:00:00.000Z", 60, "2026-10-25T02:00:00+02:00"),
        ("2026-10-25T01:30:00.000Z", "2026-10-25T01:00:00.000Z", 60, "2026-10-25T02:00:00+01:00"),
    ]

    @Test("an hour ends where the clock shows the next one", arguments: hours.indices)
    func hour(index: Int) {
        let (time, from, minutes, label) = Self.hours[index]
        let hour = LocalPeriod(.hour, containing: instant(time), Zurich())
        #expect(hour.from == instant(from) && hour.contains(instant(time)))
        #expect(Timestamp.milliseconds(from: hour.from, to: hour.to) == minutes * 60_000)
        #expect(hour.label(.hour, Zurich()) == label)
    }

    /// An instant, and the day that it is in.
    static let days: [(String, from: String, hours: Int64, label: String)] = [
        ("2026-01-15T11:34:56.120Z", "2026-01-14T23:00:00.000Z", 24, "2026-01-15"),
        ("2026-01-14T23:00:00.000Z", "2026-01-14T23:00:00.000Z", 24, "2026-01-15"),
        ("2026-01-14T22:59:59.999Z", "2026-01-13T23:00:00.000Z", 24, "2026-01-14"),
        ("2026-03-29T12:00:00.000Z", "2026-03-28T23:00:00.000Z", 23, "2026-03-29"),
        ("2026-03-28T23:00:00.000Z", "2026-03-28T23:00:00.000Z", 23, "2026-03-29"),
        ("2026-10-25T22:59:59.000Z", "2026-10-24T22:00:00.000Z", 25, "2026-10-25"),
        ("2026-10-25T00:30:00.000Z", "2026-10-24T22:00:00.000Z", 25, "2026-10-25"),
    ]

    @Test("a day has 23, 24 or 25 hours", arguments: days.indices)
    func day(index: Int) {
        let (time, from, hours, label) = Self.days[index]
        let day = LocalPeriod(.day, containing: instant(time), Zurich())
        #expect(day.from == instant(from) && day.contains(instant(time)))
        #expect(Timestamp.milliseconds(from: day.from, to: day.to) == hours * 3_600_000)
        #expect(day.label(.day, Zurich()) == label)
    }

    @Test("a clock that goes back by half an hour makes a short hour")
    func halfAnHour() {
        let long = LocalPeriod(.hour, containing: instant("2026-04-04T14:59:00.000Z"), LordHowe())
        let short = LocalPeriod(.hour, containing: instant("2026-04-04T15:01:00.000Z"), LordHowe())
        #expect(long.from == instant("2026-04-04T14:00:00.000Z") && long.to == short.from)
        #expect(short.to == instant("2026-04-04T15:30:00.000Z"))
    }

    @Test("a day without midnight begins at one o'clock")
    func withoutMidnight() {
        let day = LocalPeriod(.day, containing: instant("2018-11-04T12:00:00.000Z"), SaoPaulo())
        #expect(day.from == instant("2018-11-04T03:00:00.000Z") && day.to == instant("2018-11-05T02:00:00.000Z"))
    }

    @Test("periods follow each other without a hole", arguments: Summary.Period.allCases)
    func whole(period: Summary.Period) {
        var now = LocalPeriod(period, containing: instant("2026-03-25T00:00:00.000Z"), Zurich())
        for _ in 0..<250 {
            let next = LocalPeriod(period, containing: now.to, Zurich())
            #expect(next.from == now.to)
            now = next
        }
    }

    @Test("any instant is in one, and nothing traps", arguments: [Int64.min, -1, 0, 1, .max])
    func extremes(milliseconds: Int64) {
        for period in Summary.Period.allCases {
            let found = LocalPeriod(period, containing: Timestamp(milliseconds: milliseconds), Zurich())
            #expect(found.from < found.to)
            _ = found.label(period, Zurich())
        }
    }
}
