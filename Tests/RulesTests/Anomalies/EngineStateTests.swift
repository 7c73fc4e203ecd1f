import OBIS
import Testing

@testable import Rules

@Suite("What an engine stores")
struct EngineStateTests {
    @Test(
        "garbage is refused",
        arguments: [
            "", "{", "[]", "null", "{\"version\":1", "{\"version\":2}", "{\"version\":1}x", "{\"version\":1,}",
            "{\"version\":1,\"a\":\"\\u00ff\"}", "{\"version\":1,\"a\":\"\\q\"}", "{\"version\":1,\"a\":\"open}",
            "{\"version\":99999999999999999999999999}", "{\"version\":1,\"a\":-}", "{\"version\":1,\"a\":1e5}",
            String(repeating: "[", count: 1000), "{\"version\":1,\"a\":" + String(repeating: "[", count: 20),
        ])
    func garbage(_ text: String) {
        #expect(EngineState(Array(text.utf8)) == nil)
    }

    @Test("too much is refused")
    func size() {
        let text = "{\"version\":1,\"a\":\"" + String(repeating: "x", count: 70_000) + "\"}"
        #expect(EngineState(Array(text.utf8)) == nil)
    }

    @Test("damaged bytes never trap, whatever they become")
    func damaged() throws {
        var dice = Dice(seed: 11)
        let bytes = try #require(Course.all.first { $0.type == "night_base_load" }?.openStage().engine.stored)
        for _ in 0..<400 {
            var copy = bytes
            for _ in 0..<Int.random(in: 1...4, using: &dice) {
                let place = Int.random(in: 0..<copy.count, using: &dice)
                let characters = Array("0123456789-.,:{}[]\"nul".utf8)
                copy[place] = characters[Int.random(in: 0..<characters.count, using: &dice)]
            }
            guard let state = EngineState(copy) else { continue }
            var engine = AnomalyEngine(meter: "main", state: state)
            let reading = Reading(
                device: MeterIdentity(), time: Timestamp(milliseconds: 1_768_500_000_000),
                capturedAt: Timestamp(milliseconds: 1_768_500_000_000), isClockSynchronized: true,
                values: Scene.calm.values)
            _ = engine.observe(reading, seq: 1, at: .seconds(1))
            _ = engine.tick(at: .seconds(20), wall: Timestamp(milliseconds: 1_768_500_020_000))
            _ = engine.stored
        }
    }

    @Test("an anomaly comes back with everything that was known of it")
    func whole() throws {
        var stage = Course.all.first { $0.type == "fuse" }?.openStage() ?? Stage()
        stage.ignore(try #require(stage.engine.open.first?.id), reason: "the \"sauna\"\nis on", until: stage.wall)
        let before = stage.engine.open
        #expect(before.first?.ignoredReason == "the \"sauna\"\nis on")
        stage.restart()
        #expect(stage.engine.open == before)
        // Nothing is lost where the process ends before its first event.
        let stored = stage.engine.stored
        stage.restart()
        #expect(stage.engine.stored == stored)
    }

    @Test("an anomaly whose rule was switched off is closed")
    func switchedOff() throws {
        let stage = try #require(Course.all.first { $0.type == "fuse" }?.openStage())
        var engine = AnomalyEngine(
            meter: "main", settings: RuleSettings(["fuse": .init(isEnabled: false)]), limits: Stage.limits,
            state: EngineState(stage.engine.stored))
        let changes = engine.tick(at: .seconds(5), wall: stage.wall)
        #expect(changes.map(\.summary) == ["resolved l1 medium"])
        #expect(engine.tick(at: .seconds(6), wall: stage.wall) == [])
        #expect(!engine.open.contains { $0.type == "fuse" })
    }

    @Test("even with everything open it stays below 64 KiB")
    func bounded() throws {
        let limits = InstallationLimits(contractedPower: 9000, fuse: 25, phases: 3, hasGenerator: true)
        var engine = AnomalyEngine(meter: "main", limits: limits)
        var bytes = engine.stored
        _ = engine.tick(at: .seconds(1), wall: Timestamp(milliseconds: 0))
        bytes = engine.stored
        // Each of at most fifty anomalies is bounded by its texts and a reason of 200 characters.
        let tracks = RuleRegistry.all.reduce(0) { $0 + ($1.isPerPhase ? 3 : 1) }
        #expect(bytes.count + tracks * 1200 + 672 * 8 < StoredValue.mostBytes)
    }

    @Test("ids are ULIDs: they sort by time, and rise within a millisecond")
    func ids() {
        var source = ULIDSource()
        let instant = Timestamp(milliseconds: 1_469_918_176_385)
        let ids = (0..<100).map { _ in source.next(at: instant) }
        #expect(ids.allSatisfy { $0.utf8.count == 26 && $0.hasPrefix("01ARYZ6S41") })
        #expect(ids == ids.sorted())
        #expect(Set(ids).count == 100)
        #expect(source.next(at: Timestamp(milliseconds: instant.milliseconds + 1)) > ids.last ?? "")
        var full = ULIDSource { .max }
        #expect(full.next(at: Timestamp(milliseconds: (1 << 48) - 1)) == "7" + String(repeating: "Z", count: 25))
    }

    @Test("a pause of three times the usual one is a gap")
    func cadence() {
        var cadence = Cadence()
        #expect(cadence.step(to: 0) == nil)
        #expect(cadence.step(to: 20_000) == 20_000)
        #expect(cadence.step(to: 80_000) == 60_000)
        #expect(cadence.step(to: 200_000) == nil)
        #expect(cadence.step(to: 150_000) == nil)
        var expected = Cadence(expected: 5000)
        _ = expected.step(to: 0)
        #expect(expected.step(to: 30_000) == 30_000)
        #expect(expected.step(to: 61_000) == nil)
    }
}
