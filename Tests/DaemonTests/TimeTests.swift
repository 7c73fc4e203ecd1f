import Configuration
import Foundation
import OBIS
import Testing

@testable import Daemon

@Suite("Availability")
struct AvailabilityTests {
    @Test("a meter is offline until it is read, and after three of its intervals")
    func configured() {
        var meter = Availability(interval: .seconds(60))
        #expect(!meter.isOnline)
        #expect(meter.check(at: .seconds(1000)) == false)
        #expect(meter.read(at: .seconds(1000)) == true)
        #expect(meter.read(at: .seconds(1030)) == false)
        #expect(meter.check(at: .seconds(1210)) == false)
        #expect(meter.isOnline)
        #expect(meter.check(at: .seconds(1211)) == true)
        #expect(!meter.isOnline)
        #expect(meter.check(at: .seconds(2000)) == false)
        #expect(meter.read(at: .seconds(2000)) == true)
    }

    @Test("a configured interval is not changed by what is observed")
    func fixed() {
        var meter = Availability(interval: .seconds(60))
        for second in 0..<20 { _ = meter.read(at: .seconds(second)) }
        #expect(meter.expected == .seconds(60) && meter.patience == .seconds(180))
    }

    @Test("without one, five minutes are assumed until the meter shows its own")
    func observed() {
        var meter = Availability(interval: nil)
        #expect(meter.expected == Availability.assumed)
        for second in stride(from: 0, through: 50, by: 5) { _ = meter.read(at: .seconds(second)) }
        #expect(meter.expected == .seconds(5) && meter.patience == .seconds(15))
        #expect(meter.check(at: .seconds(65)) == false)
        #expect(meter.check(at: .seconds(66)) == true)
        // One long pause makes it only a little more patient.
        _ = meter.read(at: .seconds(130))
        #expect(meter.expected < .seconds(15))
    }

    @Test("lists that come in one burst are no speed: the meter stays online until the next burst")
    func bursts() {
        var meter = Availability(interval: nil)
        for minute in 0..<20 {
            for list in 0..<3 { _ = meter.read(at: .milliseconds(minute * 60_000 + list * 200)) }
            #expect(meter.check(at: .seconds(minute * 60 + 59)) == false, "minute \(minute)")
        }
        #expect(meter.expected > .seconds(59) && meter.expected < .seconds(61))
    }

    @Test("a fast meter gets ten seconds all the same")
    func fast() {
        var meter = Availability(interval: .milliseconds(100))
        _ = meter.read(at: .zero)
        #expect(meter.check(at: .seconds(10)) == false)
        #expect(meter.check(at: .milliseconds(10_001)) == true)
    }
}

@Suite("When a polled meter is read")
struct ScheduleTests {
    private static let zurich = TimeZone(identifier: "Europe/Zurich")

    private func schedule(_ interval: Duration = .seconds(900), isAligned: Bool = false, times: [Int] = []) -> Schedule
    {
        var schedule = Schedule(interval: interval, isAligned: isAligned, times: times)
        schedule.calendar.timeZone = Self.zurich ?? .gmt
        return schedule
    }

    /// The instant of a clock on a wall in Zurich, with the offset that is in force there.
    private func instant(_ text: String) throws -> Timestamp {
        let date = try #require(try? Date(text, strategy: .iso8601))
        return Timestamp(milliseconds: Int64(date.timeIntervalSince1970 * 1000))
    }

    /// When the next reading is, as an instant.
    private func next(_ schedule: Schedule, _ now: String) throws -> Timestamp {
        let now = try instant(now)
        return Timestamp(milliseconds: now.milliseconds + schedule.delay(now: now, last: nil).wholeMilliseconds)
    }

    @Test("at once, then an interval after the beginning of the last reading")
    func interval() throws {
        let now = try instant("2026-01-15T12:00:00+01:00")
        #expect(schedule().delay(now: now, last: nil) == .zero)
        #expect(schedule().delay(now: now, last: Timestamp(milliseconds: now.milliseconds - 100_000)) == .seconds(800))
        #expect(schedule().delay(now: now, last: Timestamp(milliseconds: now.milliseconds - 901_000)) == .zero)
        // A clock that was set back does not stop the readings for the difference.
        #expect(schedule().delay(now: now, last: Timestamp(milliseconds: now.milliseconds + 5000)) == .seconds(900))
    }

    static let aligned: [(interval: Int, now: String, next: String)] = [
        (900, "2026-01-15T12:00:01+01:00", "2026-01-15T12:15:00+01:00"),
        (900, "2026-01-15T12:14:59+01:00", "2026-01-15T12:15:00+01:00"),
        // The moment itself belongs to the reading that has just begun.
        (900, "2026-01-15T12:15:00+01:00", "2026-01-15T12:30:00+01:00"),
        (900, "2026-01-15T23:50:00+01:00", "2026-01-16T00:00:00+01:00"),
        (3600, "2026-07-15T12:00:01+02:00", "2026-07-15T13:00:00+02:00"),
        (86_400, "2026-01-15T12:00:00+01:00", "2026-01-16T00:00:00+01:00"),
        // On the days of the change of time.
        (900, "2026-03-29T01:50:00+01:00", "2026-03-29T03:00:00+02:00"),
        (900, "2026-10-25T02:50:00+02:00", "2026-10-25T02:00:00+01:00"),
        (3600, "2026-10-25T02:30:00+01:00", "2026-10-25T03:00:00+01:00"),
    ]

