import Metering
import OBIS
import Testing

@Suite("The live state")
struct LiveStateTests {
    private static let fallback = Duration.seconds(5)

    private func reading(
        _ registers: [String], at second: Int64, issues: [QualityIssue] = []
    ) throws -> Reading {
        let time = Timestamp(milliseconds: second * 1000)
        return Reading(
            device: MeterIdentity(id: "1"), time: time, capturedAt: time, isClockSynchronized: true,
            registers: try registers.map(NamedMappingTests.register), issues: issues)
    }

    /// `key value` of each register, `-` for an unknown one.
    private func shown(_ reading: Reading?) -> [String] {
        guard let reading else { return [] }
        return zip(reading.registerKeys, reading.registers).map { key, register in
            "\(key.dropLast(4)) \(register.value.number?.description ?? "-")"
        }
    }

    @Test("is nothing before the first reading")
    func empty() {
        #expect(LiveState().reading(now: .zero, fallback: Self.fallback) == nil)
    }

    @Test("merges the lists that a meter sends in turn, in the order of their first sight")
    func merging() throws {
        var state = LiveState()
        state.merge(try reading(["1-0:1.7.0 100 W", "1-0:32.7.0 230 V"], at: 0), now: .seconds(0))
        state.merge(try reading(["1-1:1.8.0 1000 Wh", "1-0:1.7.0 110 W"], at: 5), now: .seconds(5))
        let merged = state.reading(now: .seconds(5), fallback: Self.fallback)
        #expect(shown(merged) == ["1-0:1.7.0 110", "1-0:32.7.0 230", "1-1:1.8.0 1000"])
        #expect(merged.map { named($0.values) } == ["active_import 1.000", "active 110", "l1 230"])
        #expect(merged?.capturedAt == Timestamp(milliseconds: 5000))
    }

    @Test("forgets a register after three of its usual intervals, and only that one")
    func stale() throws {
        var state = LiveState()
        // Voltage every second, energy every ten.
        for second in Int64(0)...20 {
            let registers = ["1-0:32.7.0 \(200 + second) V"] + (second % 10 == 0 ? ["1-1:1.8.0 \(second) Wh"] : [])
            state.merge(try reading(registers, at: second), now: .seconds(second))
        }
        func at(_ milliseconds: Int) -> [String] {
            shown(state.reading(now: .milliseconds(milliseconds), fallback: Self.fallback))
        }
        #expect(at(23_000) == ["1-0:32.7.0 220", "1-1:1.8.0 20"])
        #expect(at(23_001) == ["1-0:32.7.0 -", "1-1:1.8.0 20"])
        #expect(at(50_000) == ["1-0:32.7.0 -", "1-1:1.8.0 20"])
        #expect(at(50_001) == ["1-0:32.7.0 -", "1-1:1.8.0 -"])
        #expect(state.staleCount(now: .seconds(23), fallback: Self.fallback) == 0)
        #expect(state.staleCount(now: .seconds(24), fallback: Self.fallback) == 1)
        #expect(state.staleCount(now: .seconds(60), fallback: Self.fallback) == 2)
        // What is unknown has no named value either, and comes back with the next reading.
        let unknown = state.reading(now: .seconds(60), fallback: Self.fallback)
        #expect(unknown.map { $0.values } == NamedValues())
        state.merge(try reading(["1-0:32.7.0 231 V"], at: 61), now: .seconds(61))
        #expect(at(61_000) == ["1-0:32.7.0 231", "1-1:1.8.0 -"])
    }

    @Test("expects a register that was seen once after the interval of the meter")
    func once() throws {
        var state = LiveState()
        state.merge(try reading(["1-0:32.7.0 230 V"], at: 0), now: .zero)
        #expect(shown(state.reading(now: .seconds(15), fallback: Self.fallback)) == ["1-0:32.7.0 230"])
        #expect(shown(state.reading(now: .seconds(16), fallback: Self.fallback)) == ["1-0:32.7.0 -"])
        #expect(shown(state.reading(now: .seconds(16), fallback: .seconds(900))) == ["1-0:32.7.0 230"])
    }

