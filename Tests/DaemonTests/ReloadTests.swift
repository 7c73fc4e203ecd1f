import Configuration
import Foundation
import Journal
import Logging
import MQTT
import OBIS
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing
import Transport
import Wire

@testable import Daemon

@Suite("Reload")
struct ReloadTests {
    private static let base = Configuration(
        node: "cellar", journal: JournalConfiguration(path: "/var/lib/obisd/journal.db"),
        meters: [Meter(id: "main", protocolName: "sml", endpoint: .file(path: "/nowhere"))])

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var reconnects = false
        var drainRate = false
        var commands = false
        var metrics = false
        var restart: [String] = []
        let change: @Sendable (inout Configuration) -> Void
    }

    static let cases: [Case] = [
        Case(testDescription: "nothing") { _ in },
        Case(testDescription: "a meter alone") { $0.meters = [] },
        Case(testDescription: "another host", reconnects: true) { $0.broker.host = "elsewhere" },
        Case(testDescription: "another password", reconnects: true) { $0.broker.password = Secret(Array("x".utf8)) },
        Case(testDescription: "TLS", reconnects: true) { $0.broker.tls = Broker.TLS() },
        Case(testDescription: "the drain rate", drainRate: true) { $0.broker.drainRate = .perSecond(7) },
        Case(testDescription: "commands", commands: true) { $0.broker.acceptsCommands = true },
        Case(testDescription: "metrics", metrics: true) { $0.metrics = MetricsConfiguration(file: "/tmp/o.prom") },
        Case(testDescription: "the node", restart: ["node"]) { $0.node = "attic" },
        Case(testDescription: "the base topic", restart: ["broker.base_topic"]) { $0.broker.baseTopic = "meters" },
        Case(testDescription: "the journal's path", restart: ["journal.path"]) { $0.journal.path = "/tmp/j.db" },
        Case(testDescription: "the journal's size", restart: ["journal"]) { $0.journal.maxSize = 1 << 24 },
    ]

    @Test("what a change of the configuration asks for", arguments: cases)
    func change(_ expected: Case) {
        var next = Self.base
        expected.change(&next)
        let change = ConfigurationChange(from: Self.base, to: next)
        #expect(change.reconnects == expected.reconnects)
        #expect(change.hasOtherDrainRate == expected.drainRate)
        #expect(change.hasOtherCommands == expected.commands)
        #expect(change.hasOtherMetrics == expected.metrics)
        #expect(change.needsRestart == expected.restart)
        // What needs a restart is said again as long as it has not happened.
        let applied = next.withoutRestart(of: Self.base)
        #expect(ConfigurationChange(from: applied, to: next).needsRestart == expected.restart)
        #expect(ConfigurationChange(from: applied, to: next).reconnects == false)
    }

    @Test("200 changes of the meters leave neither readers, pipelines nor open links behind")
    func noLeak() async throws {
        try await withFleet { bench in
            let lasting = bench.meter("lasting")
            await bench.fleet.change(to: [lasting])
            await bench.fleet.start()
            let first = try #require(await bench.fleet.reader(of: "lasting"))
            for round in 0..<200 {
                var changing = bench.meter("changing")
                changing.name = "round \(round)"
                let outcome = await bench.fleet.change(to: [lasting, changing, bench.meter("passing-\(round)")])
                #expect(outcome.changed == (round == 0 ? [] : ["changing"]))
                bench.watch(await bench.fleet.pipelines.filter { $0.meter.id != "lasting" })
            }
            await bench.fleet.change(to: [lasting])
            let last = try #require(await bench.fleet.reader(of: "lasting"))
            #expect(first.pipeline === last.pipeline)
            await bench.opener.waitUntilOpen(["lasting"])
            #expect(bench.livingPipelines == 0)
            await bench.fleet.stop()
            await bench.opener.waitUntilOpen([])
        }
    }

    @Test("what a meter's reader knew goes over to the next one, and what it held back is journaled")
    func inheritance() async throws {
        try await withFleet { bench in
            var meter = bench.meter("main")
            meter.recordsEvery = .seconds(3600)
            await bench.fleet.change(to: [meter])
            let pipeline = try #require(await bench.fleet.reader(of: "main")).pipeline
            await pipeline.accept(try P1.telegram(["1-0:1.8.1(000123.450*kWh)"]), capturedAt: bench.clock.now)
            await pipeline.replaced()
            meter.name = "Main"
            await bench.fleet.change(to: [meter])
            let next = try #require(await bench.fleet.reader(of: "main")).pipeline
            #expect(next !== pipeline)
            await next.accept(try P1.telegram(["1-0:1.8.1(000000.100*kWh)"]), capturedAt: bench.clock.now)
            await bench.fleet.stop()
            await next.journaled()
            await bench.backbone.journal.close()
            let epochs = try await bench.readings().map { try #require($0["epoch"]?.int) }
            #expect(epochs == [1, 2])
        }
    }

    @Test("topics of a meter that is gone are cleared, also when it went while no daemon ran; others stay")
    func clearing() async throws {
        try await withFleet { bench in
            await bench.fleet.change(to: [bench.meter("main"), bench.meter("flat")])
            await bench.fleet.change(to: [bench.meter("main")])
            let board = bench.live
            #expect(board["obisd/cellar/flat/availability"] == "")
            #expect(board["obisd/cellar/flat/state"] == "")
            #expect(board["obisd/cellar/flat/problem/overload"] == "")
            #expect(board["obisd/cellar/flat/summary/day"] == "")
            #expect(board["obisd/cellar/main/availability"] == "offline")
            // The next daemon, with yet another configuration.
            let next = Fleet(
                bench.backbone, opener: bench.opener, clock: bench.clock, pulses: bench.pulses, logger: quietLogger)
            await next.change(to: [bench.meter("attic")])
            #expect(bench.live["obisd/cellar/main/availability"] == "")
            #expect(bench.live["obisd/cellar/attic/availability"] == "offline")
        }
    }

    @Test("topics of a meter that is gone are cleared by each daemon until the broker has done so")
    func clearedLater() async throws {
        try await withFolder { folder in
            /// One life of the daemon, without a broker where there is no port.
            func live(_ meters: [[String]], port: Int? = nil) async throws -> Bool {
                let bench = try await FleetBench(folder: folder, brokerPort: port ?? 9)
                for ids in meters { await bench.fleet.change(to: ids.map { bench.meter($0) }) }
                let isKnown = bench.live["obisd/cellar/flat/availability"] == ""
                if port != nil {
                    let group = ServiceGroup(services: [bench.backbone.publisher], logger: quietLogger)
                    let running = Task { try await group.run() }
                    try await waitFor("the broker clears them") { !bench.live.keys.contains { $0.contains("/flat/") } }
                    await group.triggerGracefulShutdown()
                    try await running.value
                }
                await bench.fleet.look()
                await bench.fleet.stop()
                await bench.backbone.journal.close()
                return isKnown
            }
            #expect(try await live([["main", "flat"], ["main"]]))
            #expect(try await live([["main"]]))
            let broker = try await MosquittoBroker()
            #expect(try await live([["main"]], port: broker.port))
            broker.terminate()
            #expect(try await !live([["main"]]))
        }
    }

    /// Both meters count for some hours, the sub-meter half of what the main meter does.
    private func count(_ bench: FleetBench, hours: Int, from start: Int = 0) async throws {
        for quarter in (start * 4)...((start + hours) * 4) {
            for (meter, watts) in [("main", 1000), ("flat", 500)] {
                let pipeline = try #require(await bench.fleet.reader(of: meter)).pipeline
                let energy = String(format: "%010.3f", 100 + Double(watts * quarter) / 4000)
                let telegram = try P1.telegram(["1-0:1.8.0(\(energy)*kWh)"])
                await pipeline.accept(telegram, capturedAt: bench.clock.now)
                await pipeline.journaled()
                await pipeline.tick()
            }
            bench.clock.pass(.seconds(900))
        }
    }

    @Test("a meter is compared with those behind it from the change that puts them there to the one that ends it")
    func behind() async throws {
        try await withFleet { bench in
            let problem = "obisd/cellar/main/problem/sub_meter_balance"
            var flat = bench.meter("flat")
            await bench.fleet.change(to: [bench.meter("main"), flat])
            try await count(bench, hours: 4)
            #expect(bench.live[problem]?.contains("ON") != true)
            flat.behind = "main"
            await bench.fleet.change(to: [bench.meter("main"), flat])
            try await count(bench, hours: 4, from: 5)
            #expect(bench.live[problem]?.contains("ON") == true)
            // Another change leaves the comparison as it is.
            await bench.fleet.change(to: [bench.meter("main"), flat, bench.meter("other")])
            #expect(bench.live[problem]?.contains("ON") == true)
            flat.behind = nil
            await bench.fleet.change(to: [bench.meter("main"), flat])
            #expect(bench.live[problem]?.contains("ON") == false)
        }
    }
}
