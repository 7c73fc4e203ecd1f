import Metering
import OBIS
import Testing

@Suite("Named values")
struct NamedMappingTests {
    /// Registers as `code value unit`, and the named values that they make.
    static let table: [(name: String, registers: [String], expected: [String])] = [
        ("nothing makes nothing", [], []),
        (
            "energies on channel 1, power on channel 0, as an E450 sends them",
            ["1-1:1.8.0 1234567 Wh", "1-1:2.8.0 89012 Wh", "1-0:1.7.0 2810 W", "1-0:2.7.0 0 W"],
            ["active_import 1234.567", "active_export 89.012", "active 2810"]
        ),
        (
            "a total power stands above the two directions",
            ["1-0:16.7.0 -480 W", "1-0:1.7.0 100 W", "1-0:2.7.0 0 W"], ["active -480"]
        ),
        ("import less export", ["1-0:1.7.0 100 W", "1-0:2.7.0 2500 W"], ["active -2400"]),
        ("import alone", ["1-0:1.7.0 100 W"], ["active 100"]),
        ("export that is there and unknown leaves the net power unknown", ["1-0:1.7.0 0 W", "1-0:2.7.0 3000 -"], []),
        ("export alone says nothing of import", ["1-0:2.7.0 100 W"], []),
        ("reactive power in both directions", ["1-0:3.7.0 5 var", "1-0:4.7.0 7 var"], ["reactive -2"]),
        ("kW become W without losing a digit", ["1-0:16.7.0 -0.480 kW"], ["active -480"]),
        ("MWh become kWh", ["1-0:1.8.0 1.234567 MWh"], ["active_import 1234.567"]),
        ("joules are not guessed", ["1-0:1.8.0 3600 kJ"], []),
        ("another quantity's unit is not taken", ["1-0:32.7.0 231 A"], []),
        ("no unit, no value", ["1-0:32.7.0 231 -", "1-0:1.8.0 1234 -"], []),
        (
            "two quadrants make a direction",
            ["1-1:5.8.0 100 varh", "1-1:6.8.0 23 varh", "1-1:7.8.0 1 varh", "1-1:8.8.0 2 varh"],
            ["reactive_import 0.123", "reactive_export 0.003"]
        ),
        ("one quadrant is no direction", ["1-1:5.8.0 100 varh", "1-1:8.8.0 2 varh"], []),
        (
            "a direction stands above its quadrants",
            ["1-1:3.8.0 500 varh", "1-1:5.8.0 100 varh", "1-1:6.8.0 23 varh"], ["reactive_import 0.500"]
        ),
        ("another billing period is not now", ["1-0:1.8.0*1 1000 Wh", "1-0:32.7.0*0 231 V"], []),
        ("tariffs are not the total", ["1-0:1.8.1 1000 Wh", "1-0:1.8.2 500 Wh"], []),
        (
            "an abstract code is read as electricity's", ["0-0:1.8.0 34479 Wh", "0-0:2.8.0 7 Wh"],
            ["active_import 34.479", "active_export 0.007"]
        ),
        ("but stands behind it", ["0-0:1.8.0 1 Wh", "1-0:1.8.0 34479 Wh"], ["active_import 34.479"]),
        ("and is no power, nor of a device behind the meter", ["0-0:1.7.0 5 W", "0-1:1.8.0 34479 Wh"], []),
        ("an electricity meter behind another one", ["0-4:24.2.1 12785.123 kWh"], ["active_import 12785.123"]),
        ("which is not the meter in front", ["0-4:24.2.1 12785.123 kWh", "1-0:1.8.1 1 kWh"], []),
        ("255 stands for tariff 0", ["1-0:1.8.255 1000 Wh"], ["active_import 1.000"]),
        ("another medium is no electricity", ["7-0:1.8.0 1000 Wh"], []),
        ("the first of two counts", ["1-0:32.7.0 231 V", "1-1:32.7.0 111 V"], ["l1 231"]),
        (
            "each phase",
            [
                "1-0:32.7.0 231 V", "1-0:52.7.0 229.5 V", "1-0:72.7.0 0 V", "1-0:31.7.0 2.15 A", "1-0:51.7.0 400 mA",
                "1-0:71.7.0 0 A", "1-0:91.7.0 0.01 A",
            ],
            ["l1 231", "l2 229.5", "l3 0", "l1 2.15", "l2 0.400", "l3 0", "n 0.01"]
        ),
        (
            "apparent power, frequency, power factor, distortion",
            [
                "1-0:9.7.0 3.1 kVA", "1-0:14.7.0 49.98 Hz", "1-0:13.7.0 0.987 -", "1-0:12.7.124 2.1 %",
                "1-0:11.7.124 8 %",
            ],
            ["apparent 3100", "frequency 49.98", "power_factor 0.987", "thd_voltage 2.1", "thd_current 8"]
        ),
    ]

