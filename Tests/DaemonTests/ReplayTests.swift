import Configuration
import Foundation
import Journal
import OBIS
import TestSupport
import Testing
import Transport

@testable import Daemon

@Suite("A replay", .timeLimit(.minutes(2)))
struct ReplayTests {
    private static let begin = Timestamp(milliseconds: 1_700_000_000_000)

    private static func piece(_ bytes: [UInt8], at seconds: Double, isSent: Bool = false, endsBurst: Bool = false)
        -> Capture.Piece
    {
        Capture.Piece(
            time: Timestamp(milliseconds: begin.milliseconds + Int64(seconds * 1000)), bytes: bytes, isSent: isSent,
            endsBurst: endsBurst)
    }

    private func rehearse(
        _ pieces: [Capture.Piece], _ meter: Meter = P1.meter, speed: Replay.Speed = .full
    ) async throws -> (outcome: Replay.Outcome, readings: [ExactJSON]) {
        var configuration = Configuration()
        configuration.node = "cellar"
        let replay = Replay(
            configuration: configuration, meter: meter, capture: Capture(pieces: pieces), speed: speed,
            clock: HandClock(), logger: quietLogger)
        let (outcome, payloads) = try await replay.rehearse()
        return (outcome, payloads.compactMap { ExactJSON(String(decoding: $0, as: UTF8.self)) })
    }

    // MARK: In the pipeline

    @Test("shows neither in the state nor in the availability")
    func silent() async throws {
        try await withBench(P1.meter) { bench in
            await bench.accept(try P1.telegram(P1.house()))
            let before = try await bench.retained.look()
            let replayed = await bench.replayed()
            bench.clock.pass(.seconds(5))
            await replayed.accept(
                try P1.telegram(P1.house(energy: "000999.999", gas: "00999.999")), capturedAt: Self.begin)
            for pipeline in replayed.pipelines { await pipeline.tick() }
            #expect(try await bench.retained.look() == before)
            #expect(before["gas/state"] != nil && before["main/availability"] == "online")
        }
    }

    @Test("of a meter that is not there leaves its topics empty")
    func topics() async throws {
        try await withBench(P1.meter) { bench in
            // What the live pipelines said when they were made.
            let before = try await bench.retained.look()
            #expect(before["main/availability"] == "offline" && before["main/state"] == nil)
            let replayed = await bench.replayed()
            await replayed.accept(try P1.telegram(P1.house()), capturedAt: Self.begin)
            #expect(try await bench.retained.look() == before)
        }
    }

    @Test("goes into the meter's own sequence, with its own source and the times of the capture")
    func sequence() async throws {
        try await withBench(P1.meter) { bench in
            await bench.accept(try P1.telegram(P1.house()))
            let replayed = await bench.replayed()
            await replayed.accept(try P1.telegram(P1.house(second: 1)), capturedAt: Self.begin)
            await bench.accept(try P1.telegram(P1.house(second: 2)))
            let main = try await bench.readings("main")
            #expect(main.map { $0["source"]?.string } == ["live", "replay", "live"])
            #expect(main.map { $0["seq"]?.int } == [1, 2, 3])
            #expect(main[1]["time"]?.string == "2023-11-14T22:13:20.000Z")
            #expect(main[1]["captured_at"] == main[1]["time"])
            // Of the clock of the host that captured it nothing is known.
            #expect(main.map { $0["clock"]?.string } == ["synced", "unsynced", "synced"])
            // The recording tells of the gas meter for the first time; live, nothing changed.
            #expect(try await bench.readings("gas").map { $0["source"]?.string } == ["live", "replay"])
        }
    }

    @Test("is not judged by what is live, and leaves nothing by which what is live is judged")
    func judgement() async throws {
        try await withBench(P1.meter) { bench in
            await bench.accept(try P1.telegram(P1.house(energy: "000500.000")))
            func stored() async throws -> [[UInt8]?] {
                var values: [[UInt8]?] = []
                for meter in ["main", "gas"] {
                    for key in [MeterPipeline.stateKey, MeterPipeline.fingerprintKey] {
                        values.append(try await bench.journal.value(forKey: key, meter: meter))
                    }
                }
                return values
            }
            let before = try await stored()
            #expect(before.count { $0 != nil } == 3)
            let replayed = await bench.replayed()
            // Old readings, and one of a counter that is far ahead.
            for (energy, gas) in [("000100.000", "00001.000"), ("000900.000", "00900.000")] {
                await replayed.accept(try P1.telegram(P1.house(energy: energy, gas: gas)), capturedAt: Self.begin)
            }
            #expect(try await stored() == before)
            await bench.accept(try P1.telegram(P1.house(second: 1, energy: "000500.001")))
            try await bench.restart()
            await bench.accept(try P1.telegram(P1.house(second: 2, energy: "000500.002")))
            let qualities = try await bench.readings("main").map { $0["quality"]?.string }
            #expect(qualities == ["good", "good", "good", "good", "good"])
            #expect(try await bench.readings("gas").count == 3)
        }
    }

