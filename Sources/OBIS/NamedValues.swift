/// The quantities that every subscriber knows by name, in the units of the contract.
public enum NamedField: UInt8, Sendable, Hashable, CaseIterable {
    case activeImport, activeExport, reactiveImport, reactiveExport
    case activePower, reactivePower, apparentPower
    case voltageL1, voltageL2, voltageL3
    case currentL1, currentL2, currentL3, currentN
    case frequency, powerFactor, thdVoltage, thdCurrent
    case volume
    case heatEnergy, heatEnergyInJoule, heatPower
    case volumeFlow
    case flowTemperature, returnTemperature, temperatureDifference

    /// The JSON object that the field stands in.
    public enum Group: String, Sendable, Hashable, CaseIterable {
        case energies, powers, voltages, currents, grid
        case volumes, heat, flows, temperatures

        /// The groups of a reading, in the order in which they are written. They are always there, whatever is known.
        public static func groups(of medium: Medium?) -> [Group] {
            switch medium {
            case .gas, .water, .heat: thermal
            case .electricity, .other, nil: electric
            }
        }

        private static let electric: [Group] = [.energies, .powers, .voltages, .currents, .grid]
        private static let thermal: [Group] = [.volumes, .heat, .flows, .temperatures]

        /// The fields in the order in which they are written.
        public var fields: [NamedField] {
            switch self {
            case .energies: Self.energyFields
            case .powers: Self.powerFields
            case .voltages: Self.voltageFields
            case .currents: Self.currentFields
            case .grid: Self.gridFields
            case .volumes: Self.volumeFields
            case .heat: Self.heatFields
            case .flows: Self.flowFields
            case .temperatures: Self.temperatureFields
            }
        }

        private static let energyFields = of(.energies)
        private static let powerFields = of(.powers)
        private static let voltageFields = of(.voltages)
        private static let currentFields = of(.currents)
        private static let gridFields = of(.grid)
        private static let volumeFields = of(.volumes)
        private static let heatFields = of(.heat)
        private static let flowFields = of(.flows)
        private static let temperatureFields = of(.temperatures)

        private static func of(_ group: Group) -> [NamedField] { NamedField.allCases.filter { $0.group == group } }
    }

    /// The counters that only ever rise, and go on when a meter is exchanged.
    public static func totals(of medium: Medium?) -> [NamedField] {
        switch medium {
        case .gas, .water, .heat: [.volume, .heatEnergy, .heatEnergyInJoule]
        case .electricity, .other, nil: Group.energies.fields
        }
    }

    public var group: Group {
        switch self {
        case .activeImport, .activeExport, .reactiveImport, .reactiveExport: .energies
        case .activePower, .reactivePower, .apparentPower: .powers
        case .voltageL1, .voltageL2, .voltageL3: .voltages
        case .currentL1, .currentL2, .currentL3, .currentN: .currents
        case .frequency, .powerFactor, .thdVoltage, .thdCurrent: .grid
        case .volume: .volumes
        case .heatEnergy, .heatEnergyInJoule, .heatPower: .heat
        case .volumeFlow: .flows
        case .flowTemperature, .returnTemperature, .temperatureDifference: .temperatures
        }
    }

    /// The key inside the group.
    public var key: String { name.description }

    /// The key inside the group, as a part of the program.
    public var name: StaticString {
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
        case .volume, .volumeFlow: "volume"
        case .heatEnergy: "energy"
        case .heatEnergyInJoule: "energy_gj"
        case .heatPower: "power"
        case .flowTemperature: "flow"
        case .returnTemperature: "return"
        case .temperatureDifference: "difference"
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
        case .volume: .cubicMetre
        case .heatEnergy: .kilowattHour
        case .heatEnergyInJoule: .gigajoule
        case .heatPower: .watt
        case .volumeFlow: .cubicMetrePerHour
        case .flowTemperature, .returnTemperature: .degreeCelsius
        case .temperatureDifference: .kelvin
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
