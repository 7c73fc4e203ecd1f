import OBIS

/// Which register is which named value of a reading.
///
/// Electricity matches on value groups C, D and E of the current billing period; group B differs between makers
/// (an E450 counts energy on `1-1` and measures power on `1-0`).
public struct NamedMapping: Sendable, Hashable {
    /// Whether the tariffs of an energy make its total where the meter does not give that and they have no hole: a P1
    /// telegram has all of them.
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
        case .electricity, .other, nil:
            if isBehind(registers) { behind(registers, isUsable) } else { electricity(registers, isUsable) }
        }
    }

    private func electricity(_ registers: [Register], _ isUsable: (Int) -> Bool) -> NamedValues {
        var found = ElectricQuantities()
        var hasAbstract = false
        for (index, register) in registers.enumerated() {
            guard let code = register.obis, code.f == 255 else { continue }
            if code.a == 1 { found.note(code, register, isUsable: isUsable(index)) }
            hasAbstract = hasAbstract || code.a == 0 && Self.isEnergy(code)
        }
        if hasAbstract { noteAbstract(registers, isUsable, &found) }
        var values = NamedValues()
        for field in Self.electricFields { values[field] = value(of: field, in: found) }
        return values
    }

    private static func isEnergy(_ code: ObisCode) -> Bool { code.d == 8 && (1...8).contains(code.c) }

    /// Landis+Gyr ZMF100 in Norway write `0-0:1.8.0` for `1-0:1.8.0`. There is no abstract object of that name.
    private func noteAbstract(
        _ registers: [Register], _ isUsable: (Int) -> Bool, _ found: inout ElectricQuantities
    ) {
        for (index, register) in registers.enumerated() {
            guard let code = register.obis, code.a == 0, code.b == 0, code.f == 255, Self.isEnergy(code),
                !found.isPresent(code.c, code.d, code.e)
            else { continue }
            found.note(code, register, isUsable: isUsable(index))
        }
    }

    // An electricity meter behind another one (`0-n:24.2.e` in kWh, DSMR 5.0.2, 6.12).

    private func isBehind(_ registers: [Register]) -> Bool {
        registers.contains { $0.obis.map(Self.isBehind) ?? false } && !registers.contains { $0.obis?.a == 1 }
    }

    private static func isBehind(_ code: ObisCode) -> Bool {
        code.a == 0 && code.c == 24 && code.d == 2 && code.e <= 4 && code.f == 255
    }

    private func behind(_ registers: [Register], _ isUsable: (Int) -> Bool) -> NamedValues {
        var values = NamedValues()
        for (index, register) in registers.enumerated() where values[.activeImport] == nil && isUsable(index) {
            guard let code = register.obis, Self.isBehind(code), let number = register.value.number,
                let unit = register.unit
            else { continue }
            values[.activeImport] = unit.convert(number, to: .kilowattHour)
        }
        return values
    }

    private static let electricFields = NamedField.Group.groups(of: .electricity).flatMap(\.fields)

    private func value(of field: NamedField, in found: ElectricQuantities) -> FixedDecimal? {
        func direct(_ c: UInt8, _ d: UInt8, _ e: UInt8 = 0) -> FixedDecimal? {
            guard let (number, unit) = found[c, d, e] else { return nil }
            guard let wanted = field.unit else { return number }
            return unit.convert(number, to: wanted)
        }
        /// Import less export, where the meter gives both directions apart.
        func net(_ imported: UInt8, _ exported: UInt8) -> FixedDecimal? {
            guard let importing = direct(imported, 7) else { return nil }
            guard let exporting = direct(exported, 7) else {
                // A meter without export has no such register. One whose export is unknown has no known net power.
                return found.isPresent(exported, 7, 0) ? nil : importing
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
            if found.isPresent(c, 8, 0) || !sumsTariffs { return direct(c, 8) }
            guard let last = found.lastTariff(c), last > 1 else { return nil }
            return (2...last).reduce(direct(c, 8, 1)) { sum($0, direct(c, 8, $1)) }
        }
        return switch field {
        case .activeImport: energy(1)
        case .activeExport: energy(2)
        case .reactiveImport: direct(3, 8) ?? sum(direct(5, 8), direct(6, 8))
        case .reactiveExport: direct(4, 8) ?? sum(direct(7, 8), direct(8, 8))
        case .activePower: direct(16, 7) ?? net(1, 2) ?? direct(15, 7)
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

/// What an electricity meter's telegram says of the quantities that the mapping asks for, each in a place of its own.
private struct ElectricQuantities {
    private var values: [(number: FixedDecimal, unit: Unit)?]
    /// A bit for each place: what the meter delivers, usable or not.
    private var present: UInt64 = 0
    /// A bit for each value group C: tariffs beyond those that have a place.
    private var furtherTariffs: UInt16 = 0

    init() { values = Array(repeating: nil, count: Self.places) }

    /// Energies by tariff, then instantaneous values by quantity, then the further tariffs of active energy.
    private static let places = 56
    private static let mostTariffs: UInt8 = 9

    /// The place of a quantity; nil for one that nobody asks for. Some makers write 255 where the standard has tariff 0.
    private static func place(_ c: UInt8, _ d: UInt8, _ e: UInt8) -> Int? {
        switch (c, d, e == 255 ? 0 : e) {
        case (1...8, 8, let tariff) where tariff <= 2: Int(c - 1) * 3 + Int(tariff)
        case (1...4, 7, 0): 23 + Int(c)
        case (9, 7, 0): 28
        case (16, 7, 0): 29
        case (31, 7, 0), (51, 7, 0), (71, 7, 0), (91, 7, 0): 30 + Int(c - 31) / 20
        case (32, 7, 0), (52, 7, 0), (72, 7, 0): 34 + Int(c - 32) / 20
        case (powerFactor, 7, 0): 37
        case (14, 7, 0): 38
        case (11...12, 7, 124): 28 + Int(c)
        case (amount, 7, 0): 55
        case (1...2, 8, 3...mostTariffs): 41 + Int(c - 1) * 7 + Int(e - 3)
        default: nil
        }
    }

    private static let powerFactor: UInt8 = 13
    /// Import and export added up: a power only where the meter says which it is.
    private static let amount: UInt8 = 15

    /// The first usable register of a quantity counts.
    mutating func note(_ code: ObisCode, _ register: Register, isUsable: Bool) {
        if code.d == 8, (Self.mostTariffs + 1..<255).contains(code.e), code.c < 16 {
            furtherTariffs |= 1 << UInt16(code.c)
        }
        guard let place = Self.place(code.c, code.d, code.e) else { return }
        present |= 1 << UInt64(place)
        guard let number = register.value.number, isUsable, values[place] == nil else { return }
        if code.c == Self.amount, register.flow == nil { return }
        // A power factor has no unit; everything else without one is unknown.
        let isPowerFactor = code.c == Self.powerFactor && register.isScaled
        guard let unit = register.unit ?? (isPowerFactor ? .other("") : nil) else { return }
        values[place] = (register.flow == .exporting ? number.asExport : number, unit)
    }

    subscript(c: UInt8, d: UInt8, e: UInt8) -> (number: FixedDecimal, unit: Unit)? {
        Self.place(c, d, e).flatMap { values[$0] }
    }

    func isPresent(_ c: UInt8, _ d: UInt8, _ e: UInt8) -> Bool {
        Self.place(c, d, e).map { present & 1 << UInt64($0) != 0 } ?? false
    }

    /// The highest tariff of an active energy; nil where there are more than can be told apart.
    func lastTariff(_ c: UInt8) -> UInt8? {
        guard furtherTariffs & 1 << UInt16(c) == 0 else { return nil }
        return (1...Self.mostTariffs).last { isPresent(c, 8, $0) }
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
        // The oldest P1 telegrams have E = 0.
        case (0, 24, 2, 0...4): [.volume, .heatEnergy, .heatEnergyInJoule]
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

extension FixedDecimal {
    /// An amount that flows out; one with a sign says so itself.
    fileprivate var asExport: FixedDecimal { self > 0 ? FixedDecimal(0).subtracting(self) ?? self : self }
}

extension Register {
    /// Whether the scale is known: printed with its decimals, or moved from the number as sent.
    var isScaled: Bool {
        wireValue == nil || value.number?.exponent != wireValue?.number?.exponent
    }
}
