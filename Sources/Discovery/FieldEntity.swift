import OBIS

extension NamedField {
    /// The entity's key: it stays when the name is put better.
    var entityKey: String {
        switch self {
        case .activeImport: "energy_import"
        case .activeExport: "energy_export"
        case .reactiveImport: "reactive_energy_import"
        case .reactiveExport: "reactive_energy_export"
        case .activePower: "power"
        case .reactivePower: "reactive_power"
        case .apparentPower: "apparent_power"
        case .voltageL1, .voltageL2, .voltageL3: "voltage_\(key)"
        case .currentL1, .currentL2, .currentL3, .currentN: "current_\(key)"
        case .frequency: "frequency"
        case .powerFactor: "power_factor"
        case .thdVoltage: "thd_voltage"
        case .thdCurrent: "thd_current"
        case .volume: "volume"
        case .heatEnergy: "heat_energy"
        case .heatEnergyInJoule: "heat_energy_gj"
        case .heatPower: "heat_power"
        case .volumeFlow: "volume_flow"
        case .flowTemperature: "flow_temperature"
        case .returnTemperature: "return_temperature"
        case .temperatureDifference: "temperature_difference"
        }
    }

    init?(entityKey: String) {
        guard let field = Self.allCases.first(where: { $0.entityKey == entityKey }) else { return nil }
        self = field
    }

    private var entityName: String {
        switch self {
        case .activeImport: "Energy import"
        case .activeExport: "Energy export"
        case .reactiveImport: "Reactive energy import"
        case .reactiveExport: "Reactive energy export"
        case .activePower: "Power"
        case .reactivePower: "Reactive power"
        case .apparentPower: "Apparent power"
        case .voltageL1, .voltageL2, .voltageL3: "Voltage \(key.uppercased())"
        case .currentL1, .currentL2, .currentL3: "Current \(key.uppercased())"
        case .currentN: "Current neutral"
        case .frequency: "Frequency"
        case .powerFactor: "Power factor"
        case .thdVoltage: "Voltage distortion"
        case .thdCurrent: "Current distortion"
        case .volume: "Volume"
        case .heatEnergy, .heatEnergyInJoule: "Heat energy"
        case .heatPower: "Heat power"
        case .volumeFlow: "Flow rate"
        case .flowTemperature: "Flow temperature"
        case .returnTemperature: "Return temperature"
        case .temperatureDifference: "Temperature difference"
        }
    }

    private static let totals = Set(totals(of: .electricity) + totals(of: .heat))

    /// A counter is shown by its total, which goes on when the meter is exchanged and never falls.
    func entity(decimals: Int, medium: Medium?, form: DiscoveryForm, topics: MeterTopics) -> Entity {
        let isTotal = Self.totals.contains(self)
        var entity = Entity(entityKey, name: entityName, dependence: .meter)
        let unitClass = UnitClass(unit, medium: medium, form: form)
        entity.stateTopic = topics.state
        entity.template = Template.value(isTotal ? "totals" : group.rawValue, key)
        entity.unit = unitClass.unit
        entity.deviceClass = self == .powerFactor ? "power_factor" : unitClass.deviceClass
        entity.stateClass = isTotal ? .totalIncreasing : .measurement
        entity.decimals = decimals
        return entity
    }
}
