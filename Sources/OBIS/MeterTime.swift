/// What a meter's clock showed: local civil time, with as much about the zone as the meter told.
///
/// It is kept in 15 bytes, since every register has room for one or two of them.
public struct MeterTime: Hashable, Sendable {
    private let years: Int32
    private let months, days, hours, minutes, seconds: UInt8
    private let offset: Int16?
    /// Whether the meter said that daylight saving time is in force.
    public let isDaylightSaving: Bool?
    /// Whether the meter declared its own clock invalid or doubtful.
    public let isDoubtful: Bool

    public var year: Int { Int(years) }
    public var month: Int { Int(months) }
    public var day: Int { Int(days) }
    public var hour: Int { Int(hours) }
    public var minute: Int { Int(minutes) }
    public var second: Int { Int(seconds) }
    /// Minutes east of UTC, daylight saving included; nil when the meter did not say.
    public var utcOffset: Int? { offset.map { Int($0) } }

    /// - Returns: nil for a date that the calendar does not have, a time outside the day, and an offset of weeks.
    public init?(
        year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int,
        utcOffset: Int? = nil, isDaylightSaving: Bool? = nil, isDoubtful: Bool = false
    ) {
        guard (1...9999).contains(year), (1...12).contains(month), day >= 1,
            day <= CivilDate.lastDay(ofMonth: month, year: year), (0...23).contains(hour), (0...59).contains(minute),
            (0...59).contains(second)
        else { return nil }
        if let utcOffset {
            guard let offset = Int16(exactly: utcOffset) else { return nil }
            self.offset = offset
        } else {
            offset = nil
        }
        years = Int32(truncatingIfNeeded: year)
        months = UInt8(truncatingIfNeeded: month)
        days = UInt8(truncatingIfNeeded: day)
        hours = UInt8(truncatingIfNeeded: hour)
        minutes = UInt8(truncatingIfNeeded: minute)
        seconds = UInt8(truncatingIfNeeded: second)
        self.isDaylightSaving = isDaylightSaving
        self.isDoubtful = isDoubtful
    }

    /// The civil time so many seconds after 1970.
    public init(localSeconds: Int64) {
        let (days, second) = localSeconds.flooredQuotientAndRemainder(by: 86_400)
        let date = CivilDate(daysSince1970: days)
        years = Int32(clamping: date.year)
        months = UInt8(truncatingIfNeeded: date.month)
        self.days = UInt8(truncatingIfNeeded: date.day)
        hours = UInt8(truncatingIfNeeded: second / 3600)
        minutes = UInt8(truncatingIfNeeded: second / 60 % 60)
        seconds = UInt8(truncatingIfNeeded: second % 60)
        offset = nil
        isDaylightSaving = nil
        isDoubtful = false
    }

    /// Seconds since 1970 as if the local time were UTC.
    public var localSeconds: Int64 {
        CivilDate(year: year, month: month, day: day).daysSince1970 * 86_400
            + Int64(hour * 3600 + minute * 60 + second)
    }

    /// The instant, given the offset in force.
    ///
    /// - Parameter utcOffset: minutes east of UTC.
    /// - Returns: the end of all times for one beyond it.
    public func timestamp(utcOffset: Int) -> Timestamp {
        let (milliseconds, overflow) = (localSeconds - Int64(utcOffset) * 60).multipliedReportingOverflow(by: 1000)
        return Timestamp(milliseconds: overflow ? (years < 0 ? .min : .max) : milliseconds)
    }

    /// The same clock reading in a zone that is known from elsewhere.
    ///
    /// - Parameter utcOffset: minutes east of UTC.
    public func at(utcOffset: Int) -> MeterTime {
        MeterTime(self, utcOffset: utcOffset)
    }

    private init(_ other: MeterTime, utcOffset: Int) {
        years = other.years
        months = other.months
        days = other.days
        hours = other.hours
        minutes = other.minutes
        seconds = other.seconds
        offset = Int16(clamping: utcOffset)
        isDaylightSaving = other.isDaylightSaving
        isDoubtful = other.isDoubtful
    }
}

extension MeterTime: CustomStringConvertible {
    /// `2026-01-15T12:34:55`, with `+01:00` behind it where the offset is known.
    public var description: String {
        guard let utcOffset else { return local }
        var bytes = Array(local.utf8)
        bytes.append(UInt8(ascii: utcOffset < 0 ? "-" : "+"))
        bytes.appendDigits(Int64(utcOffset.magnitude / 60), width: 2)
        bytes.append(UInt8(ascii: ":"))
        bytes.appendDigits(Int64(utcOffset.magnitude % 60), width: 2)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The civil time alone, as it stands in the frame.
    public var local: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(25)
        bytes.appendDigits(Int64(year), width: 4)
        for (separator, value) in [("-", month), ("-", day), ("T", hour), (":", minute), (":", second)]
            as [(Unicode.Scalar, Int)]
        {
            bytes.append(UInt8(ascii: separator))
            bytes.appendDigits(Int64(value), width: 2)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
