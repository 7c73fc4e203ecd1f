import OBIS
import Rules
import Testing
import Wire

@testable import Daemon

@Suite("Names of the daemon")
struct NamesTests {
    @Test(
        "a host name becomes a node",
        arguments: [
            ("cellar", "cellar"), ("cellar.example.org", "cellar"), ("Heiz_Raum-2", "Heiz_Raum-2"),
            ("zähler", "z-hler"), ("a b+c#d/e", "a-b-c-d-e"), ("", "obisd"), (".local", "obisd"),
            ("١٢", "--"), ("x\u{0}y", "x-y"), (String(repeating: "a", count: 80), String(repeating: "a", count: 64)),
        ])
    func node(host: String, node: String) {
        #expect(NodeIdentity.sanitized(host) == node)
    }

    @Test("the client's name holds the node and a hash, and is the same each time")
    func client() throws {
        let name = NodeIdentity.clientID(configured: nil, node: "cellar")
        let pattern = try Regex("obisd-cellar-[0-9a-f]{8}")
        #expect(name.wholeMatch(of: pattern) != nil)
        #expect(NodeIdentity.clientID(configured: nil, node: "cellar") == name)
        #expect(NodeIdentity.clientID(configured: "mine", node: "cellar") == "mine")
    }
}

@Suite("The validation state in the journal")
struct ValidatorStorageTests {
    @Test("comes back as it was")
    func roundTrip() {
        var state = ValidatorState()
        state.devices = ["0-8:25.9.0*255": "LGZ0012345678"]
        state.counters[ObisCode(1, 1, 1, 8, 0)] = .init(value: FixedDecimal(123_450, exponent: -3), doubted: 11)
        state.counters[ObisCode(1, 0, 21, 8, 255)] = .init(value: FixedDecimal(.max, exponent: 0))
        state.counters[ObisCode(1, 0, 22, 8, 0)] = .init(value: FixedDecimal(-5, exponent: 3))
        state.invocationCounters = ["4c475a6772000001": .init(highest: .max)]
        #expect(ValidatorState(stored: state.stored) == state)
        #expect(ValidatorState(stored: ValidatorState().stored) == ValidatorState())
    }

    @Test("epochs, newcomers, totals and what a counter was doubted for come back too")
    func everything() {
        let arrival = Arrival(wall: Timestamp(milliseconds: 1_768_475_896_120))
        var state = ValidatorState()
        state.epoch = 3
        state.serial = "12345678"
        state.newcomers = ["": .init(id: "2", count: 4, since: arrival), "list": .init(id: "3")]
        state.counters[ObisCode(1, 0, 1, 8, 0)] = .init(
            value: 100, seen: arrival, before: arrival, doubted: 2, contender: FixedDecimal(55, exponent: -1))
        state.totals.entries[.activeImport] = .init(counter: 5, offset: FixedDecimal(1_234_567, exponent: -3))
        state.totals.entries[.volume] = .init(counter: 7, isExchanged: true)
        state.totals.registers[ObisCode(1, 1, 1, 8, 1)] = .init(counter: 9, offset: 8, isExchanged: true)
        #expect(ValidatorState(stored: state.stored) == state)
    }

    @Test("what an older version stored is still read")
    func older() throws {
        let text = """
            {"devices":{"":"1"},"counters":{"1-0:1.8.0*255":{"value":"100","below":11}},"invocationCounters":{}}
            """
        let state = try #require(ValidatorState(stored: Array(text.utf8)))
        #expect(state.epoch == 1 && state.totals.entries.isEmpty)
        #expect(state.counters == [ObisCode(1, 0, 1, 8, 0): .init(value: 100, doubted: 11)])
    }

    @Test("counts as large as can be stored are gone on from")
    func largestCounts() throws {
        let text = """
            {"epoch":9223372036854775807,"devices":{},"counters":{},"invocationCounters":
            {"4f424900":{"highest":10,"last":1,"below":9223372036854775807}}}
            """
        let state = try #require(ValidatorState(stored: Array(text.utf8)))
        var validator = Validator(state: state)
        let ciphering = Ciphering(
            systemTitle: [0x4F, 0x42, 0x49, 0], securityControl: 0x30, invocationCounter: 5, isAuthenticated: true)
        _ = validator.issues(of: Telegram(ciphering: ciphering), keys: [])
        validator.replaced()
        #expect(validator.state.epoch > 1)
        #expect(Backfill(stored: Array(#"{"epoch":9223372036854775807,"holes":[]}"#.utf8))?.epoch ?? .max < .max)
    }

    @Test("bytes that are no state are no state", arguments: ["", "{}", "[1]", "{\"counters\":7}", "\u{0}"])
    func damaged(text: String) {
        #expect(ValidatorState(stored: Array(text.utf8)) == nil)
    }

    @Test("fits the journal whatever a meter sends")
    func bounded() {
        var validator = Validator()
        var codes: [ObisCode] = []
        for index in 0..<Limits.registers {
            let (channel, quantity) = (UInt8(index / 2048), UInt8(1 + index / 256 % 8))
            codes.append(ObisCode(1, channel, quantity, 8, UInt8(index % 256)))
        }
        // Of all that is remembered of a counter: two values in a row, and one that contradicts them.
        let values: [Int64] = [.max - 2, .max - 1, 8_999_999_999_999_999_999]
        for (hour, value) in values.enumerated() {
            let telegram = Telegram(
                registers: codes.map { Register(obis: $0, value: .number(FixedDecimal(value)), unit: .wattHour) })
            let arrival = Arrival(wall: Timestamp(milliseconds: 1_768_475_896_120 + Int64(hour) * 3_600_000))
            _ = validator.issues(of: telegram, keys: codes.map { $0.description }, at: arrival)
        }
        #expect(validator.state.stored.count <= 65_536)
    }
}
