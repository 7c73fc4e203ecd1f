import OBIS

/// What a code of a value information table says: one entry for each range of codes, in which the low bits are the
/// power of ten.
struct ValueEntry: Sendable {
    enum Kind: Sendable {
        case number
        /// A date, a time or both.
        case time
        /// Bits, so without a sign.
        case flags
    }

    let codes: ClosedRange<UInt8>
    let name: String
    /// Nil where nothing but the name is known of it.
    let quantity: Quantity?
    let unit: Unit?
    /// The power of ten of the first code.
    let power: Int
    let kind: Kind

    init(
        _ codes: ClosedRange<UInt8>, _ name: String, quantity: Quantity? = nil, _ unit: Unit? = nil, power: Int = 0,
        kind: Kind = .number
    ) {
        self.codes = codes
        self.name = name
        self.quantity = quantity
        self.unit = unit
        self.power = power
        self.kind = kind
    }

    init(
        _ codes: ClosedRange<UInt8>, _ quantity: Quantity, _ unit: Unit? = nil, power: Int = 0, kind: Kind = .number
    ) {
        self.init(codes, quantity.rawValue, quantity: quantity, unit, power: power, kind: kind)
    }

    init(_ code: UInt8, _ quantity: Quantity, _ unit: Unit? = nil, power: Int = 0, kind: Kind = .number) {
        self.init(code...code, quantity, unit, power: power, kind: kind)
    }

    init(_ code: UInt8, _ name: String, _ unit: Unit? = nil, power: Int = 0, kind: Kind = .number) {
        self.init(code...code, name, unit, power: power, kind: kind)
    }

    /// Four codes that count in s, min, h and d.
    static func durations(_ first: UInt8, _ name: String) -> [ValueEntry] {
        zip(first..., [Unit.second, .minute, .hour, .day]).map { ValueEntry($0, name, $1) }
    }

    /// Four codes that count in h, d, months and years.
    static func longDurations(_ first: UInt8, _ name: String) -> [ValueEntry] {
        zip(first..., [Unit.hour, .day, .month, .year]).map { ValueEntry($0, name, $1) }
    }
}

/// The tables of value information fields. A code that is in none is reserved.
enum ValueTable {
    private typealias Entry = ValueEntry

    /// By code, so that a record costs no search.
    private static func indexed(_ entries: [ValueEntry]) -> [ValueEntry] {
        var table = [ValueEntry](repeating: ValueEntry(0, .reserved), count: 128)
        for entry in entries { for code in entry.codes { table[Int(code & 0x7F)] = entry } }
        return table
    }

    /// VIF (EN 13757-3, primary VIF codes).
    static let primary = indexed(
        [
            Entry(0x00...0x07, .energy, .wattHour, power: -3), Entry(0x08...0x0F, .energy, .joule),
            Entry(0x10...0x17, .volume, .cubicMetre, power: -6),
            Entry(0x18...0x1F, "Mass", .kilogram, power: -3),
            Entry(0x28...0x2F, .power, .watt, power: -3),
            Entry(0x30...0x37, .power, .other("J/h")),
            Entry(0x38...0x3F, .volumeFlow, .cubicMetrePerHour, power: -6),
            Entry(0x40...0x47, .volumeFlow, .other("m3/min"), power: -7),
            Entry(0x48...0x4F, .volumeFlow, .other("m3/s"), power: -9),
            Entry(0x50...0x57, "Mass flow", .other("kg/h"), power: -3),
            Entry(0x58...0x5B, .flowTemperature, .degreeCelsius, power: -3),
            Entry(0x5C...0x5F, .returnTemperature, .degreeCelsius, power: -3),
            Entry(0x60...0x63, .temperatureDifference, .kelvin, power: -3),
            Entry(0x64...0x67, "External temperature", .degreeCelsius, power: -3),
            Entry(0x68...0x6B, "Pressure", .bar, power: -3),
            Entry(0x6C, .date, kind: .time), Entry(0x6D, .dateTime, kind: .time),
            Entry(0x6E, "HCA units"), Entry(0x78, "Fabrication number"), Entry(0x79, "Identification"),
            Entry(0x7A, "Bus address"), Entry(0x7E, "Any"),
        ] + Entry.durations(0x20, "On time") + Entry.durations(0x24, "Operating time")
            + Entry.durations(0x70, "Averaging duration") + Entry.durations(0x74, "Actuality duration"))

    /// The code behind VIF FB (EN 13757-3, alternate extension table).
    static let alternate = indexed([
        Entry(0x00...0x01, .energy, .wattHour, power: 5),
        Entry(0x02...0x03, .reactiveEnergy, .varHour, power: 3),
        Entry(0x04...0x05, .apparentEnergy, .voltAmpereHour, power: 3),
        Entry(0x06, "Coefficient of performance", power: -1),
        Entry(0x08...0x09, .energy, .joule, power: 8),
        Entry(0x0C...0x0F, .energy, .other("cal"), power: 5),
        Entry(0x10...0x11, .volume, .cubicMetre, power: 2),
        Entry(0x14...0x17, .reactivePower, .var), Entry(0x18...0x19, "Mass", .kilogram, power: 5),
        Entry(0x1A...0x1B, "Relative humidity", .percent, power: -1),
        Entry(0x20, .volume, .other("ft3")), Entry(0x21, .volume, .other("ft3"), power: -1),
        Entry(0x28...0x29, .power, .watt, power: 5),
        Entry(0x2A, "Phase angle, voltage to voltage", .degree, power: -1),
        Entry(0x2B, "Phase angle, voltage to current", .degree, power: -1),
        Entry(0x2C...0x2F, .frequency, .hertz, power: -3),
        Entry(0x30...0x31, .power, .other("J/h"), power: 8),
        Entry(0x34...0x37, .apparentPower, .voltAmpere),
        Entry(0x58...0x5B, .flowTemperature, .other("degF"), power: -3),
        Entry(0x5C...0x5F, .returnTemperature, .other("degF"), power: -3),
        Entry(0x60...0x63, .temperatureDifference, .other("degF"), power: -3),
        Entry(0x64...0x67, "External temperature", .other("degF"), power: -3),
        Entry(0x70...0x73, "Cold/warm temperature limit", .other("degF"), power: -3),
        Entry(0x74...0x77, "Cold/warm temperature limit", .degreeCelsius, power: -3),
        Entry(0x78...0x7F, "Cumulative maximum power", .watt, power: -3),
    ])

