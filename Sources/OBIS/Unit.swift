/// A unit as it stands on the wire, and what it is exactly worth in another unit.
public enum Unit: Hashable, Sendable {
    case wattHour, kilowattHour, megawattHour, gigawattHour
    case varHour, kilovarHour, megavarHour
    case voltAmpereHour, kilovoltAmpereHour, megavoltAmpereHour
    case joule, kilojoule, megajoule, gigajoule
    case watt, kilowatt, megawatt
    case `var`, kilovar, megavar
    case voltAmpere, kilovoltAmpere, megavoltAmpere
    case volt, kilovolt, ampere, kiloampere, milliampere, hertz, kilohertz, ohm
    case cubicMetre, litre, cubicMetrePerHour, litrePerHour
    case degreeCelsius, kelvin, degree, percent, bar, pascal
    case second, minute, hour, day, week, month, year
    case kilogram, metre
    /// Anything else, spelled as the meter does.
    case other(String)

    /// The spelling in JSON: `kWh`, `kvar`, `m3/h`, `degC`, ….
    public var symbol: String {
        switch self {
        case .wattHour: "Wh"
        case .kilowattHour: "kWh"
        case .megawattHour: "MWh"
        case .gigawattHour: "GWh"
        case .varHour: "varh"
        case .kilovarHour: "kvarh"
        case .megavarHour: "Mvarh"
        case .voltAmpereHour: "VAh"
        case .kilovoltAmpereHour: "kVAh"
        case .megavoltAmpereHour: "MVAh"
        case .joule: "J"
        case .kilojoule: "kJ"
        case .megajoule: "MJ"
        case .gigajoule: "GJ"
        case .watt: "W"
        case .kilowatt: "kW"
        case .megawatt: "MW"
        case .var: "var"
        case .kilovar: "kvar"
        case .megavar: "Mvar"
        case .voltAmpere: "VA"
        case .kilovoltAmpere: "kVA"
        case .megavoltAmpere: "MVA"
        case .volt: "V"
        case .kilovolt: "kV"
        case .ampere: "A"
        case .kiloampere: "kA"
        case .milliampere: "mA"
        case .hertz: "Hz"
        case .kilohertz: "kHz"
        case .ohm: "ohm"
        case .cubicMetre: "m3"
        case .litre: "l"
        case .cubicMetrePerHour: "m3/h"
        case .litrePerHour: "l/h"
        case .degreeCelsius: "degC"
        case .kelvin: "K"
        case .degree: "deg"
        case .percent: "%"
        case .bar: "bar"
        case .pascal: "Pa"
        case .second: "s"
        case .minute: "min"
        case .hour: "h"
        case .day: "d"
        case .week: "wk"
        case .month: "mo"
        case .year: "a"
        case .kilogram: "kg"
        case .metre: "m"
        case .other(let text): text
        }
    }

    /// Reads a unit printed by a meter. The spelling must be one of `symbol`, or the common `kVAr`
    /// and `Cel`; anything else is kept as it is.
    ///
    /// - Returns: nil for an empty text.
    public init?(printed text: String) {
        let trimmed = text.trimmingBlanks()
        guard !trimmed.isEmpty else { return nil }
        self = Self.bySpelling[trimmed] ?? .other(trimmed)
    }

    /// Every unit with a spelling of its own.
    static let known: [Unit] = [
        .wattHour, .kilowattHour, .megawattHour, .gigawattHour, .varHour, .kilovarHour, .megavarHour,
        .voltAmpereHour, .kilovoltAmpereHour, .megavoltAmpereHour, .joule, .kilojoule, .megajoule, .gigajoule,
        .watt, .kilowatt, .megawatt, .var, .kilovar, .megavar, .voltAmpere, .kilovoltAmpere, .megavoltAmpere,
        .volt, .kilovolt, .ampere, .kiloampere, .milliampere, .hertz, .kilohertz, .ohm, .cubicMetre, .litre,
        .cubicMetrePerHour, .litrePerHour, .degreeCelsius, .kelvin, .degree, .percent, .bar, .pascal, .second, .minute,
        .hour,
        .day, .week, .month, .year, .kilogram, .metre,
    ]