    @Test("come from registers by the value groups C, D and E", arguments: table.indices)
    func mapping(index: Int) throws {
        let item = Self.table[index]
        let registers = try item.registers.map(Self.register)
        #expect(named(NamedMapping().values(of: registers, medium: .electricity)) == item.expected, "\(item.name)")
    }

    @Test("leave out what is not usable, and take the next one of its kind")
    func unusable() throws {
        let registers = try ["1-0:32.7.0 2310 V", "1-1:32.7.0 231 V", "1-0:52.7.0 2290 V"].map(Self.register)
        #expect(named(NamedMapping().values(of: registers, medium: nil) { $0 == 1 }) == ["l1 231"])
    }

    @Test("two tariffs make the total only where they are known to be all, and where there is no total")
    func tariffs() throws {
        let mapping = NamedMapping(sumsTariffs: true)
        for (registers, expected) in [
            (["1-0:1.8.1 1.000 kWh", "1-0:1.8.2 0.5 kWh", "1-0:2.8.1 0 kWh"], ["active_import 1.500"]),
            (["1-0:1.8.1 1 kWh", "1-0:1.8.2 2 kWh", "1-0:1.8.0 9 kWh"], ["active_import 9"]),
            (["1-0:1.8.1 1 kWh"], []),
        ] {
            let registers = try registers.map(Self.register)
            #expect(named(mapping.values(of: registers, medium: .electricity)) == expected)
        }
        let bad = try ["1-0:1.8.1 1 kWh", "1-0:1.8.2 2 kWh", "1-0:1.8.0 9 kWh"].map(Self.register)
        #expect(named(mapping.values(of: bad, medium: nil) { $0 != 2 }) == [])
    }

    @Test(
        "a power that is an amount has the sign of its flow",
        arguments: [
            ("1-0:16.7.0 126.6 W", EnergyFlow.exporting, ["active -126.6"]),
            ("1-0:16.7.0 126.6 W", .importing, ["active 126.6"]),
            ("1-0:16.7.0 -5 W", .exporting, ["active -5"]), ("1-0:16.7.0 0 W", .exporting, ["active 0"]),
            ("1-0:15.7.0 126.6 W", .exporting, ["active -126.6"]), ("1-0:15.7.0 126.6 W", .importing, ["active 126.6"]),
            ("1-0:15.7.0 126.6 W", nil, []), ("1-0:16.7.0 126.6 W", nil, ["active 126.6"]),
        ] as [(String, EnergyFlow?, [String])])
    func flow(text: String, flow: EnergyFlow?, expected: [String]) throws {
        var register = try Self.register(text)
        register.flow = flow
        #expect(named(NamedMapping().values(of: [register], medium: .electricity)) == expected)
    }

    @Test("of gas, water and heat come from their own codes and from those of a device behind another meter")
    func thermal() throws {
        for (register, medium, expected) in [
            ("0-1:24.2.1 123.456 m3", Medium.gas, ["volume 123.456"]), ("0-2:24.2.3 7 m3", .gas, ["volume 7"]),
            ("0-1:24.2.1 12.5 GJ", .heat, ["energy_gj 12.5"]), ("0-1:24.2.1 1.5 MWh", .heat, ["energy 1500"]),
            ("7-0:3.0.0 8 m3", .gas, ["volume 8"]), ("8-0:1.0.0 900 l", .water, ["volume 0.900"]),
            ("6-0:1.0.0 100 kWh", .heat, ["energy 100"]), ("6-0:10.0.0 70.5 degC", .heat, ["flow 70.5"]),
            ("6-0:12.0.0 30 K", .heat, ["difference 30"]), ("1-0:1.8.0 5 kWh", .gas, []),
            ("0-1:24.2.1 5 kWh", .electricity, ["active_import 5"]),
            ("0-2:24.2.0 13376.292 m3", .gas, ["volume 13376.292"]),
        ] {
            let values = NamedMapping().values(of: [try Self.register(register)], medium: medium)
            #expect(named(values) == expected, "\(register)")
        }
    }

    @Test("are missing where the meter has no value")
    func unavailable() {
        let registers = [
            Register(obis: ObisCode("1-0:32.7.0"), value: .unavailable, unit: .volt),
            Register(obis: ObisCode("1-0:52.7.0"), value: .text("high"), unit: .volt),
            Register(obis: ObisCode("1-0:1.8.0"), value: .wide("123456789012345678901"), unit: .wattHour),
            Register(obis: nil, value: .number(5), unit: .volt),
        ]
        #expect(NamedMapping().values(of: registers, medium: .electricity) == NamedValues())
    }

    /// `code value unit`, `-` for no unit.
    static func register(_ text: String) throws -> Register {
        let parts = text.split(separator: " ").map(String.init)
        let number = try #require(FixedDecimal(parts[1]))
        let code = try #require(ObisCode(parts[0]) as ObisCode?)
        return Register(obis: code, value: .number(number), unit: parts[2] == "-" ? nil : Unit(printed: parts[2]))
    }
}
