import OBIS

/// The civil time of the place where a meter is, for what depends on the hour and the day.
public protocol LocalCalendar: Sendable {
    /// Seconds east of UTC at an instant, daylight saving included.
    func utcOffset(at instant: Timestamp) -> Int
}

/// A calendar without daylight saving.
public struct FixedCalendar: LocalCalendar {
    private let seconds: Int

    /// - Parameter utcOffset: seconds east of UTC.
    public init(utcOffset: Int = 0) {
        seconds = utcOffset
    }

    public func utcOffset(at instant: Timestamp) -> Int { seconds }
}

extension LocalCalendar {
    /// The clock on the wall.
    public func local(_ instant: Timestamp) -> MeterTime {
        MeterTime(localSeconds: instant.milliseconds / 1000 + Int64(utcOffset(at: instant)))
    }
}
