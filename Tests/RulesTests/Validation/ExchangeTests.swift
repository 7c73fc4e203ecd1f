import OBIS
import Rules
import Testing

@Suite("Another meter in the place of one")
struct ExchangeTests {
    private static let doubt = ["error meter-changed -"]

    @Test("is doubted eleven times, then believed: a new epoch with counters of its own")
    func believed() {
        var bench = MeterBench()
        #expect(bench.read(energy: 1_000_000, id: "1").epoch == 1)
        for step in Int64(0)..<11 {
            bench.pass(.seconds(5))
            let reading = bench.read(energy: 10 + step, id: "2")
            #expect(reading.issues.map(\.summary) == Self.doubt && reading.epoch == 1, "\(step)")
            #expect(reading.values[.activeImport] == nil)
        }
        bench.pass(.seconds(5))
        let first = bench.read(energy: 21, id: "2")
        #expect(first.issues.map(\.summary) == ["warning meter-changed -"] && first.epoch == 2)
        #expect(first.values[.activeImport] == FixedDecimal("0.021"))
        #expect(bench.read(energy: 22, id: "2").issues.isEmpty)
        #expect(bench.read(energy: 20, id: "2").issues.map(\.code) == [.counterDecreased])
        #expect(bench.validator.state.devices == ["": "2"])
    }

    /// How far apart the telegrams are, and how many of them it takes.
    @Test(
        "is believed earlier where telegrams are rare",
        arguments: [(5, 12), (300, 12), (360, 11), (900, 5), (86_400, 3)])
    func rare(interval: Int64, count: Int) {
        var bench = MeterBench()
        _ = bench.read(energy: 1_000_000, id: "1")
        for number in 1...count {
            bench.pass(.seconds(interval))
            #expect(bench.read(energy: 5, id: "2").epoch == (number < count ? 1 : 2), "\(number)")
        }
    }

