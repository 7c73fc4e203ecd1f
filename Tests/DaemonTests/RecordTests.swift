import Configuration
import Journal
import OBIS
import TestSupport
import Testing
import Transport

@testable import Daemon

/// `record: {every: …}`.
@Suite("Where not every reading is journaled", .timeLimit(.minutes(2)))
struct RecordTests {
    private static let meter: Meter = {
        var meter = P1.meter
        meter.recordsEvery = .seconds(10)
        return meter
    }()

    private static func house(_ second: Int) -> [String] {
        P1.house(second: second, energy: "000123.4\(second < 10 ? "0" : "")\(second)")
    }

    private func energies(_ bench: PipelineBench) async throws -> [String?] {
        try await bench.readings("main").map { $0["registers"]?["1-0:1.8.1*255"]?["value"]?.digits }
    }

    /// One telegram a second, from the begin of a window on.
    private func talk(_ seconds: Range<Int>, _ bench: PipelineBench, looksAtTime: Bool) async throws {
        for second in seconds {
            await bench.accept(try P1.telegram(Self.house(second)))
            if looksAtTime { await bench.pass(.seconds(1)) } else { bench.clock.pass(.seconds(1)) }
        }
    }

    private static let toWindow = Duration.milliseconds(3_880)

    @Test("the last of each window is, and everything feeds the state", arguments: [true, false])
    func windows(looksAtTime: Bool) async throws {
        try await withBench(Self.meter) { bench in
            bench.clock.pass(Self.toWindow)
            #expect(bench.clock.now.milliseconds % 10_000 == 0)
            try await talk(0..<25, bench, looksAtTime: looksAtTime)
            await bench.intake.main.journaled()
            #expect(try await energies(bench) == ["123.409", "123.419"])
            // Devices behind the meter tell of changes only.
            #expect(try await bench.readings("gas").count == 1)
            let state = try #require(try await bench.state("main"))
            #expect(state["registers"]?["1-0:1.8.1*255"]?["value"]?.digits == "123.424")
            #expect(state["seq"] == .null)
            #expect(await bench.intake.main.figures.telegrams == 25)
            await bench.intake.main.end()
            await bench.intake.main.journaled()
            #expect(try await energies(bench) == ["123.409", "123.419", "123.424"])
            #expect(try await bench.readings("main").map { $0["seq"]?.int } == [1, 2, 3])
        }
    }

    @Test("a meter that falls silent has its last reading when the window is over")
    func silence() async throws {
        try await withBench(Self.meter) { bench in
            bench.clock.pass(Self.toWindow)
            try await talk(0..<3, bench, looksAtTime: true)
            await bench.pass(.milliseconds(6_999))
            #expect(try await energies(bench) == [])
            await bench.pass(.milliseconds(1))
            await bench.intake.main.journaled()
            #expect(try await energies(bench) == ["123.402"])
        }
    }

    @Test("a recording is thinned by its own times, and its last reading is there")
    func replay() async throws {
        let begin: Int64 = 1_700_000_000_000
        let pieces = (0..<25).map { second in
            Capture.Piece(
                time: Timestamp(milliseconds: begin + Int64(second) * 1000), bytes: P1.bytes(Self.house(second)),
                isSent: false, endsBurst: true)
        }
        let replay = Replay(
            configuration: Configuration(node: "cellar", meters: [Self.meter]), meter: Self.meter,
            capture: Capture(pieces: pieces), speed: .full, clock: HandClock(), logger: quietLogger)
        let (outcome, payloads) = try await replay.rehearse()
        let readings = payloads.compactMap { ExactJSON(String(decoding: $0, as: UTF8.self)) }
            .filter { $0["meter"]?.string == "main" }
        #expect(outcome.readings == 25)
        #expect(readings.map { $0["captured_at"]?.string?.suffix(7) } == ["29.000Z", "39.000Z", "44.000Z"])
    }

    @Test("an exchange that the operator tells of is not undone by a reading that was held back")
    func replaced() async throws {
        try await withBench(Self.meter) { bench in
            await bench.accept(try P1.telegram(P1.house()))
            await bench.intake.main.replaced()
            await bench.intake.main.end()
            try await bench.restart()
            await bench.accept(try P1.telegram(P1.house(energy: "000000.001")))
            await bench.intake.main.end()
            let readings = try await bench.readings("main")
            #expect(readings.map { $0["epoch"]?.int } == [1, 2])
            #expect(readings.last?["quality"]?.string == "good")
        }
    }

