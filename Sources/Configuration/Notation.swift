public import OBIS

/// How durations, sizes and other quantities are written: in the configuration and on the command line.
public enum Notation {
    /// `true`, `yes`, `on` and their opposites, in any case.
    static func bool(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "yes", "on": true
        case "false", "no", "off": false
        default: nil
        }
    }

    // MARK: Durations

    /// The units of a duration and their length in milliseconds, longest first.
    private static let durationUnits: [(name: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
    ]

    /// Reads `500ms`, `10s`, `5m`, `1h`, `30d`.
    ///
    /// - Returns: nil for anything else, and for more than 64 bits of milliseconds.
    public static func duration(_ text: String) -> Duration? {
        guard let (number, suffix) = wholeNumber(text),
            let unit = durationUnits.first(where: { $0.name == suffix })
        else { return nil }
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit.milliseconds)
        return overflow ? nil : .milliseconds(milliseconds)
    }

    /// The shortest spelling that reads back as the same duration, to the millisecond.
    public static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        guard !overflow else { return "\(seconds)s" }
        let milliseconds = whole + attoseconds / 1_000_000_000_000_000
        guard milliseconds != 0 else { return "0s" }
        for unit in durationUnits where milliseconds % unit.milliseconds == 0 {
            return "\(milliseconds / unit.milliseconds)\(unit.name)"
        }
        return "\(milliseconds)ms"
    }

    // MARK: Sizes

    private static let sizeUnits: [(name: String, power: Int64)] = [
        ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0),
    ]

    /// Reads `512KiB`, `64MiB`, `1GiB` as a number of bytes.
    ///
    /// - Returns: nil for anything else, and for more than 64 bits.
    public static func size(_ text: String) -> Int64? {
        guard let (number, suffix) = wholeNumber(text), let unit = sizeUnits.first(where: { $0.name == suffix }) else {
            return nil
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << unit.power)
        return overflow ? nil : bytes
    }

    /// The shortest spelling that reads back as the same number of bytes.
    public static func text(bytes: Int64) -> String {
        guard bytes != 0 else { return "0B" }
        for unit in sizeUnits where bytes % (1 << unit.power) == 0 {
            return "\(bytes >> unit.power)\(unit.name)"
        }
        return "\(bytes)B"
    }

    // MARK: Quantities

    /// Reads `25 A`, `0.5kW`, `230 V`: an exact number and a unit that this program knows.
    ///
    /// - Returns: nil for anything else.
    public static func quantity(_ text: String) -> (value: FixedDecimal, unit: Unit)? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == "." || $0 == "-" || $0 == "+") }
        guard let value = FixedDecimal(digits), let unit = Unit(printed: String(text.dropFirst(digits.count))) else {
            return nil
        }
        if case .other = unit { return nil }
        return (value, unit)
    }

    // MARK: Keys

    /// The key of a meter: 32 hexadecimal digits, blanks and line ends between them allowed.
    ///
    /// - Returns: nil for anything else.
    public static func key(_ text: some Sequence<UInt8>) -> Secret? {
        guard let bytes = Hex.bytes(text), bytes.count == 16 else { return nil }
        return Secret(bytes)
    }

    // MARK: Parts

    /// Reads `1000/s`.
    static func perSecond(_ text: String) -> Int? {
        guard let (number, suffix) = wholeNumber(text), suffix == "/s" else { return nil }
        return Int(exactly: number)
    }

    /// Digits and what follows them, blanks around the second part removed.
    private static func wholeNumber(_ text: String) -> (Int64, String)? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits) else { return nil }
        return (number, String(text.dropFirst(digits.count).drop { $0 == " " }))
    }
}

/// A time of the day on the clock of a meter's place, `HH:MM`.
public struct TimeOfDay: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let hour: Int
    public let minute: Int

    /// Reads `00:00` to `23:59`.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.count == 2 && $0.allSatisfy { $0.isASCII && $0.isNumber } }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), hour < 24, minute < 60
        else { return nil }
        self.hour = hour
        self.minute = minute
    }

    public var minutesSinceMidnight: Int { hour * 60 + minute }

    public static func < (lhs: TimeOfDay, rhs: TimeOfDay) -> Bool {
        lhs.minutesSinceMidnight < rhs.minutesSinceMidnight
    }

    public var description: String {
        func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(twoDigits(hour)):\(twoDigits(minute))"
    }
}