    private static let bySpelling: [String: Unit] = {
        var table = Dictionary(uniqueKeysWithValues: known.map { ($0.symbol, $0) })
        table["kVAr"] = .kilovar
        table["kVArh"] = .kilovarHour
        table["VAr"] = .var
        table["VArh"] = .varHour
        table["Cel"] = .degreeCelsius
        return table
    }()

    /// What a unit is that a meter spells in its own way: `KWh`, `kVar`. A single letter is another unit where it is a capital
    /// one, `a` and `A`, and so is the prefix m: `mWh` is no `MWh`.
    private var meant: Unit {
        guard case .other(let spelling) = self else { return self }
        return Self.byFoldedSpelling[Self.folded(spelling)] ?? self
    }

    private static let byFoldedSpelling: [String: Unit] = {
        let longer = known.filter { $0.symbol.utf8.count > 1 }
        var table = Dictionary(uniqueKeysWithValues: longer.map { (folded($0.symbol), $0) })
        table["m3ph"] = .cubicMetrePerHour
        return table
    }()

    private static func folded(_ spelling: String) -> String {
        guard spelling.hasPrefix("m") || spelling.hasPrefix("M") else { return spelling.lowercased() }
        return spelling.prefix(1) + spelling.dropFirst().lowercased()
    }
}

// MARK: - Exact conversion

extension Unit {
    /// What a unit measures, by the base unit that its relatives are powers of ten of.
    private enum Base {
        case wattHour, varHour, voltAmpereHour, joule, watt, `var`, voltAmpere, volt, ampere, hertz
        case litre, litrePerHour, pascal
    }

    /// The base unit and the power of ten that leads to it; nil where no exact relative exists.
    private var base: (Base, power: Int)? {
        switch meant {
        case .wattHour: (.wattHour, 0)
        case .kilowattHour: (.wattHour, 3)
        case .megawattHour: (.wattHour, 6)
        case .gigawattHour: (.wattHour, 9)
        case .varHour: (.varHour, 0)
        case .kilovarHour: (.varHour, 3)
        case .megavarHour: (.varHour, 6)
        case .voltAmpereHour: (.voltAmpereHour, 0)
        case .kilovoltAmpereHour: (.voltAmpereHour, 3)
        case .megavoltAmpereHour: (.voltAmpereHour, 6)
        case .joule: (.joule, 0)
        case .kilojoule: (.joule, 3)
        case .megajoule: (.joule, 6)
        case .gigajoule: (.joule, 9)
        case .watt: (.watt, 0)
        case .kilowatt: (.watt, 3)
        case .megawatt: (.watt, 6)
        case .var: (.var, 0)
        case .kilovar: (.var, 3)
        case .megavar: (.var, 6)
        case .voltAmpere: (.voltAmpere, 0)
        case .kilovoltAmpere: (.voltAmpere, 3)
        case .megavoltAmpere: (.voltAmpere, 6)
        case .volt: (.volt, 0)
        case .kilovolt: (.volt, 3)
        case .ampere: (.ampere, 0)
        case .kiloampere: (.ampere, 3)
        case .milliampere: (.ampere, -3)
        case .hertz: (.hertz, 0)
        case .kilohertz: (.hertz, 3)
        case .litre: (.litre, 0)
        case .cubicMetre: (.litre, 3)
        case .litrePerHour: (.litrePerHour, 0)
        case .cubicMetrePerHour: (.litrePerHour, 3)
        case .pascal: (.pascal, 0)
        case .bar: (.pascal, 5)
        default: nil
        }
    }

    /// Expresses `value` of this unit in `other`, by moving the decimal point only.
    ///
    /// - Returns: nil where that is not exact (MJ to kWh) or not the same quantity.
    public func convert(_ value: FixedDecimal, to other: Unit) -> FixedDecimal? {
        if self == other { return value }
        guard let (from, power) = base, let (to, target) = other.base, from == to else { return nil }
        return value.scaled(byPowerOfTen: power - target)
    }
}

extension StringProtocol {
    /// Without blanks, tabs and line ends around it.
    func trimmingBlanks() -> String {
        func isBlank(_ character: Character) -> Bool { character == " " || character == "\t" || character.isNewline }
        guard let first = firstIndex(where: { !isBlank($0) }), let last = lastIndex(where: { !isBlank($0) }) else {
            return ""
        }
        return String(self[first...last])
    }
}