    @Test("is not forgotten in a restart")
    func restart() {
        var bench = MeterBench()
        _ = bench.read(energy: 1_000_000, id: "1")
        for _ in 0..<11 { #expect(bench.read(energy: 5, id: "2").epoch == 1) }
        bench.restart()
        #expect(bench.read(energy: 5, id: "2").epoch == 2)
        bench.restart()
        #expect(bench.read(energy: 6, id: "2").epoch == 2)
    }

    @Test("two meters that take turns are no exchange", arguments: [1, 2, 11])
    func alternating(run: Int) {
        var bench = MeterBench()
        _ = bench.read(energy: 1_000_000, id: "1")
        for round in 0..<20 {
            for _ in 0..<run { #expect(bench.read(energy: 5, id: "2").issues.map(\.summary) == Self.doubt) }
            #expect(bench.read(energy: 1_000_001 + Int64(round), id: "1").issues.isEmpty)
        }
        #expect(bench.validator.state.epoch == 1)
    }

    @Test("a meter that interjects costs one exchange at most, also when it was heard first")
    func interjecting() {
        var bench = MeterBench()
        _ = bench.read(energy: 5, id: "2")
        for round in Int64(0)..<200 {
            bench.pass(.seconds(5))
            _ = bench.read(energy: round % 60 == 59 ? 5 : 1_000_000 + round, id: round % 60 == 59 ? "2" : "1")
        }
        #expect(bench.validator.state.epoch == 2 && bench.validator.state.devices == ["": "1"])
    }

    @Test("one exchange is one epoch, though each list names the meter differently")
    func lists() {
        var bench = MeterBench()
        func read(_ list: String, _ id: String) -> Int {
            var message = telegram(register("1-0:32.7.0", "230", .volt), id: id)
            message.list = list
            return bench.read(message).epoch
        }
        #expect(read("fast", "LGZ1") == 1 && read("slow", "1909113") == 1)
        for _ in 0..<11 { #expect(read("fast", "LGZ2") == 1) }
        #expect(read("slow", "555") == 1)
        #expect(read("fast", "LGZ2") == 2)
        for _ in 0..<20 { #expect(read("slow", "555") == 2 && read("fast", "LGZ2") == 2) }
    }

    @Test("leading zeros are no other name")
    func zeros() {
        var bench = MeterBench()
        for id in ["0012345678", "12345678", "0012345678"] { #expect(bench.read(energy: 5, id: id).issues.isEmpty) }
    }

    @Test("with a configured number, another meter changes nothing, however often it answers")
    func configured() {
        var bench = MeterBench(Validator(serial: "1"))
        #expect(bench.read(energy: 100, id: "1").issues.isEmpty)
        let state = bench.validator.state
        for _ in 0..<50 {
            bench.pass(.seconds(900))
            #expect(bench.read(energy: 5, id: "2").issues.map(\.summary) == ["error wrong-serial -"])
        }
        #expect(bench.validator.state == state)
    }

    /// What was configured before and after, what answers after, and the epoch of that.
    @Test(
        "is believed at once where its number is configured since",
        arguments: [
            ("1", "2", "2", 2), (nil, "2", "2", 2), ("1", "1", "1", 1), (nil, "1", "1", 1), ("1", nil, "1", 1),
            ("1", "01", "1", 1),
        ] as [(String?, String?, String, Int)])
    func reconfigured(before: String?, after: String?, id: String, epoch: Int) {
        var bench = MeterBench(Validator(serial: before))
        _ = bench.read(energy: 100, id: "1")
        bench.restart { Validator(serial: after, state: $0) }
        let reading = bench.read(energy: 100, id: id)
        #expect(reading.epoch == epoch && reading.quality != .error)
    }

    @Test("a number that was configured before and is again is configured anew")
    func configuredAgain() {
        var bench = MeterBench(Validator(serial: "1"))
        _ = bench.read(energy: 100, id: "1")
        bench.restart { Validator(state: $0) }
        _ = bench.read(energy: 100, id: "1")
        bench.validator.replaced()
        #expect(bench.read(energy: 5, id: "2").epoch == 2)
        bench.restart { Validator(serial: "1", state: $0) }
        #expect(bench.read(energy: 100, id: "1").epoch == 3)
    }

    @Test("is told by the operator: at once, and even where meters say no name")
    func replaced() {
        var bench = MeterBench()
        _ = bench.read(energy: 1_000_000, id: nil)
        bench.validator.replaced()
        let reading = bench.read(energy: 5, id: nil)
        #expect(reading.epoch == 2 && reading.issues.isEmpty)
        #expect(bench.total(reading) == "1000.000")
    }
}

@Suite("Totals")
struct TotalsTests {
    @Test("stand still over an exchange and go on exactly, up or down", arguments: ["0.001", "50000.001"])
    func exchange(first: String) throws {
        var bench = MeterBench()
        func total(_ energy: String, _ id: String) -> String? {
            let reading = bench.read(telegram(register("1-0:1.8.0", energy, .kilowattHour), id: id))
            bench.pass(.seconds(86_400))
            return bench.total(reading)
        }
        #expect(total("15275.413", "1") == "15275.413")
        for _ in 0..<2 { #expect(total(first, "2") == nil) }
        #expect(total(first, "2") == "15275.413")
        let next = try #require(FixedDecimal(first)?.adding(FixedDecimal(250, exponent: -3)))
        #expect(total(next.description, "2") == "15275.663")
        bench.restart()
        #expect(total(next.description, "2") == "15275.663")
    }

    @Test("a field that another list carries is taken over when it comes")
    func lists() {
        var bench = MeterBench()
        _ = bench.read(telegram(register("1-0:1.8.0", "100", .kilowattHour), id: "1"))
        _ = bench.read(telegram(register("1-0:2.8.0", "40", .kilowattHour), id: "1"))
        bench.validator.replaced()
        let imported = bench.read(telegram(register("1-0:1.8.0", "7", .kilowattHour), id: "2"))
        let exported = bench.read(telegram(register("1-0:2.8.0", "900", .kilowattHour), id: "2"))
        #expect(bench.total(imported) == "100" && bench.total(exported, .activeExport) == "40")
    }

    @Test("a reset that is believed is no fall")
    func reset() {
        var bench = MeterBench()
        _ = bench.read(energy: 500_000)
        for _ in 0..<11 { #expect(bench.total(bench.read(energy: 3)) == nil) }
        #expect(bench.total(bench.read(energy: 3)) == "500.000")
        #expect(bench.total(bench.read(energy: 4)) == "500.001")
    }

    @Test("fewer digits are neither a reset nor a fall")
    func rounded() {
        var bench = MeterBench()
        for (energy, expected) in [("123.456", "123.456"), ("123.4", "123.456"), ("123.457", "123.457")] {
            let reading = bench.read(telegram(register("1-0:1.8.0", energy, .kilowattHour)))
            #expect(bench.total(reading) == expected)
        }
    }

    @Test("begin where the operator says, also when that changes")
    func starts() {
        func validator(_ start: FixedDecimal, _ state: ValidatorState = ValidatorState()) -> Validator {
            Validator(startOffsets: [.activeImport: start], state: state)
        }
        var bench = MeterBench(validator(1000))
        #expect(bench.total(bench.read(energy: 1234)) == "1001.234")
        bench.validator.replaced()
        #expect(bench.total(bench.read(energy: 7)) == "1001.234")
        bench.restart { validator(2000, $0) }
        #expect(bench.total(bench.read(energy: 8)) == "2001.235")
    }

    @Test("keep the digits of the counter while nothing happened")
    func digits() {
        var bench = MeterBench()
        for energy in ["1234.500", "1234.5", "1235"] {
            let reading = bench.read(telegram(register("1-0:1.8.0", energy, .kilowattHour)))
            #expect(bench.total(reading) == (energy == "1234.5" ? "1234.5" : energy))
        }
    }

    @Test("what does not fit is unknown, and nothing traps")
    func overflow() {
        var bench = MeterBench()
        for energy in ["9223372036854775807", "0.0000000000001", "9223372036854775807", "1"] {
            bench.validator.replaced()
            let reading = bench.read(telegram(register("1-0:1.8.0", energy, .kilowattHour)))
            _ = bench.total(reading)
        }
    }

    @Test("counters by tariff go on as well, in the unit of their register; the total itself is not counted twice")
    func tariffs() {
        var bench = MeterBench()
        func totals(_ kilowattHours: String, id: String) -> [String] {
            let telegram = telegram(
                register("1-0:1.8.0", "900", .wattHour), register("1-0:1.8.1", kilowattHours, .kilowattHour),
                id: id)
            let reading = bench.read(telegram)
            return bench.validator.state.totals.applied(to: reading.registers, keys: reading.registerKeys).map {
                "\($0.key) \($0.value?.description ?? "-") \($0.unit?.symbol ?? "-")"
            }
        }
        #expect(totals("100.50", id: "1") == ["1-0:1.8.1*255 100.50 kWh"])
        #expect(totals("101.50", id: "1") == ["1-0:1.8.1*255 101.50 kWh"])
        bench.validator.replaced()
        #expect(totals("7.25", id: "2") == ["1-0:1.8.1*255 101.50 kWh"])
        #expect(totals("8.00", id: "2") == ["1-0:1.8.1*255 102.25 kWh"])
        let unknown = Register(obis: ObisCode("1-0:1.8.1"), value: .unavailable)
        #expect(
            bench.validator.state.totals.applied(to: [unknown], keys: ["k"])
                == [RegisterTotal(key: "k", value: nil, unit: nil)])
    }
}
