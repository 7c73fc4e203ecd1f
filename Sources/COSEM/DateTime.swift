import OBIS
import Wire

/// The twelve octets of a COSEM date-time (IEC 62056-6-2, 4.1.6.1).
///
///     year  month day weekday | hour min sec 1/100 | deviation  status
///     07 E8   01   0F    01      0C   22  38   00       80 00     00
///
/// Any part may be unspecified (FF, FFFF, 8000). Deviation is minutes from local time to UTC, so UTC+1
/// is −60. Status: 01 invalid, 02 doubtful, 08 invalid status, 80 daylight saving; FF not specified.
enum DateTime {
    static let length = 12

    /// - Returns: nil where a part of date or time is unspecified or impossible: then it is no instant.
    static func parse(_ bytes: RawSpan) -> MeterTime? {
        guard bytes.byteCount == length else { return nil }
        var reader = WireReader(bytes)
        guard let year = try? reader.uint16(), let month = try? reader.uint8(), let day = try? reader.uint8(),
            let weekday = try? reader.uint8(), let hour = try? reader.uint8(), let minute = try? reader.uint8(),
            let second = try? reader.uint8(), let hundredths = try? reader.uint8(),
            let deviationBits = try? reader.uint16(), let status = try? reader.uint8()
        else { return nil }
        let deviation = Int(Int16(bitPattern: deviationBits))
        let isDeviationKnown = deviationBits != 0x8000
        // Some write 0 for a weekday that they do not know.
        guard weekday == 0xFF || weekday <= 7, hundredths == 0xFF || hundredths < 100,
            !isDeviationKnown || (-840...840).contains(deviation)
        else { return nil }
        let isStatusKnown = status != 0xFF
        return MeterTime(
            year: Int(year), month: Int(month), day: Int(day), hour: Int(hour), minute: Int(minute),
            // Meters that do not count seconds leave them unspecified.
            second: second == 0xFF ? 0 : Int(second),
            utcOffset: isDeviationKnown ? -deviation : nil,
            isDaylightSaving: isStatusKnown && isDeviationKnown ? status & 0x80 != 0 : nil,
            isDoubtful: isStatusKnown && status & 0x0B != 0)
    }
}

extension DateTime {
    /// The twelve octets of a civil time; weekday, hundredths, and deviation where none is known are left unspecified.
    static func octets(_ time: MeterTime) -> [UInt8] {
        let deviation = time.utcOffset.flatMap { Int16(exactly: -$0) }.map { UInt16(bitPattern: $0) } ?? 0x8000
        let numbers = [time.month, time.day, 0xFF, time.hour, time.minute, time.second, 0xFF]
        return UInt16(clamping: time.year).octets + numbers.map { UInt8(clamping: $0) } + deviation.octets
            + [time.isDaylightSaving == true ? 0x80 : 0x00]
    }
}
