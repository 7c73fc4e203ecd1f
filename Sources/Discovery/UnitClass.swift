import OBIS

/// How discovery is written: newer versions of Home Assistant know more units, and take all entities of a device at once.
public enum DiscoveryForm: String, Sendable, Hashable, Codable, CaseIterable {
    /// One message for each device: Home Assistant 2025.6 and newer.
    case device
    /// One message for each entity, with nothing that a version of 2023 does not know.
    case entity
}

/// A unit in Home Assistant's spelling, with the device class that takes it.
///
/// Since 2025.7 a unit that does not belong to the class makes Home Assistant refuse the entity, so that a class is
/// named only with units that it has had for long.
struct UnitClass: Hashable {
    var unit: String?
    var deviceClass: String?

    /// - Parameters:
    ///   - medium: of the meter: what a volume is of.
    ///   - isCount: whether it is a counter, and no volume or energy of some time.
    init(_ unit: Unit?, medium: Medium?, form: DiscoveryForm) {
        self.unit = unit.map(Self.spelling)
        deviceClass = unit.flatMap { Self.deviceClass($0, medium, form) }
    }

    private static func spelling(_ unit: Unit) -> String {
        switch unit {
        case .cubicMetre: "m³"
        case .litre: "L"
        case .cubicMetrePerHour: "m³/h"
        case .litrePerHour: "L/h"
        case .degreeCelsius: "°C"
        case .degree: "°"
        case .ohm: "Ω"
        default: unit.symbol
        }
    }

    private static func deviceClass(_ unit: Unit, _ medium: Medium?, _ form: DiscoveryForm) -> String? {
        switch unit {
        case .wattHour, .kilowattHour, .megawattHour, .megajoule, .gigajoule: "energy"
        // Versions before 2025.6 do not know the class and refuse the entity.
        case .varHour, .kilovarHour: form == .device ? "reactive_energy" : nil
        case .watt, .kilowatt: "power"
        case .var: "reactive_power"
        case .voltAmpere: "apparent_power"
        case .volt: "voltage"
        case .ampere, .milliampere: "current"
        case .hertz: "frequency"
        case .cubicMetre: medium == .gas ? "gas" : medium == .water ? "water" : "volume"
        case .litre: medium == .gas ? nil : medium == .water ? "water" : "volume"
        case .cubicMetrePerHour: "volume_flow_rate"
        case .degreeCelsius: "temperature"
        case .bar, .pascal: "pressure"
        case .second, .minute, .hour, .day: "duration"
        // A difference in kelvin is no temperature: it would be turned into °C. There is no apparent energy.
        default: nil
        }
    }
}
