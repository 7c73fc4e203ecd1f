/// The device types that have OBIS codes, as M-Bus numbers them (EN 13757-3): in the header of its answers, and in P1
/// telegrams for the devices behind a meter (DSMR 5.0.2, `0-n:24.1.0`).
public enum DeviceType: Sendable {
    case electricity, gas, water, hotWater, heat, cooling

    public init?(_ medium: UInt8) {
        switch medium {
        case 0x02: self = .electricity
        case 0x03: self = .gas
        case 0x04, 0x0C, 0x0D: self = .heat
        case 0x0A, 0x0B: self = .cooling
        case 0x06, 0x15: self = .hotWater
        case 0x07, 0x16, 0x17: self = .water
        default: return nil
        }
    }

    /// Those of the fixed structure, which numbers them in its own way: A to D are gas, heat, hot water and water once more
    /// ("mode 2").
    public init?(fixed medium: UInt8) {
        switch medium {
        case 0x2: self = .electricity
        case 0x3, 0xA: self = .gas
        case 0x4, 0xB: self = .heat
        case 0x6, 0xC: self = .hotWater
        case 0x7, 0xD: self = .water
        default: return nil
        }
    }

    public var medium: Medium {
        switch self {
        case .electricity: .electricity
        case .gas: .gas
        case .water, .hotWater: .water
        case .heat, .cooling: .heat
        }
    }
}
