import OBIS

/// Time stamps of P1 (DSMR 5.0.2, 6.4): `YYMMDDhhmmssX`, X is S in daylight saving time and W out of it.
enum P1TimeStamp {
    /// Whether a value can be nothing but a time stamp, though possibly one that no calendar has.
    static func hasSeason(_ text: [UInt8]) -> Bool {
        text.count == 13 && text.dropLast().allSatisfy(\.isDigit) && season(text) != nil
    }

    /// Whether a value may be a time stamp of a meter that leaves X out.
    static func mayLackSeason(_ text: [UInt8]) -> Bool {
        text.count == 12 && text.allSatisfy(\.isDigit)
    }

    /// Reads `YYMMDDhhmmss` with or without X, and `YYYYMMDD hh:mm:ss` of some Danish meters.
    ///
    /// - Returns: nil for anything else and for what the calendar does not have.
    static func time(_ text: [UInt8]) -> MeterTime? {
        if hasSeason(text) {
            return time(digits: text.prefix(12), isDaylightSaving: season(text))
        }
        if mayLackSeason(text) { return time(digits: text[...], isDaylightSaving: nil) }
        guard text.count == 17, text[8] == 0x20, text[11] == UInt8(ascii: ":"), text[14] == UInt8(ascii: ":") else {
            return nil
        }
        let digits = text[..<8] + text[9...10] + text[12...13] + text[15...16]
        guard digits.starts(with: "20".utf8) else { return nil }
        return time(digits: digits.dropFirst(2), isDaylightSaving: nil)
    }

    private static func season(_ text: [UInt8]) -> Bool? {
        switch text.last {
        case UInt8(ascii: "S"): true
        case UInt8(ascii: "W"): false
        default: nil
        }
    }

    /// Twelve digits. The ports are younger than 2000.
    private static func time(digits: ArraySlice<UInt8>, isDaylightSaving: Bool?) -> MeterTime? {
        guard digits.count == 12, digits.allSatisfy(\.isDigit) else { return nil }
        var pairs: [Int] = []
        var rest = digits
        while let tens = rest.popFirst(), let ones = rest.popFirst() {
            pairs.append(Int(tens & 0x0F) * 10 + Int(ones & 0x0F))
        }
        return MeterTime(
            year: 2000 + pairs[0], month: pairs[1], day: pairs[2], hour: pairs[3], minute: pairs[4],
            second: pairs[5], isDaylightSaving: isDaylightSaving)
    }
}
