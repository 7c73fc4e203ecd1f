import Configuration
import Foundation
import OBIS
import TestSupport
import Testing

@testable import Daemon

/// What becomes of the telegrams of a meter and of the devices behind it.
@Suite("Devices behind a meter", .timeLimit(.minutes(2)))
struct SubMeterTests {
    private func accept(_ lines: [String], _ bench: PipelineBench) async throws {
        await bench.accept(try P1.telegram(lines))
    }

    @Test("have a reading when their time or their value changes, while the meter has one for each telegram")
    func changes() async throws {
        try await withBench(P1.meter) { bench in
            let telegrams = [
                P1.house(second: 0), P1.house(second: 1), P1.house(second: 2, energy: "000123.460"),
                // Another time with the same value, another value with the same time.
                P1.house(second: 3, gasTime: "260115120500W"),
                P1.house(second: 4, gasTime: "260115120500W", gas: "00100.001"),
                P1.house(second: 5, gasTime: "260115120500W", gas: "00100.001"),
                // Nothing of the gas meter.
                P1.house(second: 6, gasTime: "260115120500W", gas: "00100.001", water: "00008.000"),
            ]
            for lines in telegrams {
                bench.clock.pass(.seconds(1))
                try await accept(lines, bench)
            }
            let gas = try await bench.readings("gas")
            #expect(
                gas.map { $0["volumes"]?["volume"]?.digits } == ["100.000", "100.000", "100.001"])
            #expect(gas.map { $0["seq"]?.int } == [1, 2, 3])
            #expect(
                gas.map { $0["meter_time"]?.string } == [
                    "2026-01-15T12:00:00+01:00", "2026-01-15T12:05:00+01:00", "2026-01-15T12:05:00+01:00",
                ])
            #expect(gas.first?["device"] == ExactJSON(#"{"id":"G0012345678901234","manufacturer":null}"#))
            // The time of capture is that of the telegram that brought it.
            let main = try await bench.readings("main")
            #expect(main.count == telegrams.count)
            #expect([0, 3, 4].map { main[$0]["captured_at"] } == gas.map { $0["captured_at"] })
            // What is on no configured channel stays with the meter, and a channel that is silent has nothing.
            #expect(main.last?["registers"]?["0-2:24.2.1*255"]?["value"]?.digits == "8.000")
            #expect(try await bench.readings("heat").isEmpty)
        }
    }

    @Test("have no reading after a restart when nothing changed, and their state is there again")
    func restarted() async throws {
        try await withBench(P1.meter) { bench in
            try await accept(P1.house(), bench)
            let before = try #require(try await bench.state("gas"))
            try await bench.restart()
            #expect(try await bench.availability("gas") == "offline")
            try await accept(P1.house(second: 10), bench)
            #expect(try await bench.readings("gas").count == 1)
            #expect(try await bench.readings("main").count == 2)
            let after = try #require(try await bench.state("gas"))
            #expect(after["volumes"] == before["volumes"] && after["meter_time"] == before["meter_time"])
            #expect(after["quality"]?.string == "good")
            #expect(try await bench.availability("gas") == "online")
            try await accept(P1.house(second: 20, gas: "00100.002"), bench)
            #expect(try await bench.readings("gas").map { $0["seq"]?.int } == [1, 2])
        }
    }

    @Test("are online and offline with the telegrams of the meter that tell of them")
    func availability() async throws {
        try await withBench(P1.meter) { bench in
            #expect(try await bench.availability("gas") == "offline")
            // Every ten seconds the same: the meter repeats what the gas meter said at noon.
            for second in 0..<12 {
                try await accept(P1.house(second: second), bench)
                await bench.pass(.seconds(10))
            }
            let topics = try await bench.retained.look()
            #expect(topics["main/availability"] == "online" && topics["gas/availability"] == "online")
            #expect(topics["heat/availability"] == "offline")
            // It has the patience of what was observed; the meter's own is configured.
            await bench.pass(.seconds(21))
            #expect(try await bench.availability("main") == "offline")
            #expect(try await bench.availability("gas") == "offline")
            try await accept(P1.house(second: 13), bench)
            #expect(try await bench.availability("main") == "online")
            #expect(try await bench.availability("gas") == "online")
        }
    }

    @Test("that vanish from the meter's telegrams go offline alone")
    func vanished() async throws {
        try await withBench(P1.meter) { bench in
            for second in 0..<12 {
                try await accept(P1.house(second: second), bench)
                await bench.pass(.seconds(10))
            }
            for second in 12..<20 {
                try await accept(P1.house(second: second).filter { !$0.hasPrefix("0-1:") }, bench)
                await bench.pass(.seconds(10))
            }
            let topics = try await bench.retained.look()
            #expect(topics["main/availability"] == "online" && topics["gas/availability"] == "offline")
        }
    }

    @Test("keep their state for as long as the meter confirms it, and no longer")
    func confirmed() async throws {
        try await withBench(P1.meter) { bench in
            for second in 0..<60 {
                try await accept(P1.house(second: second), bench)
                await bench.pass(.seconds(10))
            }
            func volume() async throws -> ExactJSON? { try await bench.state("gas")?["volumes"]?["volume"] }
            #expect(try await volume() == .number("100.000"))
            #expect(try await bench.readings("gas").count == 1)
            // Silence: it grows old like any other value.
            await bench.pass(.seconds(600))
            #expect(try await volume() == .null)
            try await accept(P1.house(second: 59), bench)
            await bench.pass(.zero)
            #expect(try await volume() == .number("100.000"))
        }
    }
}