    @Test("has the patience of three seconds with a meter that sends faster")
    func fast() throws {
        var state = LiveState()
        for tick in Int64(0)...10 {
            state.merge(try reading(["1-0:32.7.0 230 V"], at: tick), now: .milliseconds(100 * tick))
        }
        #expect(state.staleCount(now: .seconds(4), fallback: Self.fallback) == 0)
        #expect(state.staleCount(now: .milliseconds(4001), fallback: Self.fallback) == 1)
    }

    @Test("a meter that says that nothing has changed keeps every register alive, and no longer than its interval says")
    func confirmed() throws {
        var state = LiveState()
        state.merge(try reading(["0-1:24.2.1 1 m3"], at: 0), now: .zero)
        for second in 1...100 { state.confirm(now: .seconds(second)) }
        #expect(shown(state.reading(now: .seconds(115), fallback: Self.fallback)) == ["0-1:24.2.1 1"])
        #expect(state.staleCount(now: .seconds(115), fallback: Self.fallback) == 0)
        #expect(state.staleCount(now: .seconds(116), fallback: Self.fallback) == 1)
        // What was unknown is known again: it was said again.
        state.confirm(now: .seconds(200))
        #expect(shown(state.reading(now: .seconds(200), fallback: Self.fallback)) == ["0-1:24.2.1 1"])
        // A confirmation is no new reading.
        #expect(state.reading(now: .seconds(200), fallback: Self.fallback)?.capturedAt == Timestamp(milliseconds: 0))
    }

    @Test("there is nothing to confirm before the first reading")
    func confirmedNothing() {
        var state = LiveState()
        state.confirm(now: .seconds(1))
        #expect(state.reading(now: .seconds(1), fallback: Self.fallback) == nil)
        #expect(state.staleCount(now: .seconds(1000), fallback: Self.fallback) == 0)
    }

    @Test("never goes back: each merge shows the newest value and the newest time")
    func forwards() throws {
        var state = LiveState()
        var last = Timestamp(milliseconds: .min)
        for second in Int64(0)..<50 {
            let registers = second % 2 == 0 ? ["1-1:1.8.0 \(second) Wh"] : ["1-0:32.7.0 \(second) V"]
            state.merge(try reading(registers, at: second), now: .seconds(second))
            let merged = try #require(state.reading(now: .seconds(second), fallback: Self.fallback))
            #expect(merged.capturedAt > last)
            last = merged.capturedAt
            #expect(merged.registers.contains { $0.value.number == FixedDecimal(second) })
        }
    }

    @Test("keeps the last good value of a register whose newest one is an error")
    func errors() throws {
        var state = LiveState()
        state.merge(try reading(["1-0:32.7.0 230 V", "1-0:52.7.0 231 V"], at: 0), now: .seconds(0))
        let issue = QualityIssue(register: "1-0:32.7.0*255", level: .error, code: .implausible, text: "")
        state.merge(
            try reading(["1-0:32.7.0 2300 V", "1-0:52.7.0 232 V"], at: 1, issues: [issue]), now: .seconds(1))
        #expect(
            shown(state.reading(now: .seconds(1), fallback: Self.fallback)) == ["1-0:32.7.0 230", "1-0:52.7.0 232"])
        // The bad value did not renew the good one.
        #expect(state.staleCount(now: .seconds(16), fallback: Self.fallback) == 2)
    }

    @Test("takes over values with a warning, and nothing of a reading that is an error as a whole")
    func wholeReading() throws {
        var state = LiveState()
        let doubtful = QualityIssue(register: nil, level: .warning, code: .clockDoubtful, text: "")
        state.merge(try reading(["1-0:32.7.0 230 V"], at: 0, issues: [doubtful]), now: .seconds(0))
        let wrong = QualityIssue(register: nil, level: .error, code: .wrongSerial, text: "")
        state.merge(try reading(["1-0:32.7.0 111 V", "1-0:52.7.0 1 V"], at: 1, issues: [wrong]), now: .seconds(1))
        let merged = state.reading(now: .seconds(1), fallback: Self.fallback)
        #expect(shown(merged) == ["1-0:32.7.0 230"])
        #expect(merged?.capturedAt == Timestamp(milliseconds: 0))
    }
}
