import OBIS

/// Which register is which named value of a reading.
///
/// Electricity matches on value groups C, D and E of the current billing period; group B differs between makers
/// (an E450 counts energy on `1-1` and measures power on `1-0`).
public struct NamedMapping: Sendable, Hashable {
    /// Whether tariffs 1 and 2 of an energy make its total where the meter gives neither that nor further tariffs: DSMR
    /// has just these two.
    public var sumsTariffs: Bool

    public init(sumsTariffs: Bool = false) {
        self.sumsTariffs = sumsTariffs
    }

    /// The named values of those registers that are good enough to be used.
    ///
    /// - Parameter isUsable: by position; a register with an error is journaled but stays unnamed.
    public func values(of registers: [Register], medium: Medium?, isUsable: (Int) -> Bool = { _ in true })
        -> NamedValues
    {
        switch medium {
        case .gas, .water, .heat: ThermalMapping.values(of: registers, medium: medium, isUsable: isUsable)
        case .electricity, .other, nil: electricity(registers, isUsable)
        }
    }

    private func electricity(_ registers: [Register], _ isUsable: (Int) -> Bool) -> NamedValues {
        var found: Found = [:]
        let present = Set(
            registers.compactMap { $0.obis.flatMap { $0.a == 1 && $0.f == 255 ? $0.mappedQuantity : nil } })
        for (index, register) in registers.enumerated() {
            guard let code = register.obis, code.a == 1, code.f == 255, let number = register.value.number,
                isUsable(index), found[code.mappedQuantity] == nil
            else { continue }
            // A power factor has no unit; everything else without one is unknown.
            let isPowerFactor = code.mappedQuantity == Self.powerFactor && register.isScaled
            guard let unit = register.unit ?? (isPowerFactor ? .other("") : nil) else { continue }
            found[code.mappedQuantity] = (number, unit)
        }
        var values = NamedValues()
        for field in Self.electricFields { values[field] = value(of: field, in: found, present) }
        return values
    }

    private static let electricFields = NamedField.Group.groups(of: .electricity).flatMap(\.fields)
    private static let powerFactor = ObisCode.Quantity(c: 13, d: 7, e: 0)

    private typealias Found = [ObisCode.Quantity: (number: FixedDecimal, unit: Unit)]

    /// - Parameter present: what the meter delivers, usable or not.
    private func value(
        of field: NamedField, in found: Found, _ present: Set<ObisCode.Quantity>
    ) -> FixedDecimal? {
        func direct(_ c: UInt8, _ d: UInt8, _ e: UInt8 = 0) -> FixedDecimal? {
            guard let (number, unit) = found[ObisCode.Quantity(c: c, d: d, e: e)] else { return nil }
            guard let wanted = field.unit else { return number }
            return unit.convert(number, to: wanted)
        }
        /// Import less export, where the meter gives both directions apart.
        func net(_ imported: UInt8, _ exported: UInt8) -> FixedDecimal? {
            guard let importing = direct(imported, 7) else { return nil }
            guard let exporting = direct(exported, 7) else {
                // A meter without export has no such register. One whose export is unknown has no known net power.
                return present.contains(ObisCode.Quantity(c: exported, d: 7, e: 0)) ? nil : importing
            }
            return importing.subtracting(exporting)
        }
        /// Two quadrants make a direction, by definition.
        func sum(_ first: FixedDecimal?, _ second: FixedDecimal?) -> FixedDecimal? {
            guard let first, let second else { return nil }
            return first.adding(second)
        }
        /// The total, or all of its tariffs where those are known to be all.
        func energy(_ c: UInt8) -> FixedDecimal? {
            if present.contains(ObisCode.Quantity(c: c, d: 8, e: 0)) || !sumsTariffs { return direct(c, 8) }
            guard !present.contains(where: { $0.c == c && $0.d == 8 && $0.e > 2 }) else { return nil }
            return sum(direct(c, 8, 1), direct(c, 8, 2))
        }
        return switch field {
        case .activeImport: energy(1)
        case .activeExport: energy(2)
        case .reactiveImport: direct(3, 8) ?? sum(direct(5, 8), direct(6, 8))
        case .reactiveExport: direct(4, 8) ?? sum(direct(7, 8), direct(8, 8))
        case .activePower: direct(16, 7) ?? net(1, 2)
        case .reactivePower: net(3, 4)
        case .apparentPower: direct(9, 7)
        case .voltageL1: direct(32, 7)
        case .voltageL2: direct(52, 7)
        case .voltageL3: direct(72, 7)
        case .currentL1: direct(31, 7)
        case .currentL2: direct(51, 7)
        case .currentL3: direct(71, 7)
        case .currentN: direct(91, 7)
        case .frequency: direct(14, 7)
        case .powerFactor: direct(13, 7)
        case .thdVoltage: direct(12, 7, 124)
        case .thdCurrent: direct(11, 7, 124)
        case .volume, .heatEnergy, .heatEnergyInJoule, .heatPower, .volumeFlow, .flowTemperature, .returnTemperature,
            .temperatureDifference:
            nil
        }
    }
}

/// Gas, water and heat: the meter's own codes (IEC 62056-6-1, A = 6 to 9), and those of a device behind an
/// electricity meter (`0-n:24.2.e`), whose unit says what it counts.
private enum ThermalMapping {
    static func values(of registers: [Register], medium: Medium?, isUsable: (Int) -> Bool) -> NamedValues {
        var values = NamedValues()
        for (index, register) in registers.enumerated() {
            guard isUsable(index), let code = register.obis, let number = register.value.number,
                let unit = register.unit
            else { continue }
            for field in fields(of: code) where values[field] == nil {
                values[field] = field.unit.flatMap { unit.convert(number, to: $0) }
            }
        }
        return values
    }

    /// What a code may be; the unit decides between them.
    private static func fields(of code: ObisCode) -> [NamedField] {
        guard code.f == 255 else { return [] }
        return switch (code.a, code.c, code.d, code.e) {
        case (0, 24, 2, 1...4): [.volume, .heatEnergy, .heatEnergyInJoule]
        case (7, 3, 0, 0), (8, 1, 0, 0), (9, 1, 0, 0), (5...6, 2, 0, 0): [.volume]
        // Cooling (A = 5) is counted as heat is.
        case (5...6, 1, 0, 0): [.heatEnergy, .heatEnergyInJoule]
        case (5...6, 8, 0, 0): [.heatPower]
        case (5...6, 9, 0, 0), (8, 2, 0, 0), (9, 2, 0, 0), (7, 43, 0, 0): [.volumeFlow]
        case (5...6, 10, 0, 0): [.flowTemperature]
        case (5...6, 11, 0, 0): [.returnTemperature]
        case (5...6, 12, 0, 0): [.temperatureDifference]
        default: []
        }
    }
}

extension Register {
    /// Whether the scale is known: printed with its decimals, or moved from the number as sent.
    fileprivate var isScaled: Bool {
        wireValue == nil || value.number?.exponent != wireValue?.number?.exponent
    }
}

extension ObisCode {
    /// Some makers write 255 where the standard has tariff 0.
    fileprivate var mappedQuantity: Quantity { Quantity(c: c, d: d, e: e == 255 ? 0 : e) }
}
