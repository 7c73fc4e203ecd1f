import Configuration
import Foundation
import Journal
import MQTT
import Metering
import OBIS
import TestSupport
import Testing

@testable import Daemon

@Suite("Discovery of meters")
struct DiscoveryDeskTests {
    private static let main = "homeassistant/device/obisd_cellar/main/config"
    private static let gas = "homeassistant/device/obisd_cellar/gas/config"
    private static let daemon = "homeassistant/device/obisd_cellar/config"
    private static let migration = #"{"migrate_discovery":true}"#

    private func house(_ bench: FleetBench) -> Meter {
        var meter = bench.meter("main")
        meter.subMeters = [SubMeter(channel: 1, id: "gas", name: "Gas")]
        return meter
    }

    private func read(_ bench: FleetBench, _ lines: [String] = P1.house()) async throws {
        let reader = try #require(await bench.fleet.reader(of: "main")).reader
        await reader.intake.accept(try P1.telegram(lines), capturedAt: bench.clock.now)
    }

    private func withHouse(_ body: (FleetBench, DiscoveryDesk) async throws -> Void) async throws {
        try await withFleet { bench in
            await bench.fleet.change(to: [house(bench)])
            try await body(bench, try #require(bench.backbone.discovery))
        }
    }

    @Test("the daemon is told of at once, meters with their first reading; every entity reads what is published")
    func appearance() async throws {
        try await withHouse { bench, _ in
            #expect(bench.live[Self.daemon] != nil && bench.live[Self.main] == nil)
            try await read(bench)
            let live = bench.live
            var rules = HomeAssistantRules()
            for topic in [Self.daemon, Self.main, Self.gas] { rules.check(topic: topic, try #require(live[topic])) }
            #expect(rules.problems.isEmpty)
            for topic in rules.topics where !["info", "anomaly"].contains(topic.split(separator: "/").last) {
                #expect(live[topic] != nil || topic == "obisd/cellar/status", "\(topic)")
            }
            for topic in [Self.main, Self.gas] {
                let components = try #require(live[topic].flatMap { ExactJSON($0) }?["components"])
                for key in components.keys {
                    let entity = try #require(components[key])
                    guard let source = entity["state_topic"]?.string, source.hasSuffix("/state"),
                        let template = entity["value_template"]?.string
                    else { continue }
                    let paths = HomeAssistantRules.paths(of: template)
                    #expect(!paths.isEmpty, "\(template)")
                    for path in paths {
                        var value = ExactJSON(try #require(live[source]))
                        for step in path { value = value?[step] }
                        #expect(value != nil, "\(topic) \(key) \(path)")
                    }
                }
            }
            let gas = try #require(live[Self.gas].flatMap { ExactJSON($0) })
            #expect(gas["device"]?["via_device"]?.string == "obisd/cellar/main")
            #expect(gas["components"]?["volume"]?["device_class"]?.string == "gas")
            let tariff = ExactJSON(try #require(live[Self.main]))?["components"]?["r_1_0_1_8_1"]
            #expect(tariff?["value_template"]?.string?.contains("register_totals") == true)
        }
    }

    @Test("more registers make a new message, the same ones do not; a value that is missing once takes nothing away")
    func growth() async throws {
        try await withHouse { bench, _ in
            try await read(bench)
            let first = bench.live[Self.main]
            try await read(bench, P1.house(second: 1, energy: "000123.460"))
            #expect(bench.live[Self.main] == first)
            try await read(bench, P1.house(second: 2) + ["1-0:32.7.0(231.0*V)"])
            let second = try #require(bench.live[Self.main])
            #expect(second != first && second.contains(#""voltage_l1":{"platform":"sensor""#))
            try await read(bench, P1.house(second: 3))
            #expect(bench.live[Self.main] == second)
        }
    }

    @Test("a meter that is gone leaves nothing, also where the broker was away and the daemon has ended since")
    func removal() async throws {
        try await withHouse { bench, _ in
            try await read(bench)
            await bench.fleet.change(to: [])
            #expect(bench.live[Self.main] == "" && bench.live[Self.gas] == "" && bench.live[Self.daemon] != "")
            // The next daemon knows only what the journal knows by then.
            try await bench.backbone.journal.set([], forKey: "mark", meter: "")
            let next = next(bench, HomeAssistant())
            await next.desk.begin()
            #expect(next.live.payloads[Self.main] == [] && next.live.payloads[Self.gas] == [])
        }
    }

    @Test("after a restart everything is told before anything was read, and taken back where it is not wanted any more")
    func restart() async throws {
        try await withHouse { bench, _ in
            try await read(bench)
            let told = try #require(bench.live[Self.main])
            try await bench.backbone.journal.set([], forKey: "mark", meter: "")
            for configured in [HomeAssistant(), HomeAssistant(discovery: .off), HomeAssistant(prefix: "ha")] {
                let next = next(bench, configured)
                await next.desk.begin()
                await next.desk.admit(house(bench), via: nil, isPolled: false, isCompared: false)
                let payloads = next.live.payloads.mapValues { String(decoding: $0, as: UTF8.self) }
                if configured == HomeAssistant() {
                    #expect(payloads[Self.main] == told)
                } else {
                    #expect(payloads[Self.main] == "" && payloads[Self.daemon] == "")
                }
                #expect((payloads["ha/device/obisd_cellar/main/config"] == told) == (configured.prefix == "ha"))
            }
        }
    }

    private func next(_ bench: FleetBench, _ configured: HomeAssistant) -> (desk: DiscoveryDesk, live: LiveTopics) {
        let backbone = bench.backbone
        let live = LiveTopics(client: backbone.client, logger: quietLogger)
        let desk = DiscoveryDesk(
            Configuration(homeAssistant: configured), node: "cellar", topics: backbone.topics,
            journal: backbone.journal, live: live, client: backbone.client, logger: quietLogger)
        return (desk, live)
    }

    @Test("single messages take the place of a device's, which hands its entities over, and the other way round")
    func forms() async throws {
        try await withHouse { bench, desk in
            try await read(bench)
            desk.change(to: HomeAssistant(discovery: .entity), acceptsCommands: false)
            let single = bench.live.filter { $0.key.hasPrefix("homeassistant/") && !$0.key.contains("/device/") }
            #expect(single.keys.contains("homeassistant/sensor/obisd_cellar/main-energy_import/config") == false)
            #expect(single.keys.contains("homeassistant/sensor/obisd_cellar/main-r_1_0_1_8_1/config"))
            #expect(bench.live[Self.main] == Self.migration && bench.live[Self.daemon] == Self.migration)
            var rules = HomeAssistantRules()
            for (topic, text) in single { rules.check(topic: topic, text) }
            #expect(rules.problems.isEmpty)
            desk.change(to: HomeAssistant(), acceptsCommands: false)
            #expect(single.keys.allSatisfy { bench.live[$0] == Self.migration })
            #expect(bench.live[Self.main]?.hasPrefix(#"{"device":"#) == true)
            desk.change(to: HomeAssistant(discovery: .off), acceptsCommands: false)
            #expect(bench.live[Self.main] == "" && bench.live[Self.gas] == "" && bench.live[Self.daemon] == "")
        }
    }

    @Test("the button is there while commands are allowed, and is taken away after that")
    func button() async throws {
        try await withHouse { bench, desk in
            var meter = bench.meter("asked")
            meter.name = "Asked"
            await desk.admit(meter, via: nil, isPolled: true, isCompared: false)
            var reading = Reading(
                device: MeterIdentity(id: "1", medium: .electricity), time: bench.clock.now,
                capturedAt: bench.clock.now, isClockSynchronized: true)
            reading.values[.activePower] = 5
            desk.observe("asked", reading, registerTotals: [], at: bench.clock.monotonic)
            func button() -> ExactJSON? {
                bench.live["homeassistant/device/obisd_cellar/asked/config"].flatMap { ExactJSON($0) }?["components"]?[
                    "read_now"]
            }
            #expect(button() == nil)
            desk.change(to: HomeAssistant(), acceptsCommands: true)
            #expect(button()?["command_topic"]?.string == "obisd/cellar/asked/command")
            desk.change(to: HomeAssistant(), acceptsCommands: false)
            #expect(button()?.keys == ["platform"] && button()?["platform"]?.string == "button")
        }
    }

    @Test("only a birth message that is not retained is one")
    func birth() async throws {
        try await withHouse { _, desk in
            func hears(_ topic: String, _ payload: String, isRetained: Bool = false) -> Bool {
                desk.hear(MQTTMessage(topic: topic, payload: Array(payload.utf8), retain: isRetained))
            }
            #expect(
                hears("homeassistant/status", "offline") && hears("homeassistant/status", "online", isRetained: true))
            #expect(!hears("obisd/cellar/main/command", "online"))
            desk.change(to: HomeAssistant(discovery: .device, prefix: "ha"), acceptsCommands: false)
            #expect(!hears("homeassistant/status", "offline") && hears("ha/status", "offline"))
            desk.change(to: HomeAssistant(discovery: .off), acceptsCommands: false)
            #expect(!hears("homeassistant/status", "online"))
        }
    }
}