    @Test("is judged in itself")
    func itself() async throws {
        let pieces = ["000100.000", "000099.000"].enumerated().map { index, energy in
            Self.piece(P1.bytes(P1.house(second: index, energy: energy)), at: Double(index))
        }
        let (outcome, readings) = try await rehearse(pieces)
        #expect(outcome.readings == 2)
        let main = readings.filter { $0["meter"]?.string == "main" }
        #expect(main.map { $0["quality"]?.string } == ["good", "error"])
        #expect(main.last?["issues"]?[0]?["code"]?.string == "counter-decreased")
    }

    // MARK: Of a capture

    @Test("takes what was received, and nothing of what was sent")
    func received() async throws {
        let telegram = P1.bytes(P1.house())
        let (outcome, readings) = try await rehearse([
            Self.piece(Array("/?!\r\n".utf8), at: 0, isSent: true), Self.piece(Array(telegram[..<40]), at: 0.1),
            Self.piece([0xFF, 0x2F], at: 0.15, isSent: true), Self.piece(Array(telegram[40...]), at: 0.2),
        ])
        var expected = Replay.Outcome()
        expected.readings = 1
        #expect(outcome == expected)
        #expect(readings.map { $0["meter"]?.string } == ["main", "gas"])
        #expect(readings.map { $0["seq"]?.int } == [1, 1])
        // When the last byte arrived.
        #expect(readings.map { $0["captured_at"]?.string } == Array(repeating: "2023-11-14T22:13:20.200Z", count: 2))
        #expect(readings.allSatisfy { $0["source"]?.string == "replay" && $0["node"]?.string == "cellar" })
    }

    @Test("takes a pause in the capture for silence, and counts what was no message")
    func pauses() async throws {
        let telegram = P1.bytes(P1.house())
        let (outcome, readings) = try await rehearse([
            Self.piece([0x55, 0x55, 0x55], at: 0), Self.piece(Array(telegram[..<40]), at: 10),
            // What is missing was lost.
            Self.piece(Array(telegram[60...]), at: 20), Self.piece(telegram, at: 30), Self.piece(telegram, at: 29),
        ])
        #expect(outcome.readings == 2 && outcome.rejected == ["truncated": 1])
        #expect(outcome.noise == 3 + telegram.count - 60)
        let main = readings.filter { $0["meter"]?.string == "main" }
        #expect(
            main.map { $0["captured_at"]?.string } == ["2023-11-14T22:13:50.000Z", "2023-11-14T22:13:49.000Z"])
    }

    @Test("lets a boundary end what ends with it")
    func boundaries() async throws {
        let meter = Meter(id: "push", protocolName: "dlms-push", endpoint: .file(path: "capture"))
        // A structure of a code and a value in a bare message, which has no end of its own.
        let message: [UInt8] = [
            0x0F, 0, 0, 0, 1, 0, 0x02, 0x02, 0x09, 0x06, 1, 0, 1, 8, 0, 0xFF, 0x06, 0x00, 0x12, 0xD6, 0x87,
        ]
        for (endsBurst, count) in [(true, 3), (false, 0)] {
            let pieces = (0..<3).map { Self.piece(message, at: 0.1 * Double($0), endsBurst: endsBurst) }
            let (outcome, readings) = try await rehearse(pieces, meter)
            #expect(outcome.readings == count && readings.count == count)
            #expect(
                readings.allSatisfy { $0["registers"]?["1-0:1.8.0*255"]?["value"]?.digits == "1234567" })
        }
    }

    @Test("passes at either speed with the same result")
    func speeds() async throws {
        let pieces = (0..<5).map { index in
            Self.piece(
                P1.bytes(P1.house(second: index, gas: "0010\(index / 2).000")), at: 0.02 * Double(index))
        }
        let full = try await rehearse(pieces)
        let real = try await rehearse(pieces, speed: .real)
        #expect(full.outcome == real.outcome && full.outcome.readings == 5)
        func content(_ readings: [ExactJSON]) -> [[ExactJSON?]] {
            readings.map { reading in reading.keys.filter { $0 != "stream" }.map { reading[$0] } }
        }
        #expect(content(full.readings) == content(real.readings) && full.readings.count == 8)
    }

    @Test("of nothing gives nothing")
    func empty() async throws {
        for pieces in [[], [Self.piece([], at: 0, endsBurst: true)], [Self.piece([1], at: 0, isSent: true)]] {
            let (outcome, readings) = try await rehearse(pieces)
            #expect(outcome == Replay.Outcome() && readings.isEmpty)
        }
    }
}
