import Foundation
import OBIS
import TestSupport
import Testing

@testable import Discovery

@Suite("Discovery messages")
struct MessageTests {
    private func text(_ message: DiscoveryMessage) -> String { String(decoding: message.payload, as: UTF8.self) }

    private func messages(_ delivery: Delivery, _ form: DiscoveryForm) -> [DiscoveryMessage] {
        let discoverer = Samples.discoverer(form)
        return discoverer.messages(discoverer.meter(Samples.meter, delivery, topics: Samples.topics))
    }

    /// Its members by its key.
    private func entity(
        _ key: String, _ delivery: Delivery = Samples.delivery(Samples.house, Samples.houseTotals),
        _ form: DiscoveryForm = .device
    ) -> ExactJSON? {
        let found = messages(delivery, form)
        if form == .device { return ExactJSON(text(found[0]))?["components"]?[key] }
        return found.first { $0.topic.hasSuffix("/main-\(key)/config") }.flatMap { ExactJSON(text($0)) }
    }

    @Test("Home Assistant has nothing to refuse or to warn of", arguments: DiscoveryForm.allCases)
    func valid(form: DiscoveryForm) {
        for (name, delivery) in Samples.deliveries {
            var rules = HomeAssistantRules()
            for message in messages(delivery, form) { rules.check(topic: message.topic, text(message)) }
            #expect(rules.problems.isEmpty, "\(name)")
            #expect(
                rules.topics.isSubset(of: [
                    Samples.topics.status, Samples.topics.info, Samples.topics.state, Samples.topics.availability,
                    Samples.topics.anomaly, Samples.topics.problems + "/overload", Samples.topics.problems + "/stale",
                    Samples.topics.problems + "/continuous_flow",
                ]))
        }
        var rules = HomeAssistantRules()
        let discoverer = Samples.discoverer(form)
        for message in discoverer.messages(discoverer.daemon(status: "s", info: "i")) {
            rules.check(topic: message.topic, text(message))
        }
        #expect(rules.problems.isEmpty)
    }

    @Test("the rules themselves find what is wrong")
    func rules() {
        func problems(_ old: String, _ new: String) -> [String] {
            let message = messages(Samples.delivery(Samples.house, Samples.houseTotals), .device)[0]
            var rules = HomeAssistantRules()
            rules.check(topic: message.topic, text(message).replacingOccurrences(of: old, with: new))
            return rules.problems
        }
        #expect(problems("nothing of the kind", "") == [])
        #expect(!problems(#""unit_of_measurement":"kWh""#, #""unit_of_measurement":"kwh""#).isEmpty)
        #expect(!problems(#""state_class":"total_increasing""#, #""state_class":"measurement""#).isEmpty)
        #expect(!problems("main/power\"", "main/voltage_l1\"").isEmpty)
        #expect(!problems(#""availability_mode":"all""#, #""availability_mode":"latest""#).isEmpty)
        #expect(!problems(#""entity_category":"diagnostic""#, #""entity_category":"config""#).isEmpty)
    }

    @Test("energy is the total that goes on, in the classes that the energy dashboard takes")
    func energy() throws {
        let json = try #require(entity("energy_import"))
        #expect(
            json["value_template"]?.string == "{{ (value_json|default({})).get('totals',{}).get('active_import') }}")
        #expect(json["device_class"]?.string == "energy" && json["unit_of_measurement"]?.string == "kWh")
        #expect(json["state_class"]?.string == "total_increasing")
        #expect(json["suggested_display_precision"]?.int == 3)
        #expect(json["unique_id"]?.string == "obisd/cellar/main/energy_import")
        #expect(json["default_entity_id"]?.string == "sensor.main_energy_import")
        #expect(json["entity_category"] == nil && json["enabled_by_default"] == nil)
        #expect(
            json["availability"]?.items.map { $0["topic"]?.string } == [
                "obisd/cellar/status", "obisd/cellar/main/availability",
            ])
        let tariff = try #require(entity("r_1_0_1_8_1"))
        #expect(tariff["name"]?.string == "Energy import, tariff 1")
        #expect(
            tariff["value_template"]?.string
                == "{{ (value_json|default({})).get('register_totals',{}).get('1-0:1.8.1*255',{}).get('value') }}")
        #expect(tariff["state_class"]?.string == "total_increasing" && tariff["device_class"]?.string == "energy")
    }

    /// Key, name, class, unit, state class, category; - for none.
    static let expected: [(String, String)] = [
        ("power", "Power power W measurement -"), ("voltage_l1", "Voltage L1 voltage V measurement -"),
        ("current_n", "Current neutral current A measurement -"),
        ("frequency", "Frequency frequency Hz measurement -"),
        ("power_factor", "Power factor power_factor - measurement -"),
        ("reactive_power", "Reactive power reactive_power var measurement -"),
        ("apparent_power", "Apparent power apparent_power VA measurement -"),
        ("reactive_energy_import", "Reactive energy import reactive_energy kvarh total_increasing -"),
        ("thd_voltage", "Voltage distortion - % measurement -"),
        ("r_1_0_9_8_0", "Apparent energy import - kVAh total_increasing -"),
        ("r_1_0_5_8_0", "Reactive energy, quadrant 1 reactive_energy kvarh total_increasing -"),
        ("r_1_0_21_7_0", "Power import L1 power W measurement -"),
        ("r_1_0_2_7_0", "Power export power W measurement -"),
        ("r_1_0_1_6_0", "Highest power import power kW measurement -"),
        ("r_1_0_23_7_0", "Reactive power import L1 - kvar measurement -"),
        ("r_1_0_1_8_0_5", "Energy import, period 5 energy Wh - diagnostic"),
        ("r_0_0_96_7_21", "Power failures - - total_increasing diagnostic"),
        ("r_1_0_32_32_0", "Voltage sags L1 - - total_increasing -"),
        ("r_0_0_96_1_1", "Identification 1 - - - diagnostic"),
        ("r_0_0_1_0_0", "Clock of the meter - - - diagnostic"),
        ("clock_drift", "Clock drift duration s measurement diagnostic"),
        ("quality", "Data quality enum - - diagnostic"), ("last_reading", "Last reading timestamp - - diagnostic"),
        ("link_quality", "Link quality - % measurement diagnostic"),
        ("problem_overload", "More power than contracted problem - - -"),
        ("problem_stale", "No readings problem - - diagnostic"),
    ]

    @Test("every register has its class, unit, statistics and category", arguments: expected)
    func entities(key: String, expected: String) throws {
        let json = try #require(entity(key))
        let parts = ["name", "device_class", "unit_of_measurement", "state_class", "entity_category"].map {
            json[$0]?.string ?? "-"
        }
        #expect(parts.joined(separator: " ") == expected)
    }

    @Test("what a named value shows has no second entity; rules of another medium have none; kept values are off")
    func absent() throws {
        for key in ["r_1_0_1_8_0", "r_1_0_32_7_0", "r_1_0_14_7_0", "r_1_0_13_7_0", "problem_continuous_flow"] {
            #expect(entity(key) == nil, "\(key)")
        }
        #expect(entity("r_1_0_1_7_0") != nil)
        #expect(entity("r_1_0_1_8_0_5")?["enabled_by_default"]?.bool == false)
        #expect(entity("r_0_0_1_0_0")?["enabled_by_default"]?.bool == false)
    }

    @Test("gas, water and heat have the classes of the energy dashboard; a difference in kelvin is no temperature")
    func thermal() {
        let gas = Samples.delivery(Samples.gas)
        #expect(entity("volume", gas)?["device_class"]?.string == "gas")
        #expect(entity("volume", gas)?["unit_of_measurement"]?.string == "m³")
        #expect(entity("volume_flow", gas)?["device_class"]?.string == "volume_flow_rate")
        #expect(entity("problem_overload", gas) == nil && entity("problem_continuous_flow", gas) != nil)
        #expect(entity("volume", Samples.delivery(Samples.water))?["device_class"]?.string == "water")
        let heat = Samples.delivery(Samples.heat)
        #expect(entity("heat_energy_gj", heat)?["device_class"]?.string == "energy")
        #expect(entity("volume", heat)?["device_class"]?.string == "volume")
        #expect(entity("temperature_difference", heat)?["device_class"] == nil)
        #expect(entity("flow_temperature", heat)?["device_class"]?.string == "temperature")
    }

    @Test("what older versions refuse is left out of single messages: the class of reactive energy")
    func older() {
        let house = Samples.delivery(Samples.house, Samples.houseTotals)
        #expect(entity("reactive_energy_import", house, .entity)?["device_class"] == nil)
        #expect(entity("reactive_energy_import", house, .entity)?["unit_of_measurement"]?.string == "kvarh")
        #expect(entity("energy_import", house, .entity)?["device_class"]?.string == "energy")
    }

    @Test("a name that a meter made up ends neither the template nor the message")
    func hostile() throws {
        let key = "a'}}{{ 1 }}\\\"\u{1F600}"
        let reading = Samples.reading(
            .electricity, [Register(obis: nil, printedCode: key, value: .number(5), unit: .watt)])
        let message = messages(Samples.delivery(reading), .device)[0]
        let components = try #require(ExactJSON(text(message))?["components"])
        let entity = try #require(components.keys.first { $0.hasPrefix("x_a") }.flatMap { components[$0] })
        #expect(
            entity["value_template"]?.string == """
                {{ (value_json|default({})).get('registers',{})\
                .get('a\\u0027\\u007d\\u007d\\u007b\\u007b 1 \\u007d\\u007d\\u005c\\u0022\\U0001f600',{}).get('value') }}
                """)
        var rules = HomeAssistantRules()
        rules.check(topic: message.topic, text(message))
        #expect(rules.problems.isEmpty)
    }

    @Test("two entities with one name carry their keys")
    func names() throws {
        let reading = Samples.reading(
            .electricity,
            [Samples.register("1-1:1.8.1", "1", .wattHour), Samples.register("1-2:1.8.1", "2", .wattHour)])
        let delivery = Samples.delivery(reading)
        #expect(entity("r_1_1_1_8_1", delivery)?["name"]?.string == "Energy import, tariff 1 (r_1_1_1_8_1)")
        #expect(entity("r_1_2_1_8_1", delivery)?["name"]?.string == "Energy import, tariff 1 (r_1_2_1_8_1)")
    }

    @Test(
        "devices are named by configured ids; a meter behind another one is reached through it, others through the daemon"
    )
    func devices() throws {
        func device(_ meter: DiscoveredMeter?) throws -> ExactJSON {
            let discoverer = Samples.discoverer()
            let device =
                meter.map { discoverer.meter($0, Samples.delivery(Samples.gas), topics: Samples.topics) }
                ?? discoverer.daemon(status: "s", info: "i")
            return try #require(ExactJSON(text(discoverer.messages(device)[0]))?["device"])
        }
        let main = try device(Samples.meter)
        #expect(main["identifiers"]?.items == [.string("obisd/cellar/main")])
        #expect(main["via_device"]?.string == "obisd/cellar" && main["serial_number"]?.string == "12345678")
        #expect(main["model"]?.string == "Gas meter" && main["manufacturer"]?.string == "LGZ")
        #expect(
            try device(DiscoveredMeter(id: "gas", name: "Gas", via: "main"))["via_device"]?.string
                == "obisd/cellar/main")
        let daemon = try device(nil)
        #expect(daemon["identifiers"]?.items == [.string("obisd/cellar")] && daemon["via_device"] == nil)
    }

    @Test("the button stands where the meter may be asked, and its command expires")
    func button() throws {
        let button = try #require(entity("read_now"))
        #expect(button["platform"]?.string == "button" && button["command_topic"]?.string == Samples.topics.command)
        #expect(button["command_template"]?.string?.contains(#""verb":"read","expires_at":"#) == true)
        let discoverer = Samples.discoverer()
        let silent = discoverer.meter(
            DiscoveredMeter(id: "main", name: "Main"), Samples.delivery(Samples.gas), topics: Samples.topics)
        #expect(!silent.entities.contains { $0.key == "read_now" })
    }

    /// For a validator of another make: one file for each message, `/` in its topic written as `|`.
    @Test(
        "messages are written for a validator of another make",
        .enabled(if: ProcessInfo.processInfo.environment["OBISD_DISCOVERY_OUTPUT"] != nil))
    func output() throws {
        let folder = URL(fileURLWithPath: ProcessInfo.processInfo.environment["OBISD_DISCOVERY_OUTPUT"] ?? "")
        for form in DiscoveryForm.allCases {
            let discoverer = Samples.discoverer(form)
            var devices = [discoverer.daemon(status: Samples.topics.status, info: Samples.topics.info)]
            for (name, delivery) in Samples.deliveries {
                var meter = Samples.meter
                meter.id = name
                devices.append(discoverer.meter(meter, delivery, topics: Samples.topics))
            }
            for message in devices.flatMap({ discoverer.messages($0, gone: ["old": .sensor]) }) {
                let name = message.topic.replacingOccurrences(of: "/", with: "|")
                try Data(message.payload).write(to: folder.appendingPathComponent(name))
            }
        }
    }
}
