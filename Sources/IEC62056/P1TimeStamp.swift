import OBIS

/// Time stamps of P1 (DSMR 5.0.2, 6.4): `YYMMDDhhmmssX`, X is S in daylight saving time and W out of it.
enum P1TimeStamp {
    /// Characters of the shortest form.
    static let shortest = 12

    /// Whether a value can be nothing but a time stamp, though possibly one that no calendar has.
    static func hasSeason(_ text: Span<UInt8>) -> Bool {
        text.count == 13 && season(text[12]) != nil && hasDigits(text, at: 0..<12)
    }

    /// Whether a value may be a time stamp of a meter that leaves X out.
    static func mayLackSeason(_ text: Span<UInt8>) -> Bool {
        text.count == 12 && hasDigits(text, at: 0..<12)
    }

    /// Reads `YYMMDDhhmmss` with or without X, and `YYYYMMDD hh:mm:ss` of some Danish meters.
    ///
    /// - Returns: nil for anything else and for what the calendar does not have.
    static func time(_ text: Span<UInt8>) -> MeterTime? {
        if hasSeason(text) { return time(text, pairsAt: [0, 2, 4, 6, 8, 10], isDaylightSaving: season(text[12])) }
        if mayLackSeason(text) { return time(text, pairsAt: [0, 2, 4, 6, 8, 10], isDaylightSaving: nil) }
        guard text.count == 17, text[8] == 0x20, text[11] == UInt8(ascii: ":"), text[14] == UInt8(ascii: ":"),
            text[0] == UInt8(ascii: "2"), text[1] == UInt8(ascii: "0")
        else { return nil }
        return time(text, pairsAt: [2, 4, 6, 9, 12, 15], isDaylightSaving: nil)
    }

    private static func season(_ character: UInt8) -> Bool? {
        switch character {
        case UInt8(ascii: "S"): true
        case UInt8(ascii: "W"): false
        default: nil
        }
    }

    private static func hasDigits(_ text: Span<UInt8>, at range: Range<Int>) -> Bool {
        for index in range where !text[index].isDigit { return false }
        return true
    }

    /// Two digits each of year to second. The ports are younger than 2000, and clocks that nobody has set begin in 1970 or
    /// 1968: a year from 60 on is none.
    private static func time(
        _ text: Span<UInt8>, pairsAt places: InlineArray<6, Int>, isDaylightSaving: Bool?
    ) -> MeterTime? {
        var pairs = InlineArray<6, Int>(repeating: 0)
        for index in places.indices {
            let place = places[index]
            guard hasDigits(text, at: place..<(place + 2)) else { return nil }
            pairs[index] = Int(text[place] & 0x0F) * 10 + Int(text[place + 1] & 0x0F)
        }
        guard pairs[0] < 60 else { return nil }
        return MeterTime(
            year: 2000 + pairs[0], month: pairs[1], day: pairs[2], hour: pairs[3], minute: pairs[4],
            second: pairs[5], isDaylightSaving: isDaylightSaving)
    }
}
