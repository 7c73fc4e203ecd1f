/// An instant in UTC, in milliseconds since 1970: when the host saw something.
public struct Timestamp: Hashable, Sendable, Comparable {
    public var milliseconds: Int64

    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    public static func < (lhs: Timestamp, rhs: Timestamp) -> Bool {
        lhs.milliseconds < rhs.milliseconds
    }

    /// Milliseconds from `earlier` to `later`, at the ends of the range where it would not fit.
    public static func milliseconds(from earlier: Timestamp, to later: Timestamp) -> Int64 {
        let (difference, overflow) = later.milliseconds.subtractingReportingOverflow(earlier.milliseconds)
        return overflow ? (later > earlier ? .max : .min) : difference
    }
}

extension Timestamp {
    /// Reads `2026-01-15T11:34:56.120Z`; the fraction may be missing or have one to three digits.
    ///
    /// - Returns: nil for anything else, and for a date that the calendar does not have.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes.last == UInt8(ascii: "Z") else { return nil }
        for (index, separator) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")] as [(Int, Unicode.Scalar)] {
            guard bytes[index] == UInt8(ascii: separator) else { return nil }
        }
        func number(_ range: Range<Int>) -> Int? {
            bytes[range].allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
                ? bytes[range].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) } : nil
        }
        let fraction = bytes[19..<(bytes.count - 1)]
        guard fraction.isEmpty || (fraction.first == UInt8(ascii: ".") && (2...4).contains(fraction.count)),
            let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
            let minute = number(14..<16), let second = number(17..<19),
            let digits = number(min(20, bytes.count - 1)..<(bytes.count - 1)),
            let time = MeterTime(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
        else { return nil }
        let scale = [1: 0, 2: 100, 3: 10, 4: 1][max(1, fraction.count)] ?? 0
        self.init(milliseconds: time.localSeconds * 1000 + Int64(digits * scale))
    }
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 with milliseconds, `2026-01-15T11:34:56.120Z`.
    public var description: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(24)
        write(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the same to a text that is being built.
    public func write(to bytes: inout [UInt8]) {
        let (days, rest) = milliseconds.flooredQuotientAndRemainder(by: 86_400_000)
        let date = CivilDate(daysSince1970: days)
        bytes.appendDigits(Int64(date.year), width: 4)
        bytes.append(UInt8(ascii: "-"))
        bytes.appendDigits(Int64(date.month), width: 2)
        bytes.append(UInt8(ascii: "-"))
        bytes.appendDigits(Int64(date.day), width: 2)
        bytes.append(UInt8(ascii: "T"))
        bytes.appendDigits(rest / 3_600_000, width: 2)
        bytes.append(UInt8(ascii: ":"))
        bytes.appendDigits(rest / 60_000 % 60, width: 2)
        bytes.append(UInt8(ascii: ":"))
        bytes.appendDigits(rest / 1000 % 60, width: 2)
        bytes.append(UInt8(ascii: "."))
        bytes.appendDigits(rest % 1000, width: 3)
        bytes.append(UInt8(ascii: "Z"))
    }
}

/// A day of the proleptic Gregorian calendar.
public struct CivilDate: Hashable, Sendable {
    public let year: Int
    public let month: Int
    public let day: Int

    public init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// The day number as a date. The year is counted from March, so that the leap day comes last
    /// and a 400-year era has 146 097 days throughout.
    public init(daysSince1970 days: Int64) {
        let (era, dayOfEra) = (days &+ 719_468).flooredQuotientAndRemainder(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = Int(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
        month = Int(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9)
        year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
    }

    /// The number of days of a month from 1 to 12.
    static func lastDay(ofMonth month: Int, year: Int) -> Int {
        guard month == 2 else { return 30 + (month + month / 8) % 2 }
        let isLeapYear = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return isLeapYear ? 29 : 28
    }

    /// Days since 1970-01-01.
    public var daysSince1970: Int64 {
        let marchYear = Int64(month <= 2 ? year - 1 : year)
        let (era, yearOfEra) = marchYear.flooredQuotientAndRemainder(by: 400)
        let monthFromMarch = Int64(month > 2 ? month - 3 : month + 9)
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + Int64(day) - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

extension Int64 {
    /// Division that rounds towards minus infinity, so that the remainder is never negative.
    func flooredQuotientAndRemainder(by divisor: Int64) -> (Int64, Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

extension [UInt8] {
    /// Appends a number that is not negative with leading zeros.
    mutating func appendDigits(_ number: Int64, width: Int) {
        if number < 100, width <= 2 {
            let (tens, ones) = UInt8(truncatingIfNeeded: number).quotientAndRemainder(dividingBy: 10)
            if tens > 0 || width == 2 { append(UInt8(ascii: "0") + tens) }
            return append(UInt8(ascii: "0") + ones)
        }
        let start = count
        var rest = number.magnitude
        repeat {
            append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        while count - start < width { append(UInt8(ascii: "0")) }
        self[start...].reverse()
    }
}
