/// The quantities that every subscriber knows by name, in the units of the contract.
public enum NamedField: UInt8, Sendable, Hashable, CaseIterable {
    case activeImport, activeExport, reactiveImport, reactiveExport
    case activePower, reactivePower, apparentPower
    case voltageL1, voltageL2, voltageL3
    case currentL1, currentL2, currentL3, currentN
    case frequency, powerFactor, thdVoltage, thdCurrent

    /// The JSON object that the field stands in.
    public enum Group: String, Sendable, Hashable, CaseIterable {
        case energies, powers, voltages, currents, grid

        /// The fields in the order in which they are written.
        public var fields: [NamedField] { Self.fields[Int(ordinal)] }

        private static let fields: [[NamedField]] = allCases.map { group in
            NamedField.allCases.filter { $0.group == group }
        }

        private var ordinal: UInt8 {
            switch self {
            case .energies: 0
            case .powers: 1
            case .voltages: 2
            case .currents: 3
            case .grid: 4
            }
        }
    }

    public var group: Group {
        switch self {
        case .activeImport, .activeExport, .reactiveImport, .reactiveExport: .energies
        case .activePower, .reactivePower, .apparentPower: .powers
        case .voltageL1, .voltageL2, .voltageL3: .voltages
        case .currentL1, .currentL2, .currentL3, .currentN: .currents
        case .frequency, .powerFactor, .thdVoltage, .thdCurrent: .grid
        }
    }

    /// The key inside the group.
    public var key: String {
        switch self {
        case .activeImport: "active_import"
        case .activeExport: "active_export"
        case .reactiveImport: "reactive_import"
        case .reactiveExport: "reactive_export"
        case .activePower: "active"
        case .reactivePower: "reactive"
        case .apparentPower: "apparent"
        case .voltageL1, .currentL1: "l1"
        case .voltageL2, .currentL2: "l2"
        case .voltageL3, .currentL3: "l3"
        case .currentN: "n"
        case .frequency: "frequency"
        case .powerFactor: "power_factor"
        case .thdVoltage: "thd_voltage"
        case .thdCurrent: "thd_current"
        }
    }

    /// The unit of the number; nil where it has none.
    public var unit: Unit? {
        switch self {
        case .activeImport, .activeExport: .kilowattHour
        case .reactiveImport, .reactiveExport: .kilovarHour
        case .activePower: .watt
        case .reactivePower: .var
        case .apparentPower: .voltAmpere
        case .voltageL1, .voltageL2, .voltageL3: .volt
        case .currentL1, .currentL2, .currentL3, .currentN: .ampere
        case .frequency: .hertz
        case .powerFactor: nil
        case .thdVoltage, .thdCurrent: .percent
        }
    }
}

/// Numbers by field. What is not there is unknown, never zero.
public struct NamedValues: Hashable, Sendable {
    private var values: [FixedDecimal?]

    public init() {
        values = Array(repeating: nil, count: NamedField.allCases.count)
    }

    public subscript(field: NamedField) -> FixedDecimal? {
        get { values[Int(field.rawValue)] }
        set { values[Int(field.rawValue)] = newValue }
    }
}