    /// The code behind VIF FD (EN 13757-3, main extension table).
    static let main = indexed(
        [
            Entry(0x00...0x03, "Credit", power: -3), Entry(0x04...0x07, "Debit", power: -3),
            Entry(0x08, "Access number", kind: .flags), Entry(0x09, "Medium", kind: .flags),
            Entry(0x0A, "Manufacturer"), Entry(0x0B, "Parameter set identification"), Entry(0x0C, "Model / version"),
            Entry(0x0D, "Hardware version"), Entry(0x0E, "Firmware version"), Entry(0x0F, "Software version"),
            Entry(0x10, "Customer location"), Entry(0x11, "Customer"), Entry(0x12, "Access code, user"),
            Entry(0x13, "Access code, operator"), Entry(0x14, "Access code, system operator"),
            Entry(0x15, "Access code, developer"), Entry(0x16, "Password"), Entry(0x17, "Error flags", kind: .flags),
            Entry(0x18, "Error mask", kind: .flags), Entry(0x19, "Security key"),
            Entry(0x1A, "Digital output", kind: .flags), Entry(0x1B, "Digital input", kind: .flags),
            Entry(0x1C, "Baud rate", .other("Bd")), Entry(0x1D, "Response delay time", .other("bit times")),
            Entry(0x1E, "Retries"), Entry(0x1F, "Remote control", kind: .flags),
            Entry(0x20, "First storage number"), Entry(0x21, "Last storage number"), Entry(0x22, "Storage block size"),
            Entry(0x23, "Descriptor of tariff and subunit", kind: .flags),
            Entry(0x28, "Storage interval", .month), Entry(0x29, "Storage interval", .year),
            Entry(0x2A, "Operator specific data"), Entry(0x2B, "Time point, second", .second),
            Entry(0x30, "Start of tariff", kind: .time), Entry(0x31, "Duration of tariff", .minute),
            Entry(0x32, "Duration of tariff", .hour), Entry(0x33, "Duration of tariff", .day),
            Entry(0x38, "Period of tariff", .month), Entry(0x39, "Period of tariff", .year),
            Entry(0x3A, "Dimensionless"), Entry(0x3B, "Data container"),
            Entry(0x40...0x4F, .voltage, .volt, power: -9),
            Entry(0x50...0x5F, .current, .ampere, power: -12),
            Entry(0x60, "Reset counter"), Entry(0x61, "Cumulation counter"), Entry(0x62, "Control signal"),
            Entry(0x63, "Day of week"), Entry(0x64, "Week number"),
            Entry(0x65, "Time point of day change", kind: .time),
            Entry(0x66, "State of parameter activation"), Entry(0x67, "Special supplier information"),
            Entry(0x70, "Date of battery change", kind: .time), Entry(0x71, "RF level", .other("dBm")),
            Entry(0x72, "Daylight saving"), Entry(0x73, "Listening window"),
            Entry(0x74, "Remaining battery life", .day), Entry(0x75, "Number of stops"),
            Entry(0x76, "Manufacturer data container"),
        ] + Entry.durations(0x24, "Storage interval") + Entry.durations(0x2C, "Duration since last readout")
            + Entry.durations(0x34, "Period of tariff") + Entry.durations(0x3C, "Transmission period")
            + Entry.longDurations(0x68, "Duration since last cumulation")
            + Entry.longDurations(0x6C, "Operating time of battery"))

    /// The code behind VIF FD and VIFE FD (EN 13757-3, second level of the main extension table).
    static let secondMain = indexed([
        Entry(0x00, "Currently selected application", kind: .flags), Entry(0x02, "Remaining battery life", .month),
        Entry(0x03, "Remaining battery life", .year), Entry(0x3E, "Moisture level", .percent),
    ])
}

/// The quantities on which names and dates depend.
enum Quantity: String, Sendable {
    case energy = "Energy"
    case reactiveEnergy = "Reactive energy"
    case apparentEnergy = "Apparent energy"
    case power = "Power"
    case reactivePower = "Reactive power"
    case apparentPower = "Apparent power"
    case voltage = "Voltage"
    case current = "Current"
    case frequency = "Frequency"
    case volume = "Volume"
    case volumeFlow = "Volume flow"
    case flowTemperature = "Flow temperature"
    case returnTemperature = "Return temperature"
    case temperatureDifference = "Temperature difference"
    case date = "Time point (date)"
    case dateTime = "Time point (date & time)"
    case manufacturerSpecific = "Manufacturer specific"
    case reserved = "Reserved"
}