    @Test("windows end with every jump of the clock, and no reading is held back twice")
    func jumps() {
        var thinning = Thinning(every: .seconds(10))
        func hold(_ time: Int64) -> Int64? {
            thinning.hold(
                ReadingDraft(meter: "main", capturedAt: Timestamp(milliseconds: time)) { _, _ in [] })?
                .capturedAt.milliseconds
        }
        func due(_ time: Int64) -> Int64? {
            thinning.due(at: Timestamp(milliseconds: time))?.capturedAt.milliseconds
        }
        #expect(due(0) == nil)
        #expect(hold(0) == nil)
        #expect(hold(9_999) == nil)
        #expect(due(9_999) == nil)
        #expect(hold(10_000) == 9_999)
        #expect(hold(5_000) == 10_000)
        #expect(hold(-1) == 5_000)
        #expect(due(-10_000) == nil)
        #expect(due(0) == -1)
        #expect(due(0) == nil)
        #expect(hold(.max) == nil)
        #expect(hold(.min) == .max)
        #expect(thinning.end()?.capturedAt.milliseconds == .min)
        #expect(thinning.end() == nil)
    }
}

/// `sync: {every: …}`.
@Suite("Where the journal gathers readings", .timeLimit(.minutes(2)))
struct GatheredTests {
    @Test("a meter is read and its state shown meanwhile, and closing keeps every reading in its order")
    func goesOn() async throws {
        let forever = JournalSettings(sync: .every(.seconds(86_400)))
        try await withBench(Meter(id: "main", protocolName: "dsmr-p1", endpoint: .file(path: "capture")), forever) {
            bench in
            for count in 100..<300 {
                await bench.accept(try P1.telegram(P1.house(energy: "000000.\(count)")))
            }
            #expect(try await bench.readings("main").isEmpty)
            let state = try #require(try await bench.state("main"))
            #expect(state["registers"]?["1-0:1.8.1*255"]?["value"]?.digits == "0.299" && state["seq"] == .null)
            try await bench.restart()
            let readings = try await bench.readings("main")
            #expect(
                readings.map { $0["registers"]?["1-0:1.8.1*255"]?["value"]?.digits }
                    == (100..<300).map { "0.\($0)" })
            #expect(readings.map { $0["seq"]?.int } == Array(1...200))
        }
    }

    @Test("as many as one transaction takes do not wait for the time")
    func enough() async throws {
        let forever = JournalSettings(sync: .every(.seconds(86_400)))
        try await withBench(Meter(id: "main", protocolName: "dsmr-p1", endpoint: .file(path: "capture")), forever) {
            bench in
            for _ in 0..<256 { await bench.accept(try P1.telegram(P1.house())) }
            #expect(try await bench.readings("main").count == 256)
        }
    }
}

@Suite("Readings that the journal refuses", .timeLimit(.minutes(2)))
struct RefusedByJournalTests {
    @Test("are told of as gaps, after what came before them and before what comes next", arguments: [false, true])
    func gap(isGathering: Bool) async throws {
        let settings = JournalSettings(sync: isGathering ? .every(.milliseconds(1)) : .full)
        let meter = Meter(id: "main", protocolName: "dsmr-p1", endpoint: .file(path: "capture"))
        try await withBench(meter, settings) { bench in
            let telegram = try P1.telegram(P1.house())
            var large = telegram
            var long = telegram.registers[1]
            long.value = .text(String(repeating: "x", count: 1 << 15))
            large.registers += Array(repeating: long, count: 32)
            for telegram in [telegram, large, large, large, telegram] {
                bench.clock.pass(.seconds(1))
                await bench.accept(telegram)
                await bench.intake.main.journaled()
            }
            let entries = try await bench.journal.entries(after: 0, limit: 100)
            #expect(entries.first?.reading?.seq == 1 && entries.last?.reading?.seq == 2)
            let gaps = entries.compactMap(\.gap)
            #expect(gaps.count == entries.count - 2 && gaps.map(\.count).reduce(0, +) == 3)
            #expect(gaps.allSatisfy { $0.fromSeq == nil && $0.reason == .journalUnavailable })
            let begin = try #require(entries.first?.reading?.capturedAt.milliseconds)
            #expect(gaps.first?.fromTime.milliseconds == begin + 1000)
            #expect(gaps.last?.toTime.milliseconds == begin + 3000)
            #expect(await bench.intake.main.figures.unjournaled == 3)
            #expect(await bench.intake.main.figures.journaled == 2)
            // The end comes before the next reading.
            bench.clock.pass(.seconds(1))
            await bench.accept(large)
            await bench.intake.main.journaled()
            await bench.intake.main.end()
            try await bench.restart()
            let last = try await bench.journal.entries(after: 0, limit: 100).last?.gap
            #expect(last?.count == 1 && last?.fromTime == bench.clock.now)
        }
    }
}
