import OBIS
import Testing

@Suite("Reading")
struct ReadingTests {
    private func reading(_ registers: [Register], issues: [QualityIssue] = []) -> Reading {
        Reading(
            device: MeterIdentity(), time: Timestamp(milliseconds: 0), capturedAt: Timestamp(milliseconds: 0),
            isClockSynchronized: true, registers: registers, issues: issues)
    }

    @Test("a register's key is its code, else its printed name, else its position")
    func keys() {
        let code = ObisCode(1, 0, 1, 8, 0)
        let registers = [
            Register(obis: code, printedCode: "1.8.0", value: .number(1)),
            Register(obis: nil, printedCode: "XYZ", value: .number(1)),
            Register(obis: nil, value: .number(1), index: 4),
            Register(obis: nil, value: .number(1)),
            Register(obis: code, value: .number(1), index: 1),
            Register(obis: nil, printedCode: "XYZ", value: .number(1)),
            Register(obis: code, value: .number(1), index: 2),
            Register(obis: nil, value: .number(1)),
        ]
        #expect(
            reading(registers).registerKeys == [
                "1-0:1.8.0*255", "XYZ", "index:4", "value", "1-0:1.8.0*255#2", "XYZ#2", "1-0:1.8.0*255#3", "value#2",
            ])
        #expect(registers[0].code == "1.8.0")
        #expect(registers[4].code == "1-0:1.8.0*255")
        #expect(registers[3].code == nil)
    }

    @Test("keys are unique also where a meter prints names that look like repetitions")
    func hostileNames() {
        let names = ["a", "a", "a#2", "a#2", "a", "a#3", "a#2#2", "value", "value#2", "index:1"]
        var registers = names.map { Register(obis: nil, printedCode: $0, value: .number(1)) }
        registers += [Register(obis: nil, value: .number(1)), Register(obis: nil, value: .number(1), index: 1)]
        let keys = reading(registers).registerKeys
        #expect(keys.count == registers.count)
        #expect(Set(keys).count == keys.count, "\(keys)")
    }

    @Test("the worst value decides the quality")
    func quality() {
        func issue(_ level: Quality) -> QualityIssue {
            QualityIssue(register: nil, level: level, code: .telegram, text: "")
        }
        #expect(reading([]).quality == .good)
        #expect(reading([], issues: [issue(.good)]).quality == .good)
        #expect(reading([], issues: [issue(.warning), issue(.good)]).quality == .warning)
        #expect(reading([], issues: [issue(.warning), issue(.error), issue(.good)]).quality == .error)
        #expect(Quality.allCases.sorted() == [.good, .warning, .error])
    }
}

@Suite("Named values")
struct NamedValuesTests {
    @Test("the groups hold every field once, under keys that differ")
    func groups() {
        let fields = NamedField.Group.allCases.flatMap(\.fields)
        #expect(fields.count == NamedField.allCases.count)
        #expect(Set(fields) == Set(NamedField.allCases))
        for group in NamedField.Group.allCases {
            #expect(group.fields.allSatisfy { $0.group == group })
            #expect(Set(group.fields.map(\.key)).count == group.fields.count)
            #expect(!group.fields.isEmpty)
        }
    }

    @Test("the keys are those of the contract, in its order")
    func contractKeys() {
        let electric = "energies powers voltages currents grid"
        let keys = NamedField.Group.allCases.map { "\($0.rawValue): \($0.fields.map(\.key).joined(separator: " "))" }
        #expect(
            keys == [
                "energies: active_import active_export reactive_import reactive_export",
                "powers: active reactive apparent", "voltages: l1 l2 l3", "currents: l1 l2 l3 n",
                "grid: frequency power_factor thd_voltage thd_current",
                "volumes: volume", "heat: energy energy_gj power", "flows: volume",
                "temperatures: flow return difference",
            ])
        #expect(NamedField.Group.groups(of: .electricity).map(\.rawValue).joined(separator: " ") == electric)
        #expect(NamedField.Group.groups(of: nil) == NamedField.Group.groups(of: .electricity))
        for medium in [Medium.gas, .water, .heat] {
            #expect(NamedField.Group.groups(of: medium) == [.volumes, .heat, .flows, .temperatures])
            #expect(NamedField.totals(of: medium).map(\.key) == ["volume", "energy", "energy_gj"])
        }
        #expect(NamedField.totals(of: .electricity) == NamedField.Group.energies.fields)
        #expect(NamedField.activeImport.unit == .kilowattHour)
        #expect(NamedField.reactiveExport.unit == .kilovarHour)
        #expect(NamedField.powerFactor.unit == nil)
    }

    @Test("each field stores its own number, and nothing is zero by itself")
    func storage() {
        var values = NamedValues()
        for field in NamedField.allCases { #expect(values[field] == nil) }
        for (index, field) in NamedField.allCases.enumerated() { values[field] = FixedDecimal(Int64(index)) }
        for (index, field) in NamedField.allCases.enumerated() { #expect(values[field] == FixedDecimal(Int64(index))) }
        values[.frequency] = nil
        #expect(values[.frequency] == nil)
        #expect(values[.powerFactor] != nil)
    }
}
