import OBIS
import Rules
import Testing

@Suite("A counter that jumps ahead")
struct CounterJumpTests {
    /// 3 × 25 A × 230 V are 17.25 kW; three times that is believed of a power, with a fifth more 62.1 kW of a counter:
    /// 17.25 Wh a second.
    private static let limits = InstallationLimits(fuse: 25)

    private static func bench(_ limits: InstallationLimits = limits) -> MeterBench {
        MeterBench(Validator(limits: limits))
    }

    /// Two readings, so that it is known when the counter rose last.
    private static func settled(_ limits: InstallationLimits = limits) -> MeterBench {
        var bench = bench(limits)
        _ = bench.read(energy: 1_000_000)
        bench.pass(.seconds(5))
        _ = bench.read(energy: 1_000_010)
        bench.pass(.seconds(5))
        return bench
    }

    /// After ten seconds since the value before and the minute of slack: 1207.5 Wh and one digit.
    @Test(
        "is an error beyond what the installation allows",
        arguments: [(1208, true), (1209, false), (1_000_000, false)])
    func limit(rise: Int64, isGood: Bool) {
        var bench = Self.settled()
        let reading = bench.read(energy: 1_000_010 + rise)
        #expect(reading.issues.map(\.summary) == (isGood ? [] : ["error counter-jump 1-0:1.8.0*255"]))
        #expect((reading.values[.activeImport] == nil) == !isGood)
        // What was damaged once changes nothing.
        #expect(bench.read(energy: 1_000_012).issues.isEmpty == !isGood)
    }

    @Test(
        "is judged by 1 MW where nothing is stated: 23 333 Wh and one digit",
        arguments: [(23_334, true), (23_335, false)])
    func unstated(rise: Int64, isGood: Bool) {
        var bench = Self.settled(InstallationLimits())
        #expect(bench.read(energy: 1_000_010 + rise).issues.isEmpty == isGood)
    }

    @Test("an overload is none: a contract that is exceeded must not cost the counter")
    func overload() {
        var bench = Self.bench(InstallationLimits(contractedPower: 9000))
        var energy: Int64 = 1_000_000
        for _ in 0..<100 {
            // 18 kW.
            #expect(bench.read(energy: energy).issues.isEmpty)
            energy += 25
            bench.pass(.seconds(5))
        }
    }

    @Test("a counter that is renewed every quarter of an hour is none", arguments: [5, 60])
    func renewed(interval: Int64) {
        var bench = Self.bench()
        // The daemon starts a few seconds before the next renewal.
        for step in 0..<600 {
            let quarters = (880 + Int64(step) * interval) / 900
            let reading = bench.read(energy: 1_000_000 + quarters * 4000)
            #expect(reading.issues.isEmpty, "\(step)")
            bench.pass(.seconds(interval))
        }
    }

    @Test("telegrams that a line held up and that arrive together are none")
    func burst() {
        var bench = Self.bench()
        for step in Int64(0)..<60 {
            // 15 kW, 20 telegrams at once.
            #expect(bench.read(energy: 1_000_000 + step * 21).issues.isEmpty, "\(step)")
            if step % 20 == 0 { bench.pass(.seconds(100)) }
        }
    }

    @Test("is believed after twelve readings that go on from there")
    func believed() {
        var bench = Self.settled()
        for step in Int64(0)..<11 {
            #expect(bench.read(energy: 5_000_000 + step).issues.map(\.code) == [.counterJump], "\(step)")
            bench.pass(.seconds(5))
        }
        #expect(bench.read(energy: 5_000_011).issues.isEmpty)
        bench.pass(.seconds(5))
        #expect(bench.read(energy: 5_000_012).issues.isEmpty)
    }

    @Test("damaged values that do not agree are never believed")
    func scattered() {
        var bench = Self.settled()
        for step in Int64(0)..<50 {
            #expect(bench.read(energy: step.isMultiple(of: 2) ? 90_000_000 + step : 2_000_000).issues.count == 1)
        }
        #expect(bench.read(energy: 1_000_012).issues.isEmpty)
    }

    @Test("after a restart the wall clock tells how long ago, where it is synchronised", arguments: [true, false])
    func restart(isSynchronized: Bool) {
        var bench = Self.settled()
        bench.restart { Validator(limits: Self.limits, state: $0) }
        // A day at 10 kW is possible, a day at 100 kW is not.
        bench.pass(.seconds(86_400))
        if !isSynchronized { bench.wall = nil }
        let state = bench
        #expect(bench.read(energy: 1_240_000).issues.isEmpty)
        bench = state
        #expect(bench.read(energy: 3_400_000).issues.map(\.code) == (isSynchronized ? [.counterJump] : []))
    }

