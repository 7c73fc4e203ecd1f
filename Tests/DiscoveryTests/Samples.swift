import OBIS

@testable import Discovery

/// What meters of several kinds show in their state.
enum Samples {
    static let topics = MeterTopics(
        status: "obisd/cellar/status", info: "obisd/cellar/info", state: "obisd/cellar/main/state",
        availability: "obisd/cellar/main/availability", anomaly: "obisd/cellar/main/anomaly",
        command: "obisd/cellar/main/command", problems: "obisd/cellar/main/problem")

    static func discoverer(_ form: DiscoveryForm = .device, prefix: String = "homeassistant") -> Discoverer {
        Discoverer(form: form, prefix: prefix, node: "cellar", version: "0.1.0")
    }

    static let meter = DiscoveredMeter(
        id: "main", name: "Main meter", canBeAsked: true,
        problems: [
            WatchedProblem(type: "overload", title: "More power than contracted"),
            WatchedProblem(type: "stale", title: "No readings"),
            WatchedProblem(type: "continuous_flow", title: "Flow without a pause"),
        ])

    static func register(_ code: String, _ value: String, _ unit: Unit? = nil) -> Register {
        Register(obis: ObisCode(code), value: FixedDecimal(value).map { .number($0) } ?? .text(value), unit: unit)
    }

    static func reading(
        _ medium: Medium? = .electricity, _ registers: [Register] = [], values: [NamedField: FixedDecimal?] = [:],
        id: String? = "12345678"
    ) -> Reading {
        var named = NamedValues()
        for (field, value) in values { named[field] = value }
        return Reading(
            device: MeterIdentity(id: id, manufacturer: "LGZ", medium: medium),
            time: Timestamp(milliseconds: 1_768_476_896_120), capturedAt: Timestamp(milliseconds: 1_768_476_896_120),
            isClockSynchronized: true,
            meterTime: MeterTime(year: 2026, month: 1, day: 15, hour: 12, minute: 34, second: 55, utcOffset: 60),
            values: named, registers: registers)
    }

    /// A three-phase meter with two tariffs that names everything there is.
    static let house = reading(
        .electricity,
        [
            register("0-0:96.1.1", "12345678"), register("1-0:1.8.0", "1234567", .wattHour),
            register("1-0:1.8.1", "1000.500", .kilowattHour), register("1-0:1.8.2", "234.067", .kilowattHour),
            register("1-0:2.8.1", "5.000", .kilowattHour), register("1-0:9.8.0", "77.1", .kilovoltAmpereHour),
            register("1-0:5.8.0", "12.5", .kilovarHour), register("1-0:1.7.0", "2810", .watt),
            register("1-0:2.7.0", "0", .watt), register("1-0:21.7.0", "900", .watt),
            register("1-0:1.6.0", "4.25", .kilowatt), register("1-0:1.8.0*5", "1000000", .wattHour),
            register("1-0:32.7.0", "231.5", .volt), register("0-0:96.7.21", "4"), register("1-0:32.32.0", "2"),
            register("1-0:23.7.0", "1.2", .kilovar), register("0-0:96.13.0", String(repeating: "x", count: 900)),
            Register(obis: ObisCode("0-0:1.0.0"), value: .time(MeterTime(localSeconds: 1_768_480_495))),
            Register(obis: ObisCode("1-0:99.1.0"), value: .flag(true)),
            register("1-0:14.7.0", "50.01", .hertz), register("1-0:13.7.0", "0.98"),
            register("1-0:1.8.3", "12345678901234567890", .kilowattHour),
        ],
        values: [
            .activeImport: FixedDecimal("1234.567"), .activePower: 2810, .voltageL1: FixedDecimal("231.5"),
            .frequency: FixedDecimal("50.01"), .powerFactor: FixedDecimal("0.98"), .currentN: FixedDecimal("0.25"),
            .reactivePower: 12, .apparentPower: 2900, .reactiveImport: FixedDecimal("12.5"), .thdVoltage: 3,
        ])

    static let houseTotals = ["1-0:1.8.1*255", "1-0:1.8.2*255", "1-0:2.8.1*255", "1-0:9.8.0*255", "1-0:5.8.0*255"].map {
        RegisterTotal(key: $0, value: 1, unit: .kilowattHour)
    }

    static let gas = reading(
        .gas, [register("7-0:3.0.0", "100.123", .cubicMetre)],
        values: [.volume: FixedDecimal("100.123"), .volumeFlow: FixedDecimal("0.250")])

    static let water = reading(
        .water, [register("8-0:1.0.0", "7.5", .cubicMetre)], values: [.volume: FixedDecimal("7.5")])

    static let heat = reading(
        .heat,
        [
            record("Energy", "12.345", .megajoule, storage: 1), record("Volume", "3.21", .cubicMetre, storage: 1),
            record("Flow temperature", "61.5", .degreeCelsius, storage: 0, function: .maximum),
            record("On time", "1200", .hour, storage: 0),
        ],
        values: [
            .heatEnergyInJoule: FixedDecimal("12.345"), .volume: FixedDecimal("3.21"),
            .flowTemperature: FixedDecimal("61.5"), .returnTemperature: FixedDecimal("40.2"),
            .temperatureDifference: FixedDecimal("21.3"), .heatPower: 1200,
        ])

    static func record(
        _ quantity: String, _ value: String, _ unit: Unit, storage: Int,
        function: RecordIdentity.Function = .instantaneous
    ) -> Register {
        Register(
            obis: nil, value: FixedDecimal(value).map { .number($0) } ?? .unavailable, unit: unit, index: storage + 7,
            record: RecordIdentity(number: 0, function: function, storage: storage, quantity: quantity))
    }

    static func delivery(_ reading: Reading, _ totals: [RegisterTotal] = []) -> Delivery {
        var delivery = Delivery()
        _ = delivery.observe(reading, registerTotals: totals, at: .seconds(1))
        return delivery
    }

    static let deliveries: [(String, Delivery)] = [
        ("house", delivery(house, houseTotals)), ("gas", delivery(gas)), ("water", delivery(water)),
        ("heat", delivery(heat)), ("unknown", delivery(reading(nil))),
    ]
}
