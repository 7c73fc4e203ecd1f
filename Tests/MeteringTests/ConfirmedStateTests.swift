import Metering
import OBIS
import Testing

@Suite("The live state of a device that says the same again")
struct ConfirmedStateTests {
    private static let fallback = Duration.seconds(5)

    private func reading(_ registers: [String], at second: Int64, issues: [QualityIssue] = []) throws -> Reading {
        let time = Timestamp(milliseconds: second * 1000)
        return Reading(
            device: MeterIdentity(id: "1"), time: time, capturedAt: time, isClockSynchronized: true,
            registers: try registers.map(NamedMappingTests.register), issues: issues)
    }

    private func shown(_ state: LiveState, at second: Int64) -> [String] {
        guard let reading = state.reading(now: .seconds(second), fallback: Self.fallback) else { return [] }
        return zip(reading.registerKeys, reading.registers).map { key, register in
            "\(key.dropLast(4)) \(register.value.number?.description ?? "-")"
        }
    }

    @Test("stays true, but for what it does not say any more")
    func dropped() throws {
        var state = LiveState()
        state.merge(try reading(["0-1:24.2.1 7 m3", "0-1:24.3.1 9 m3"], at: 0), now: .seconds(0))
        state.merge(try reading(["0-1:24.2.1 8 m3"], at: 1), now: .seconds(1))
        for second in Int64(2)...60 { state.confirm(now: .seconds(second)) }
        #expect(shown(state, at: 60) == ["0-1:24.2.1 8", "0-1:24.3.1 -"])
        #expect(shown(state, at: 90) == ["0-1:24.2.1 -", "0-1:24.3.1 -"])
    }

    @Test("does not hold what another device said before it, whose readings are wrong as a whole")
    func wrongDevice() throws {
        var state = LiveState()
        state.merge(try reading(["0-1:24.2.1 7 m3"], at: 0), now: .seconds(0))
        let wrong = QualityIssue(register: nil, level: .error, code: .wrongSerial, text: "another one")
        #expect(!state.merge(try reading(["0-1:24.2.1 900 m3"], at: 1, issues: [wrong]), now: .seconds(1)))
        for second in Int64(2)...60 { state.confirm(now: .seconds(second)) }
        #expect(shown(state, at: 60) == ["0-1:24.2.1 -"])
    }
}
