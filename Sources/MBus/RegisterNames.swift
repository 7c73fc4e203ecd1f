import OBIS

/// OBIS codes for the records whose meaning leaves no doubt (IEC 62056-6-1).
///
/// A record gets one when it is a present value of the whole meter, its VIFE say nothing but phase and direction, and
/// no other record of the telegram would get the same.
enum RegisterNames {
    static func name(_ registers: inout [Register], _ records: [Record], _ device: DeviceType) {
        let codes = records.map { code(of: $0, device) }
        var counts: [ObisCode: Int] = [:]
        for case let code? in codes { counts[code, default: 0] += 1 }
        for (index, code) in codes.enumerated() where index < registers.count {
            guard let code, counts[code] == 1 else { continue }
            registers[index].obis = code
        }
    }

    private static func code(of record: Record, _ device: DeviceType) -> ObisCode? {
        guard let identity = record.register.record, let value = record.information, value.isPlain,
            identity.isPresent, let tariff = UInt8(exactly: identity.tariff), tariff < 64
        else { return nil }
        guard let name = device.isElectric ? electricity(value) : thermal(value, device) else { return nil }
        // Only what is counted has a tariff.
        guard tariff == 0 || name.isCounter else { return nil }
        return ObisCode(device.group, 0, name.c, name.d, tariff)
    }

    private struct Name {
        let c: UInt8
        let d: UInt8
        var isCounter = false
    }

    // MARK: Electricity

    private static func electricity(_ value: ValueInformation) -> Name? {
        // L1, L2 and L3 lie 20 apart; the sum of all stands in front of them.
        let phase: UInt8? =
            switch value.phase {
            case nil: 0
            case .l1: 20
            case .l2: 40
            case .l3: 60
            case .neutral: nil
            }
        switch (value.quantity, value.direction) {
        case (Quantity.voltage, nil):
            return phase.flatMap { $0 == 0 ? nil : Name(c: 12 + $0, d: 7) }
        case (Quantity.current, nil):
            if value.phase == .neutral { return Name(c: 91, d: 7) }
            return phase.flatMap { $0 == 0 ? nil : Name(c: 11 + $0, d: 7) }
        case (Quantity.frequency, nil): return value.phase == nil ? Name(c: 14, d: 7) : nil
        // A power without a direction has its sign.
        case (Quantity.power, let direction):
            guard value.unit == .watt else { return nil }
            let c: UInt8 = direction == .forward ? 1 : direction == .backward ? 2 : 16
            return phase.map { Name(c: c + $0, d: 7) }
        case (Quantity.reactivePower, .forward): return phase.map { Name(c: 3 + $0, d: 7) }
        case (Quantity.reactivePower, .backward): return phase.map { Name(c: 4 + $0, d: 7) }
        case (Quantity.apparentPower, nil), (Quantity.apparentPower, .forward):
            return phase.map { Name(c: 9 + $0, d: 7) }
        case (Quantity.apparentPower, .backward): return phase.map { Name(c: 10 + $0, d: 7) }
        default: return counter(value, phase)
        }
    }

    /// Energy without a direction is what the meter counts: import.
    private static func counter(_ value: ValueInformation, _ phase: UInt8?) -> Name? {
        guard let phase else { return nil }
        let isBackward = value.direction == .backward
        let c: UInt8
        switch value.quantity {
        case Quantity.energy where value.unit == .wattHour: c = isBackward ? 2 : 1
        case Quantity.reactiveEnergy: c = isBackward ? 4 : 3
        case Quantity.apparentEnergy: c = isBackward ? 10 : 9
        default: return nil
        }
        return Name(c: c + phase, d: 8, isCounter: true)
    }

    // MARK: Gas, water, heat

    private static func thermal(_ value: ValueInformation, _ device: DeviceType) -> Name? {
        // What runs backward is another quantity.
        guard value.phase == nil, value.direction != .backward else { return nil }
        switch (device, value.quantity) {
        case (.gas, Quantity.volume): return Name(c: 3, d: 0, isCounter: true)
        case (.gas, Quantity.volumeFlow): return Name(c: 43, d: 0)
        case (.water, Quantity.volume), (.hotWater, Quantity.volume): return Name(c: 1, d: 0, isCounter: true)
        case (.water, Quantity.volumeFlow), (.hotWater, Quantity.volumeFlow): return Name(c: 2, d: 0)
        case (.heat, Quantity.energy), (.cooling, Quantity.energy): return Name(c: 1, d: 0, isCounter: true)
        case (.heat, Quantity.volume), (.cooling, Quantity.volume): return Name(c: 2, d: 0, isCounter: true)
        case (.heat, Quantity.power), (.cooling, Quantity.power): return Name(c: 8, d: 0)
        case (.heat, Quantity.volumeFlow), (.cooling, Quantity.volumeFlow): return Name(c: 9, d: 0)
        case (.heat, Quantity.flowTemperature), (.cooling, Quantity.flowTemperature): return Name(c: 10, d: 0)
        case (.heat, Quantity.returnTemperature), (.cooling, Quantity.returnTemperature): return Name(c: 11, d: 0)
        case (.heat, Quantity.temperatureDifference), (.cooling, Quantity.temperatureDifference):
            return Name(c: 12, d: 0)
        default: return nil
        }
    }
}

/// The device types of the header that have OBIS codes (EN 13757-3).
enum DeviceType: Sendable {
    case electricity, gas, water, hotWater, heat, cooling

    init?(_ medium: UInt8) {
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

    /// Those of the fixed structure, which numbers them in its own way.
    init?(fixed medium: UInt8) {
        switch medium {
        case 0x2: self = .electricity
        case 0x3, 0xB: self = .gas
        case 0x4, 0xC: self = .heat
        case 0x6: self = .hotWater
        case 0x7: self = .water
        default: return nil
        }
    }

    var isElectric: Bool { self == .electricity }

    /// Value group A.
    var group: UInt8 {
        switch self {
        case .electricity: 1
        case .cooling: 5
        case .heat: 6
        case .gas: 7
        case .water: 8
        case .hotWater: 9
        }
    }

    var medium: Medium {
        switch self {
        case .electricity: .electricity
        case .gas: .gas
        case .water, .hotWater: .water
        case .heat, .cooling: .heat
        }
    }
}
