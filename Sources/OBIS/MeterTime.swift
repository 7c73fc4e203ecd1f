/// What a meter's clock showed: local civil time, with as much about the zone as the meter told.
public struct MeterTime: Hashable, Sendable {
    public let year: Int
    public let month: Int
    public let day: Int
    public let hour: Int
    public let minute: Int
    public let second: Int
    /// Minutes east of UTC, daylight saving included; nil when the meter did not say.
    public let utcOffset: Int?
    /// Whether the meter said that daylight saving time is in force.
    public let isDaylightSaving: Bool?
    /// Whether the meter declared its own clock invalid or doubtful.
    public let isDoubtful: Bool

    /// - Returns: nil for a date that the calendar does not have or a time outside the day.
    public init?(
        year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int,
        utcOffset: Int? = nil, isDaylightSaving: Bool? = nil, isDoubtful: Bool = false
    ) {
        guard (1...9999).contains(year), (1...12).contains(month), (1...31).contains(day),
            (0...23).contains(hour), (0...59).contains(minute), (0...59).contains(second)
        else { return nil }
        let date = CivilDate(year: year, month: month, day: day)
        guard CivilDate(daysSince1970: date.daysSince1970) == date else { return nil }
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
        self.utcOffset = utcOffset
        self.isDaylightSaving = isDaylightSaving
        self.isDoubtful = isDoubtful
    }

    /// The civil time so many seconds after 1970.
    public init(localSeconds: Int64) {
        let (days, second) = localSeconds.flooredQuotientAndRemainder(by: 86_400)
        let date = CivilDate(daysSince1970: days)
        year = date.year
        month = date.month
        day = date.day
        hour = Int(second / 3600)
        minute = Int(second / 60 % 60)
        self.second = Int(second % 60)
        utcOffset = nil
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
    public func timestamp(utcOffset: Int) -> Timestamp {
        Timestamp(milliseconds: (localSeconds - Int64(utcOffset) * 60) * 1000)
    }

    /// The same clock reading in a zone that is known from elsewhere.
    ///
    /// - Parameter utcOffset: minutes east of UTC.
    public func at(utcOffset: Int) -> MeterTime {
        MeterTime(self, utcOffset: utcOffset)
    }

    private init(_ other: MeterTime, utcOffset: Int) {
        year = other.year
        month = other.month
        day = other.day
        hour = other.hour
        minute = other.minute
        second = other.second
        self.utcOffset = utcOffset
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
