import MQTT
import OBIS
import TestSupport
import Testing
import Wire

@testable import Daemon

/// What `info`, `status` and metrics say of a meter, as its line goes on.
@Suite("What is known of a meter")
struct InfoTests {
    private func overseer(_ bench: FleetBench) -> Overseer {
        Overseer(
            node: "cellar", topics: bench.backbone.topics, journal: bench.backbone.journal,
            publisher: bench.backbone.publisher, live: bench.backbone.live, fleet: bench.fleet,
            manager: ServiceManager(socket: nil), pulse: bench.pulses.add("the overseer"), clock: bench.clock,
            startedAt: bench.clock.now)
    }

    @Test("its power is the newest one, with every digit, and unknown when it is too old")
    func power() async throws {
        try await withFleet { bench in
            await bench.fleet.change(to: [bench.meter("main"), bench.meter("silent")])
            let overseer = overseer(bench)
            func powers() async -> [FixedDecimal?] { await overseer.info().meters.map(\.power) }
            #expect(await powers() == [nil, nil])
            let pipeline = try #require(await bench.fleet.reader(of: "main")).pipeline
            for power in ["00.240", "00.000"] {
                await pipeline.accept(
                    try P1.telegram(["1-0:1.7.0(\(power)*kW)", "1-0:2.7.0(01.500*kW)"]), capturedAt: bench.clock.now)
                bench.clock.pass(.seconds(1))
            }
            #expect(await powers() == [FixedDecimal("-1500"), nil])
            bench.clock.pass(.seconds(3600))
            #expect(await powers() == [nil, nil])
        }
    }

    @Test("the quality of its line follows what arrives and what is dropped")
    func link() async throws {
        try await withFleet { bench in
            await bench.fleet.change(to: [bench.meter("main")])
            let overseer = overseer(bench)
            func quality() async -> String? { await overseer.info().meters.first?.linkQuality?.description }
            #expect(await quality() == nil)
            let pipeline = try #require(await bench.fleet.reader(of: "main")).pipeline
            await pipeline.accept(try P1.telegram(["1-0:1.8.1(000123.450*kWh)"]), capturedAt: bench.clock.now)
            #expect(await quality() == "1.000")
            await pipeline.rejected(WireError(.checksum, "damaged"))
            await pipeline.rejected(WireError(.keyMissing, "no key"))
            #expect(await quality() == "0.500")
        }
    }

    @Test("what waits is unknown until it is known how far the broker is")
    func waiting() async throws {
        try await withFleet { bench in
            await bench.fleet.change(to: [bench.meter("main")])
            let overseer = overseer(bench)
            let pipeline = try #require(await bench.fleet.reader(of: "main")).pipeline
            for _ in 1...3 {
                await pipeline.accept(try P1.telegram(["1-0:1.8.1(000123.450*kWh)"]), capturedAt: bench.clock.now)
                bench.clock.pass(.seconds(1))
            }
            #expect(await overseer.info().meters.first?.waiting == nil)
            let publishing = Task { try await bench.backbone.publisher.run() }
            try await waitFor("a publisher that knows") { bench.backbone.publisher.figures.acknowledgedCursor != nil }
            #expect(await overseer.info().meters.first?.waiting == 3)
            publishing.cancel()
            _ = await publishing.result
        }
    }
}
