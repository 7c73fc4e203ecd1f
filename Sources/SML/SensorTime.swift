import OBIS
import Wire

/// A time as a meter without or with a clock sends it (SML 1.04, SML_Time).
///
///     72 62 01 | unsigned                       seconds since the meter was started: a counter and no date
///     72 62 02 | unsigned                       seconds since 1970, UTC
///     72 62 03 | 73 | unsigned | signed | signed   the same, and the minutes of zone and of daylight saving
///
/// FROETEC ZG22 sends the list of three under another choice. It is passed over there: no value depends on it.
enum SensorTime: Hashable {
    case none
    case counter(UInt64)
    case instant(MeterTime)

    var instant: MeterTime? {
        if case .instant(let time) = self { time } else { nil }
    }

    /// - Parameter omitsChoice: whether an unsigned number alone is a counter.
    init(_ reader: inout WireReader, omitsChoice: Bool) throws(WireError) {
        let start = reader.offset
        let element = try Element.next(&reader)
        if element.isOmitted {
            self = .none
        } else if omitsChoice, element.kind == .unsigned {
            self = .counter(try element.bits(&reader))
        } else if element == Element(kind: .list, count: 2) {
            self = try Self.chosen(&reader)
        } else {
            throw WireError(.malformed, "no time where one must be", offset: start)
        }
    }

    private static func chosen(_ reader: inout WireReader) throws(WireError) -> SensorTime {
        let choice = try Element.unsigned(&reader)
        let content = try Element.next(&reader)
        switch (choice, content.kind, content.count) {
        case (1, .unsigned, _): return .counter(try content.bits(&reader))
        case (2, .unsigned, _): return instant(try content.bits(&reader), zone: 0, season: 0)
        case (3, .list, 3):
            let seconds = try Element.unsigned(&reader)
            let zone = try Element.signed(&reader)
            let season = try Element.signed(&reader)
            guard let seconds, let zone, let season else { return .none }
            return instant(seconds, zone: zone, season: season, isLocal: true)
        default:
            try content.skipContent(&reader)
            return .none
        }
    }

    /// Zero is a clock that was never set.
    private static func instant(_ seconds: UInt64, zone: Int64, season: Int64, isLocal: Bool = false) -> SensorTime {
        let day: ClosedRange<Int64> = -1440...1440
        guard let seconds = UInt32(exactly: seconds), seconds > 0, day.contains(zone), day.contains(season) else {
            return .none
        }
        let offset = zone + season
        let civil = MeterTime(localSeconds: Int64(seconds) + 60 * offset)
        let time = MeterTime(
            year: civil.year, month: civil.month, day: civil.day, hour: civil.hour, minute: civil.minute,
            second: civil.second, utcOffset: Int(offset), isDaylightSaving: isLocal ? season != 0 : nil)
        return time.map { .instant($0) } ?? .none
    }
}