@Suite("What a reading keeps of a telegram", .timeLimit(.minutes(2)))
struct IntakeTests {
    @Test("the time of a value has the zone of the configuration, in winter and in summer")
    func zones() async throws {
        try await withBench(P1.meter) { bench in
            await bench.accept(try P1.telegram(P1.house()))
            await bench.accept(try P1.telegram(P1.house(gasTime: "260715120000S", gas: "00200.000")))
            for meter in ["main", "gas"] {
                let times = try await bench.readings(meter).map {
                    $0["registers"]?["0-1:24.2.1*255"]?["time"]?.string
                }
                #expect(times == ["2026-01-15T12:00:00+01:00", "2026-07-15T12:00:00+02:00"], "\(meter)")
            }
        }
    }

    @Test("a time in front of a value is left out, and a value that stands alone then has no position")
    func printedTimes() async throws {
        try await withBench(P1.meter) { bench in
            let telegram = try P1.telegram(P1.house())
            #expect(telegram.registers.filter { $0.code == "0-1:24.2.1" }.map(\.index) == [0, 1])
            await bench.accept(telegram)
            let registers = try #require(try await bench.readings("main").first?["registers"])
            #expect(
                registers["0-1:24.2.1*255"]
                    == ExactJSON(#"{"value":100.000,"unit":"m3","time":"2026-01-15T12:00:00+01:00"}"#))
            #expect(!registers.keys.contains { $0.contains("#") })
        }
    }

    @Test("values that share a code keep their positions")
    func positions() async throws {
        try await withBench(P1.meter) { bench in
            let lines = [
                "0-0:1.0.0(260115121000W)", "1-0:1.8.1(1*kWh)",
                "1-0:99.97.0(2)(0-0:96.7.19)(260101000000W)(0000000240*s)(260102000000W)(0000000301*s)",
            ]
            await bench.accept(try P1.telegram(lines))
            let registers = try #require(try await bench.readings("main").first?["registers"])
            let failures = registers.keys.filter { $0.hasPrefix("1-0:99.97.0*255") }
            #expect(failures.map { registers[$0]?["index"]?.int } == [0, 1, 3, 5])
            #expect(failures.map { registers[$0]?["value"]?.digits } == ["2", nil, "240", "301"])
            #expect(failures.last.map { registers[$0]?["time"]?.string } == "2026-01-02T00:00:00+01:00")
        }
    }

    @Test("a time that stands for itself is a value")
    func clock() async throws {
        try await withBench(P1.meter) { bench in
            await bench.accept(try P1.telegram(P1.house()))
            let registers = try #require(try await bench.readings("main").first?["registers"])
            #expect(registers["0-0:1.0.0*255"]?["value"]?.string?.hasPrefix("2026-01-15T12:35:00") == true)
        }
    }
}
