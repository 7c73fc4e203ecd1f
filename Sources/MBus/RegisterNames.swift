import OBIS

/// OBIS codes for the records whose meaning leaves no doubt (IEC 62056-6-1).
///
/// A record gets one when it is a present value of the whole meter, its VIFE say nothing but phase and direction, and
/// no other record of the telegram would get the same (see `RecordList`).
enum RegisterNames {
    static func code(of record: RecordMeaning, _ device: DeviceType) -> ObisCode? {
        guard record.isPlain, record.data.isPresent, let tariff = UInt8(exactly: record.data.tariff), tariff < 64,
            let quantity = record.quantity,
            let name = device.isElectric ? electricity(record, quantity) : thermal(record, quantity, device)
        else { return nil }
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

    private static func electricity(_ value: RecordMeaning, _ quantity: Quantity) -> Name? {
        // L1, L2 and L3 lie 20 apart; the sum of all stands in front of them.
        let phase: UInt8? =
            switch value.phase {
            case nil: 0
            case .l1: 20
            case .l2: 40
            case .l3: 60
            case .neutral: nil
            }
        switch (quantity, value.direction) {
        case (.voltage, nil):
            return phase.flatMap { $0 == 0 ? nil : Name(c: 12 + $0, d: 7) }
        case (.current, nil):
            if value.phase == .neutral { return Name(c: 91, d: 7) }
            return phase.flatMap { $0 == 0 ? nil : Name(c: 11 + $0, d: 7) }
        case (.frequency, nil): return value.phase == nil ? Name(c: 14, d: 7) : nil
        // A power without a direction has its sign.
        case (.power, let direction):
            guard value.isElectrical else { return nil }
            let c: UInt8 = direction == .forward ? 1 : direction == .backward ? 2 : 16
            return phase.map { Name(c: c + $0, d: 7) }
        case (.reactivePower, .forward): return phase.map { Name(c: 3 + $0, d: 7) }
        case (.reactivePower, .backward): return phase.map { Name(c: 4 + $0, d: 7) }
        case (.apparentPower, nil), (.apparentPower, .forward):
            return phase.map { Name(c: 9 + $0, d: 7) }
        case (.apparentPower, .backward): return phase.map { Name(c: 10 + $0, d: 7) }
        default: return counter(value, quantity, phase)
        }
    }

    /// Energy without a direction is what the meter counts: import.
    private static func counter(_ value: RecordMeaning, _ quantity: Quantity, _ phase: UInt8?) -> Name? {
        guard let phase else { return nil }
        let isBackward = value.direction == .backward
        let c: UInt8
        switch quantity {
        case .energy where value.isElectrical: c = isBackward ? 2 : 1
        case .reactiveEnergy: c = isBackward ? 4 : 3
        case .apparentEnergy: c = isBackward ? 10 : 9
        default: return nil
        }
        return Name(c: c + phase, d: 8, isCounter: true)
    }

    // MARK: Gas, water, heat

    private static func thermal(_ value: RecordMeaning, _ quantity: Quantity, _ device: DeviceType) -> Name? {
        // What runs backward is another quantity.
        guard value.phase == nil, value.direction != .backward else { return nil }
        switch (device, quantity) {
        case (.gas, .volume): return Name(c: 3, d: 0, isCounter: true)
        case (.gas, .volumeFlow): return Name(c: 43, d: 0)
        case (.water, .volume), (.hotWater, .volume): return Name(c: 1, d: 0, isCounter: true)
        case (.water, .volumeFlow), (.hotWater, .volumeFlow): return Name(c: 2, d: 0)
        case (.heat, .energy), (.cooling, .energy): return Name(c: 1, d: 0, isCounter: true)
        case (.heat, .volume), (.cooling, .volume): return Name(c: 2, d: 0, isCounter: true)
        case (.heat, .power), (.cooling, .power): return Name(c: 8, d: 0)
        case (.heat, .volumeFlow), (.cooling, .volumeFlow): return Name(c: 9, d: 0)
        case (.heat, .flowTemperature), (.cooling, .flowTemperature): return Name(c: 10, d: 0)
        case (.heat, .returnTemperature), (.cooling, .returnTemperature): return Name(c: 11, d: 0)
        case (.heat, .temperatureDifference), (.cooling, .temperatureDifference):
            return Name(c: 12, d: 0)
        default: return nil
        }
    }
}

extension DeviceType {
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
}
