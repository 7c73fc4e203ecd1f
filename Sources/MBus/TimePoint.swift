import OBIS

/// A point in time of a record (EN 13757-3, annex A, types F, G, I and J). How long the data are says which it is.
///
///     G  2 bytes   day 4–0, year 7–5  |  month 3–0, year 7–4
///     J  3 bytes   second | minute | hour
///     F  4 bytes   minute 5–0, invalid 7  |  hour 4–0, century 6–5, summer time 7  |  as G
///     I  6 bytes   second 5–0, summer time 6  |  minute 5–0, invalid 7  |  hour 4–0, weekday  |  as G  |  week
struct TimePoint: Hashable, Sendable {
    enum Value: Hashable, Sendable {
        case dateTime(MeterTime)
        /// The beginning of the day.
        case date(MeterTime)
        case timeOfDay(MeterTime)
    }

    let value: Value
    /// The meter says that the time is not right.
    let isInvalid: Bool

    /// - Parameter number: so many bytes, the first as the least significant.
    /// - Returns: nil for another length, and for what no calendar and no clock has: "every day", none, zeros.
    init?(_ number: UInt64, count: Int) {
        func byte(_ place: Int) -> UInt8 { UInt8(truncatingIfNeeded: number >> UInt64(8 * place)) }
        switch count {
        case 2:
            guard let date = Self.date(byte(0), byte(1)) else { return nil }
            value = .date(date)
            isInvalid = false
        case 3:
            guard let time = Self.time(hour: byte(2), minute: byte(1), second: byte(0)) else { return nil }
            value = .timeOfDay(time)
            isInvalid = false
        case 4:
            isInvalid = byte(0) & 0x80 != 0
            guard
                let time = Self.time(
                    Self.date(byte(2), byte(3), century: byte(1) >> 5 & 3), hour: byte(1), minute: byte(0),
                    isDaylightSaving: byte(1) & 0x80 != 0, isDoubtful: isInvalid)
            else { return nil }
            value = .dateTime(time)
        case 6:
            isInvalid = byte(1) & 0x80 != 0
            guard
                let time = Self.time(
                    Self.date(byte(3), byte(4)), hour: byte(2), minute: byte(1), second: byte(0),
                    isDaylightSaving: byte(0) & 0x40 != 0, isDoubtful: isInvalid)
            else { return nil }
            value = .dateTime(time)
        default: return nil
        }
    }

    /// What a register shows: a date and a time alone are texts, since a clock reading has both.
    var registerValue: RegisterValue {
        guard !isInvalid else { return .unavailable }
        switch value {
        case .dateTime(let time): return .time(time)
        case .date(let date): return .text(String(date.local.prefix(10)))
        case .timeOfDay(let time): return .text(String(time.local.suffix(8)))
        }
    }

    /// When something held: a date stands for the beginning of its day.
    var moment: MeterTime? {
        switch value {
        case .dateTime(let time), .date(let time): isInvalid ? nil : time
        case .timeOfDay: nil
        }
    }

    // MARK: Parts

    /// The century counts from 1900 and is 0 in meters that do not know the field: years up to 80 are in this one.
    private static func date(_ low: UInt8, _ high: UInt8, century: UInt8 = 0) -> MeterTime? {
        let year = Int(high >> 4) << 3 | Int(low >> 5)
        guard year <= 99 else { return nil }
        let base = century == 0 ? (year <= 80 ? 2000 : 1900) : 1900 + 100 * Int(century)
        return MeterTime(
            year: base + year, month: Int(high & 0xF), day: Int(low & 0x1F), hour: 0, minute: 0, second: 0)
    }

    private static func time(
        _ date: MeterTime? = MeterTime(year: 2000, month: 1, day: 1, hour: 0, minute: 0, second: 0), hour: UInt8,
        minute: UInt8, second: UInt8 = 0, isDaylightSaving: Bool? = nil, isDoubtful: Bool = false
    ) -> MeterTime? {
        date.flatMap {
            MeterTime(
                year: $0.year, month: $0.month, day: $0.day, hour: Int(hour & 0x1F), minute: Int(minute & 0x3F),
                second: Int(second & 0x3F), isDaylightSaving: isDaylightSaving, isDoubtful: isDoubtful)
        }
    }
}
