import Foundation
import OBIS
import TestSupport
import Testing

private let calendar: Calendar = {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = TimeZone(secondsFromGMT: 0) ?? .current
    return calendar
}()

@Suite("Timestamp and CivilDate")
struct TimestampTests {
    @Test("day after day through eight hundred years, the date is the next one")
    func everyDay() {
        var (year, month, day) = (1600, 1, 1)
        let first = CivilDate(year: 1600, month: 1, day: 1).daysSince1970
        var wrong = 0
        for number in first..<(first + 2 * 146_097) {
            let date = CivilDate(daysSince1970: number)
            if date != CivilDate(year: year, month: month, day: day) || date.daysSince1970 != number { wrong += 1 }
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let length = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
            day += 1
            if day > length { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
        #expect(wrong == 0)
        #expect((year, month, day) == (2400, 1, 1))
    }

    @Test("a month has the days that the calendar gives it")
    func lastDays() {
        for year in [1900, 1970, 2000, 2023, 2024, 2100] {
            for month in 1...12 {
                let next = month == 12 ? (year + 1, 1) : (year, month + 1)
                let last = CivilDate(
                    daysSince1970: CivilDate(year: next.0, month: next.1, day: 1).daysSince1970 - 1
                ).day
                for day in 27...32 {
                    let time = MeterTime(year: year, month: month, day: day, hour: 0, minute: 0, second: 0)
                    #expect((time != nil) == (day <= last), "\(year)-\(month)-\(day)")
                }
            }
        }
    }

    @Test("an offset of weeks is none")
    func offsets() {
        func time(_ offset: Int) -> MeterTime? {
            MeterTime(year: 2026, month: 1, day: 15, hour: 0, minute: 0, second: 0, utcOffset: offset)
        }
        #expect(time(-1440)?.utcOffset == -1440 && time(840)?.utcOffset == 840)
        #expect(time(40_000) == nil && time(.min) == nil)
    }

    @Test("dates agree with the calendar of the system up to the year 9999")
    func systemCalendar() {
        for number in stride(from: Int64(-140_000), through: 2_932_000, by: 211) {
            let parts = calendar.dateComponents(
                [.year, .month, .day], from: Date(timeIntervalSince1970: Double(number) * 86_400))
            let date = CivilDate(daysSince1970: number)
            #expect(date.year == parts.year && date.month == parts.month && date.day == parts.day, "day \(number)")
        }
    }

    @Test(
        "prints as RFC 3339 with milliseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"), (1, "1970-01-01T00:00:00.001Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_768_476_896_120, "2026-01-15T11:34:56.120Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"), (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func text(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).description == text)
    }

    @Test("random instants print as the system prints them")
    func randomText() {
        var random = SeededGenerator(seed: 6)
        let style = Date.ISO8601FormatStyle()
        for _ in 0..<1000 {
            let seconds = Int64.random(in: -12_000_000_000...253_402_300_799, using: &random)
            let milliseconds = Int64.random(in: 0...999, using: &random)
            let expected =
                Date(timeIntervalSince1970: Double(seconds)).formatted(style).dropLast()
                + "." + String("\(1000 + milliseconds)".dropFirst()) + "Z"
            #expect(Timestamp(milliseconds: seconds * 1000 + milliseconds).description == expected)
        }
    }

    @Test("the ends of the range print without a trap", arguments: [Int64.min, Int64.max])
    func ends(milliseconds: Int64) {
        #expect(Timestamp(milliseconds: milliseconds).description.hasSuffix("Z"))
        #expect(CivilDate(daysSince1970: milliseconds).month <= 12)
    }

    @Test("reads what it prints")
    func roundTrip() {
        var random = SeededGenerator(seed: 8)
        // All years that four digits hold.
        for _ in 0..<2000 {
            let time = Timestamp(
                milliseconds: Int64.random(in: -62_135_596_800_000...253_402_300_799_999, using: &random))
            #expect(Timestamp(time.description) == time)
        }
    }

    @Test(
        "reads a fraction of up to three digits",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.5Z", 500), ("1970-01-01T00:00:00.05Z", 50),
            ("1970-01-01T00:00:00.12Z", 120), ("1970-01-01T00:00:00.005Z", 5), ("1969-12-31T23:59:59.999Z", -1),
            ("1970-01-01T00:00:01.000Z", 1000), ("2026-01-15T11:34:56.120Z", 1_768_476_896_120),
            ("2000-02-29T00:00:00Z", 951_782_400_000), ("0001-01-01T00:00:00Z", -62_135_596_800_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] as [(String, Int64)])
    func fractions(text: String, milliseconds: Int64) {
        #expect(Timestamp(text)?.milliseconds == milliseconds)
    }

    @Test(
        "refuses everything else",
        arguments: [
            "", "Z", "2026-01-15", "2026-01-15T11:34:56", "2026-01-15T11:34Z", "2026-01-15 11:34:56Z",
            "2026-01-15T11:34:56z", "2026-01-15T11:34:56+00:00", "2026-01-15T11:34:56.Z", "2026-01-15T11:34:56.1234Z",
            "2026-01-15T11:34:56,1Z", "2026-01-15T11:34:561Z", "2026-01-15T11:34:56.-1Z", "2026-01-15T11:34:56. 1Z",
            "2026/01/15T11:34:56Z", "2026-01-15T11.34.56Z", "2026-1-15T11:34:56.0Z", "+026-01-15T11:34:56Z",
            "-001-01-15T11:34:56Z", "12026-01-15T11:34:56Z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "0000-01-01T00:00:00Z", "2026-01-15T24:00:00Z",
            "2026-01-15T11:60:00Z", "2026-01-15T11:34:60Z", "２026-01-15T11:34:56Z", "2026-01-15T11:34:56.1é",
            " 2026-01-15T11:34:56Z", "2026-01-15T11:34:56Z ", "2026-01-15T11:34:56.1ZZ",
        ])
    func refused(text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test("differences stop at the ends of the range")
    func differences() {
        let (low, high) = (Timestamp(milliseconds: .min), Timestamp(milliseconds: .max))
        #expect(Timestamp.milliseconds(from: low, to: high) == .max)
        #expect(Timestamp.milliseconds(from: high, to: low) == .min)
        #expect(Timestamp.milliseconds(from: high, to: high) == 0)
        #expect(Timestamp.milliseconds(from: Timestamp(milliseconds: 5), to: Timestamp(milliseconds: 3)) == -2)
        #expect(low < high)
    }
}

@Suite("MeterTime")
struct MeterTimeTests {
    @Test(
        "refuses what no calendar has",
        arguments: [
            [2023, 2, 29, 0, 0, 0], [2024, 2, 30, 0, 0, 0], [1900, 2, 29, 0, 0, 0], [2024, 4, 31, 0, 0, 0],
            [2024, 0, 1, 0, 0, 0], [2024, 13, 1, 0, 0, 0], [2024, 1, 0, 0, 0, 0], [2024, 1, 32, 0, 0, 0],
            [2024, 1, 1, 24, 0, 0], [2024, 1, 1, -1, 0, 0], [2024, 1, 1, 0, 60, 0], [2024, 1, 1, 0, 0, 60],
            [0, 1, 1, 0, 0, 0], [10_000, 1, 1, 0, 0, 0], [Int.max, 1, 1, 0, 0, 0], [2024, Int.min, 1, 0, 0, 0],
        ])
    func rejects(parts: [Int]) {
        let time = MeterTime(
            year: parts[0], month: parts[1], day: parts[2], hour: parts[3], minute: parts[4], second: parts[5])
        #expect(time == nil)
    }

    @Test(
        "prints the civil time, and the offset where it is known",
        arguments: [
            (nil, "2024-02-29T12:34:56"), (0, "2024-02-29T12:34:56+00:00"), (60, "2024-02-29T12:34:56+01:00"),
            (-210, "2024-02-29T12:34:56-03:30"), (840, "2024-02-29T12:34:56+14:00"), (-30, "2024-02-29T12:34:56-00:30"),
        ] as [(Int?, String)])
    func text(offset: Int?, text: String) throws {
        let time = try #require(
            MeterTime(year: 2024, month: 2, day: 29, hour: 12, minute: 34, second: 56, utcOffset: offset))
        #expect(time.description == text)
        #expect(time.local == "2024-02-29T12:34:56")
    }

    @Test("seconds agree with the calendar of the system")
    func seconds() throws {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<1000 {
            let seconds = Int64.random(in: -12_000_000_000...253_402_300_799, using: &random)
            let parts = calendar.dateComponents(
                [.year, .month, .day, .hour, .minute, .second], from: Date(timeIntervalSince1970: Double(seconds)))
            let time = try #require(
                MeterTime(
                    year: parts.year ?? 0, month: parts.month ?? 0, day: parts.day ?? 0, hour: parts.hour ?? 0,
                    minute: parts.minute ?? 0, second: parts.second ?? 0))
            #expect(time.localSeconds == seconds)
            #expect(time.timestamp(utcOffset: 60).milliseconds == (seconds - 3600) * 1000)
            #expect(time.timestamp(utcOffset: 0).description.hasPrefix(time.local))
        }
    }

    @Test("a zone from elsewhere changes nothing but the offset")
    func zone() throws {
        let time = try #require(
            MeterTime(
                year: 2026, month: 7, day: 1, hour: 0, minute: 0, second: 0, isDaylightSaving: true, isDoubtful: true))
        let zoned = time.at(utcOffset: 120)
        #expect(zoned.utcOffset == 120)
        #expect(zoned.local == time.local)
        #expect(zoned.isDaylightSaving == true && zoned.isDoubtful)
        #expect(zoned.description == "2026-07-01T00:00:00+02:00")
    }
}
