import OBIS

/// The meter's clock among its registers: 0.9.1 time and 0.9.2 date, or 0.9.4 both together
/// (IEC 62056-6-1, value group C = 0, D = 9).
///
/// Read are `hhmmss` and `hh:mm:ss`; `yymmdd`, `yy-mm-dd` and `yyyy-mm-dd`; and both in a row, parted by a
/// blank, `T`, `,` or nothing. A digit before `yymmdd` or `hhmmss` tells the season: 0 normal time, 1 daylight
/// saving, 2 UTC. Any other form could mean more than one time, and is none.
enum MeterClock {
    static func time(in registers: [Register]) -> MeterTime? {
        if let both = text(of: 4, in: registers).flatMap(dateAndTime) { return both }
        guard let date = text(of: 2, in: registers).flatMap(Date.init),
            let time = text(of: 1, in: registers).flatMap(TimeOfDay.init)
        else { return nil }
        return join(date, time)
    }

    /// The printed text of `0.9.e`, if there is exactly one value or all of them agree.
    private static func text(of e: UInt8, in registers: [Register]) -> [UInt8]? {
        var first: [UInt8]?
        for index in registers.indices {
            guard let code = registers[index].obis, code.c == 0, code.d == 9, code.e == e, code.a <= 1, code.f == 255,
                let text = registers[index].text
            else { continue }
            let printed = Array(Array(text.utf8).trimmed)
            if let first, first != printed { return nil }
            first = printed
        }
        return first
    }

    private static func join(_ date: Date, _ time: TimeOfDay) -> MeterTime? {
        if let one = date.season, let other = time.season, one != other { return nil }
        let season = date.season ?? time.season
        return MeterTime(
            year: date.year, month: date.month, day: date.day, hour: time.hour, minute: time.minute,
            second: time.second, utcOffset: season == 2 ? 0 : nil,
            isDaylightSaving: season.flatMap { $0 == 2 ? nil : $0 == 1 })
    }

    private static func dateAndTime(_ text: [UInt8]) -> MeterTime? {
        let separators = Set(" T,".utf8)
        let parts = text.split { separators.contains($0) }.map(Array.init)
        if parts.count == 2 {
            guard let date = Date(parts[0]), let time = TimeOfDay(parts[1]) else { return nil }
            return join(date, time)
        }
        guard text.count == 12 || text.count == 13 else { return nil }
        guard let date = Date(Array(text.dropLast(6))), let time = TimeOfDay(Array(text.suffix(6))) else { return nil }
        return join(date, time)
    }

    private struct Date {
        let year: Int
        let month: Int
        let day: Int
        var season: Int?

        init?(_ text: [UInt8]) {
            guard let (season, groups) = fields(text, separator: UInt8(ascii: "-")) else { return nil }
            // Years of two digits: electronic meters with a clock are younger than 2000.
            year = groups[0] < 100 ? 2000 + groups[0] : groups[0]
            (month, day) = (groups[1], groups[2])
            self.season = season
        }
    }

    private struct TimeOfDay {
        let hour: Int
        let minute: Int
        let second: Int
        var season: Int?

        init?(_ text: [UInt8]) {
            guard let (season, groups) = fields(text, separator: UInt8(ascii: ":")), groups[0] < 24 else { return nil }
            (hour, minute, second) = (groups[0], groups[1], groups[2])
            self.season = season
        }
    }

    /// Three numbers: six digits in a row with or without the season before, or two digits each between separators.
    private static func fields(_ text: [UInt8], separator: UInt8) -> (season: Int?, [Int])? {
        var groups = text.split(separator: separator, omittingEmptySubsequences: false).map(Array.init)
        var season: Int?
        if groups.count == 1, text.count == 7 || text.count == 6 {
            if text.count == 7 {
                season = number([text[0]])
                guard let season, season <= 2 else { return nil }
            }
            let digits = Array(text.suffix(6))
            groups = [Array(digits[0..<2]), Array(digits[2..<4]), Array(digits[4..<6])]
        }
        guard groups.count == 3, [2, 4].contains(groups[0].count), groups[1].count == 2, groups[2].count == 2 else {
            return nil
        }
        let numbers = groups.compactMap(number)
        return numbers.count == 3 ? (season, numbers) : nil
    }

    private static func number(_ digits: [UInt8]) -> Int? {
        digits.allSatisfy(\.isDigit) ? digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) } : nil
    }
}