    @Test("aligned: on whole multiples of the interval since local midnight", arguments: aligned.indices)
    func multiples(index: Int) throws {
        let (interval, now, expected) = Self.aligned[index]
        #expect(try next(schedule(.seconds(interval), isAligned: true), now) == instant(expected), "\(now)")
    }

    @Test("aligned: midnight is met on the days of the change of time as well")
    func midnight() throws {
        for (interval, now, expected) in [
            (86_400, "2026-03-29T12:00:00+02:00", "2026-03-30T00:00:00+02:00"),
            (86_400, "2026-10-25T12:00:00+01:00", "2026-10-26T00:00:00+01:00"),
            (21_600, "2026-03-29T04:00:00+02:00", "2026-03-29T06:00:00+02:00"),
        ] {
            let found = try next(schedule(.seconds(interval), isAligned: true), now)
            let wanted = try instant(expected)
            #expect(found == wanted, "\(now)")
        }
    }

    static let times: [(times: [Int], now: String, next: String)] = [
        ([0, 720], "2026-01-15T11:59:59+01:00", "2026-01-15T12:00:00+01:00"),
        ([0, 720], "2026-01-15T12:00:00+01:00", "2026-01-16T00:00:00+01:00"),
        ([0, 720], "2026-01-15T12:00:01+01:00", "2026-01-16T00:00:00+01:00"),
        ([360], "2026-01-15T12:00:00+01:00", "2026-01-16T06:00:00+01:00"),
        // 02:30 does not exist on this day, 03:00 does.
        ([150], "2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"),
        // 02:30 comes twice on this one: the first counts.
        ([150], "2026-10-25T00:00:00+02:00", "2026-10-25T02:30:00+02:00"),
        ([0], "2026-10-25T12:00:00+01:00", "2026-10-26T00:00:00+01:00"),
    ]

    @Test("at times of the day, by the clock on the wall", arguments: times.indices)
    func timesOfDay(index: Int) throws {
        let (times, now, expected) = Self.times[index]
        #expect(try next(schedule(times: times), now) == instant(expected), "\(now)")
    }
}

@Suite("The longest pause of a day")
struct LongestPauseTests {
    @Test(
        "is that over midnight as well",
        arguments: [([0], 1440), ([0, 720], 720), ([360, 420], 1380), ([420, 360, 1000], 800)])
    func pause(times: [Int], minutes: Int) {
        #expect(Schedule.longestPause(of: times) == .seconds(minutes * 60))
    }

    @Test("does not exist without times")
    func none() {
        #expect(Schedule.longestPause(of: []) == nil)
    }
}

@Suite("The clock of a meter")
struct MeterClockTests {
    /// What the meter shows, whether it says that daylight saving is in force, and the time with its offset.
    static let zurich: [(local: String, isDaylightSaving: Bool?, expected: String)] = [
        ("2026-01-15T12:34:55", nil, "2026-01-15T12:34:55+01:00"),
        ("2026-07-15T12:34:55", nil, "2026-07-15T12:34:55+02:00"),
        // The hour that does not exist, and both of its ends.
        ("2026-03-29T01:59:59", nil, "2026-03-29T01:59:59+01:00"),
        ("2026-03-29T03:00:00", nil, "2026-03-29T03:00:00+02:00"),
        // The hour that comes twice: the meter's own word decides.
        ("2026-10-25T01:59:59", nil, "2026-10-25T01:59:59+02:00"),
        ("2026-10-25T02:30:00", true, "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:30:00", false, "2026-10-25T02:30:00+01:00"),
        ("2026-10-25T03:00:00", nil, "2026-10-25T03:00:00+01:00"),
        // Outside of that hour the rules of the zone stand above a flag that is never set.
        ("2026-07-15T12:34:55", false, "2026-07-15T12:34:55+02:00"),
        ("2026-01-15T12:34:55", true, "2026-01-15T12:34:55+01:00"),
    ]

    @Test("gets the offset of its zone on both sides of a change", arguments: zurich.indices)
    func zone(index: Int) throws {
        let (local, flag, expected) = Self.zurich[index]
        let time = try #require(Self.time(local, flag))
        #expect(MeterClock(zone: .named("Europe/Zurich")).complete(time).description == expected)
    }

    static let newYork: [(local: String, isDaylightSaving: Bool?, expected: String)] = [
        ("2026-03-08T01:59:59", nil, "2026-03-08T01:59:59-05:00"),
        ("2026-03-08T03:00:00", nil, "2026-03-08T03:00:00-04:00"),
        ("2026-11-01T00:59:59", nil, "2026-11-01T00:59:59-04:00"),
        ("2026-11-01T01:30:00", true, "2026-11-01T01:30:00-04:00"),
        ("2026-11-01T02:00:00", nil, "2026-11-01T02:00:00-05:00"),
    ]