    @Test("nothing is judged without a clock, nor of what nobody has stated a limit for")
    func unjudged() {
        var bench = Self.bench()
        (bench.monotonic, bench.wall) = (nil, nil)
        for energy in [Int64(1), 2, 1_000_000_000] { #expect(bench.read(energy: energy).issues.isEmpty) }
        bench = Self.bench()
        for volume in ["1.000", "2.000", "90000.000"] {
            #expect(bench.codes(telegram(register("7-0:3.0.0", volume, .cubicMetre))) == [])
        }
        for energy in ["1", "2", "90000000"] {
            #expect(bench.codes(telegram(register("1-0:1.8.0", energy, nil))) == [])
        }
    }

    @Test("a list with fewer digits neither falls nor hides a fall")
    func rounded() {
        var bench = Self.bench()
        func codes(_ energy: String) -> [QualityIssue.Code] {
            bench.codes(telegram(register("1-0:1.8.0", energy, .kilowattHour)))
        }
        let course: [(String, [QualityIssue.Code])] = [
            ("123.456", []), ("123.4", []), ("123.456", []), ("123.455", [.counterDecreased]),
            ("123.3", [.counterDecreased]), ("123", []),
        ]
        for (energy, expected) in course { #expect(codes(energy) == expected, "\(energy)") }
    }
}

@Suite("A counter at the end of its digits")
struct RollOverTests {
    /// Before and after, in what unit, and what it is.
    static let courses: [(before: String, after: String, unit: Unit, code: QualityIssue.Code)] = [
        ("99999.9", "0.3", .kilowattHour, .counterRollover),
        ("999999.99", "0.00", .kilowattHour, .counterRollover),
        ("99999999", "12", .wattHour, .counterRollover),
        // 32 bits of Wh, and of tenths of them.
        ("4294967290", "3", .wattHour, .counterRollover),
        ("429496729.5", "0.2", .wattHour, .counterRollover),
        // Into the middle, from the middle, and of digits that no meter has.
        ("99999.9", "5000.0", .kilowattHour, .counterDecreased),
        ("54321.0", "0.3", .kilowattHour, .counterDecreased),
        ("999.9", "0.3", .kilowattHour, .counterDecreased),
        ("999999", "3", .wattHour, .counterDecreased),
        ("99999.9", "-1", .kilowattHour, .counterDecreased),
        ("4294967290", "60000000", .wattHour, .counterDecreased),
    ]

    @Test("begins again at zero, which is a warning; any other fall is an error", arguments: courses.indices)
    func recognised(index: Int) {
        let course = Self.courses[index]
        var bench = MeterBench()
        #expect(bench.codes(telegram(register("1-0:1.8.0", course.before, course.unit))) == [])
        bench.pass(.seconds(5))
        let reading = bench.read(telegram(register("1-0:1.8.0", course.after, course.unit)))
        #expect(reading.issues.map(\.code) == [course.code])
        #expect(reading.quality == (course.code == .counterRollover ? .warning : .error))
    }

    @Test("volumes too", arguments: [("99999.998", "0.004"), ("9999.998", "0.004")])
    func volumes(before: String, after: String) {
        var bench = MeterBench()
        let first = bench.read(telegram(register("7-0:3.0.0", before, .cubicMetre)))
        #expect(bench.total(first, .volume) == before)
        let second = bench.read(telegram(register("7-0:3.0.0", after, .cubicMetre)))
        #expect(second.issues.map(\.code) == [.counterRollover])
        #expect(bench.total(second, .volume) == (before.count == 9 ? "100000.004" : "10000.004"))
    }

    @Test("a fall that the elapsed time does not explain is none")
    func tooFast() {
        var bench = MeterBench(Validator(limits: InstallationLimits(fuse: 25)))
        for energy in [Int64(99_989_990), 99_990_000, 5] {
            let expected: [QualityIssue.Code] = energy == 5 ? [.counterDecreased] : []
            #expect(bench.read(energy: energy).issues.map(\.code) == expected)
            bench.pass(.seconds(5))
        }
    }

    @Test("the total goes on without a step, exactly")
    func total() {
        var bench = MeterBench()
        let course = [("99999.98", "99999.98"), ("0.02", "100000.02"), ("1.50", "100001.50")]
        for (energy, expected) in course {
            let reading = bench.read(telegram(register("1-0:1.8.0", energy, .kilowattHour)))
            #expect(bench.total(reading) == expected)
            bench.pass(.seconds(5))
        }
        bench.restart()
        let reading = bench.read(telegram(register("1-0:1.8.0", "1.51", .kilowattHour)))
        #expect(bench.total(reading) == "100001.51")
    }
}