    @Test("the same west of Greenwich", arguments: newYork.indices)
    func west(index: Int) throws {
        let (local, flag, expected) = Self.newYork[index]
        let time = try #require(Self.time(local, flag))
        #expect(MeterClock(zone: .named("America/New_York")).complete(time).description == expected)
    }

    @Test("in the hour that comes twice west of Greenwich, standard time is believed as well")
    func westTwice() throws {
        let time = try #require(Self.time("2026-11-01T01:30:00", false))
        let completed = MeterClock(zone: .named("America/New_York")).complete(time).description
        #expect(completed == "2026-11-01T01:30:00-05:00")
    }

    @Test("a fixed offset holds all year, and the meter's own offset stands above everything")
    func fixed() throws {
        let summer = try #require(Self.time("2026-07-15T12:00:00", nil))
        #expect(MeterClock(zone: .fixed(60)).complete(summer).description == "2026-07-15T12:00:00+01:00")
        #expect(MeterClock(zone: .fixed(-210)).complete(summer).description == "2026-07-15T12:00:00-03:30")
        let own = summer.at(utcOffset: 330)
        #expect(MeterClock(zone: .named("Europe/Zurich")).complete(own).description == "2026-07-15T12:00:00+05:30")
        // Completing keeps what else the meter said.
        let doubtful = try #require(
            MeterTime(year: 2026, month: 7, day: 15, hour: 12, minute: 0, second: 0, isDoubtful: true))
        #expect(MeterClock(zone: .fixed(60)).complete(doubtful).isDoubtful)
    }

    /// What the meter shows, its flag, when that came, and what it means.
    static let seasons: [(local: String, isDaylightSaving: Bool?, now: String, expected: String)] = [
        // Standard time all year, and a flag that says so.
        ("2026-07-15T12:34:55", false, "2026-07-15T11:35:00Z", "2026-07-15T12:34:55+01:00"),
        ("2026-01-15T12:34:55", true, "2026-01-15T10:30:00Z", "2026-01-15T12:34:55+02:00"),
        // A flag that is never set.
        ("2026-07-15T12:34:55", false, "2026-07-15T10:35:00Z", "2026-07-15T12:34:55+02:00"),
        // Neither is the present time.
        ("2026-07-15T12:34:55", false, "2026-07-15T16:00:00Z", "2026-07-15T12:34:55+02:00"),
        ("2026-07-15T12:34:55", nil, "2026-07-15T11:35:00Z", "2026-07-15T12:34:55+02:00"),
    ]

    @Test(
        "with a season of its own is believed where it shows the present time by that alone", arguments: seasons.indices
    )
    func season(index: Int) throws {
        let (local, flag, now, expected) = Self.seasons[index]
        let time = try #require(Self.time(local, flag))
        let clock = MeterClock(zone: .named("Europe/Zurich")).showing(time, at: try #require(Timestamp(now)))
        #expect(clock.complete(time).description == expected)
        // Without a zone that changes there is nothing to choose.
        let fixed = MeterClock(zone: .fixed(120)).showing(time, at: try #require(Timestamp(now)))
        #expect(fixed.complete(time).description == local + "+02:00")
    }

    private static func time(_ text: String, _ isDaylightSaving: Bool?) -> MeterTime? {
        let parts = text.split { !$0.isNumber }.compactMap { Int($0) }
        guard parts.count == 6 else { return nil }
        return MeterTime(
            year: parts[0], month: parts[1], day: parts[2], hour: parts[3], minute: parts[4], second: parts[5],
            isDaylightSaving: isDaylightSaving)
    }
}

@Suite("The pace of a backlog")
struct PaceTests {
    @Test("is the rate, with a burst of a tenth of a second")
    func rate() {
        var pace = Pace(.perSecond(1000))
        var sent = 0
        for millisecond in 0..<2000 {
            while pace.admits(at: .milliseconds(millisecond)) {
                pace.took(at: .milliseconds(millisecond))
                sent += 1
                if millisecond == 0, sent > 1000 { break }
            }
        }
        #expect((2000...2110).contains(sent))
    }

    @Test("an idle time does not save up a flood")
    func idle() {
        var pace = Pace(.perSecond(10))
        var sent = 0
        while pace.admits(at: .seconds(3600)) {
            pace.took(at: .seconds(3600))
            sent += 1
            if sent > 100 { break }
        }
        #expect(sent <= 3)
        #expect(pace.delay(at: .seconds(3600)) <= .milliseconds(200))
        #expect(pace.delay(at: .seconds(3600)) >= .milliseconds(1))
    }

    @Test("without a rate there is none")
    func unlimited() {
        var pace = Pace(.unlimited)
        for _ in 0..<10_000 { pace.took(at: .zero) }
        #expect(pace.admits(at: .zero))
    }
}
