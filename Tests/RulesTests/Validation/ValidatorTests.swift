import OBIS
import Testing

@testable import Rules

@Suite("Judging a telegram")
struct ValidatorTests {
    @Test("one bad value spares the others")
    func others() {
        var validator = Validator()
        let mixed = telegram(
            register("1-0:32.7.0", "2310", .volt), register("1-0:52.7.0", "229", .volt),
            register("1-1:1.8.0", "1234567", .wattHour))
        #expect(validator.issues(of: mixed).map(\.summary) == ["error implausible 1-0:32.7.0*255"])
        // The good counter was remembered, although a voltage was bad.
        #expect(validator.state.counters == [ObisCode(1, 1, 1, 8, 0): .init(value: 1_234_567)])
    }

    @Test("a register that comes twice is judged under its own key")
    func repeated() {
        var validator = Validator()
        let twice = telegram(register("1-0:32.7.0", "230", .volt), register("1-0:32.7.0", "2310", .volt))
        #expect(validator.issues(of: twice).map(\.summary) == ["error implausible 1-0:32.7.0*255#2"])
    }

    @Test("a number beyond 64 bits is a warning")
    func wide() {
        var validator = Validator()
        let digits = Register(obis: ObisCode("1-0:1.8.0"), value: .wide("99999999999999999999"), unit: .wattHour)
        #expect(validator.issues(of: telegram(digits)).map(\.summary) == ["warning wide 1-0:1.8.0*255"])
    }

    @Test("what the meter says not to have is no issue, text neither")
    func unavailable() {
        var validator = Validator()
        let nothing = Register(obis: ObisCode("1-0:32.7.0"), value: .unavailable, unit: .volt)
        let text = Register(obis: ObisCode("1-0:1.8.0"), value: .text("tampered"))
        #expect(validator.issues(of: telegram(nothing, text)).isEmpty)
    }

    @Test("oddities of the telegram and a doubtful clock are warnings about the whole reading")
    func whole() {
        var validator = Validator()
        let time = MeterTime(year: 2026, month: 1, day: 15, hour: 12, minute: 0, second: 0, isDoubtful: true)
        var odd = telegram(register("1-0:32.7.0", "230", .volt), time: time)
        odd.warnings = ["the list has no end"]
        #expect(validator.issues(of: odd).map(\.summary) == ["warning telegram -", "warning clock-doubtful -"])
        #expect(validator.issues(of: odd).first?.text == "the list has no end")
    }
}

@Suite("Counters")
struct CounterTests {
    @Test("never go backwards: less is an error, the same and more are not")
    func backwards() {
        var validator = Validator()
        let course: [(Int64, QualityIssue.Code?)] = [
            (1000, nil), (1000, nil), (1001, nil), (1000, .counterDecreased), (0, .counterDecreased), (1001, nil),
            (2000, nil), (1999, .counterDecreased), (2001, nil),
        ]
        for (value, expected) in course { #expect(validator.judge(counter: value) == expected, "\(value)") }
    }

    @Test("twelve readings in a row below the last are a new counter")
    func believed() {
        var validator = Validator()
        #expect(validator.judge(counter: 1_000_000) == nil)
        for value in Int64(5)..<16 { #expect(validator.judge(counter: value) == .counterDecreased, "\(value)") }
        #expect(validator.judge(counter: 16) == nil)
        #expect(validator.judge(counter: 15) == .counterDecreased)
        #expect(validator.judge(counter: 17) == nil)
    }

    @Test("a good reading between lower ones starts the count anew")
    func interrupted() {
        var validator = Validator()
        #expect(validator.judge(counter: 100) == nil)
        for _ in 0..<3 {
            for value in Int64(1)..<12 { #expect(validator.judge(counter: value) == .counterDecreased) }
            #expect(validator.judge(counter: 100) == nil)
        }
    }

    @Test("a lower counter spares the others")
    func others() {
        var validator = Validator()
        func both(_ imported: String, _ exported: String) -> Telegram {
            telegram(register("1-1:1.8.0", imported, .wattHour), register("1-1:2.8.0", exported, .wattHour))
        }
        #expect(validator.issues(of: both("100", "50")).isEmpty)
        #expect(validator.issues(of: both("90", "60")).map(\.summary) == ["error counter-decreased 1-1:1.8.0*255"])
        #expect(validator.issues(of: both("101", "59")).map(\.summary) == ["error counter-decreased 1-1:2.8.0*255"])
    }

    @Test("a decimal counter is compared by its value, not by its digits")
    func decimals() {
        var validator = Validator()
        for value in ["123.450", "123.45", "123.4500", "124", "124.000"] {
            #expect(validator.issues(of: telegram(register("1-0:1.8.0", value, .kilowattHour))).isEmpty, "\(value)")
        }
        #expect(!validator.issues(of: telegram(register("1-0:1.8.0", "123.999", .kilowattHour))).isEmpty)
    }

    /// What rises for ever and what does not.
    static let falling: [(code: String, isCounter: Bool)] = [
        ("1-0:1.8.0*255", true), ("1-1:2.8.0*255", true), ("1-0:1.8.1*255", true), ("1-0:5.8.0*255", true),
        ("1-0:21.8.0*255", true), ("1-0:62.8.0*255", true), ("1-0:9.8.0*255", true),
        // Sum of import less export, last month, power, maximum, another medium.
        ("1-0:16.8.0*255", false), ("1-0:1.8.0*12", false), ("1-0:1.7.0*255", false), ("1-0:1.6.0*255", false),
        ("7-0:3.8.0*255", false), ("0-0:96.7.21*255", false),
    ]

    @Test("only energies of the current period are counters", arguments: falling.indices)
    func kinds(index: Int) {
        let (code, isCounter) = Self.falling[index]
        var validator = Validator()
        #expect(validator.issues(of: telegram(register(code, "100", .wattHour))).isEmpty)
        let second = validator.issues(of: telegram(register(code, "99", .wattHour)))
        #expect(second.map(\.code) == (isCounter ? [.counterDecreased] : []), "\(code)")
    }

    @Test(
        "of what a device behind a meter tells, its unit says what is a counter",
        arguments: [
            ("0-1:24.2.1", Unit.cubicMetre, true), ("0-1:24.2.3", .cubicMetre, true), ("0-1:24.2.1", .gigajoule, true),
            ("0-1:24.2.1", .kilowattHour, true), ("0-1:24.2.2", .cubicMetrePerHour, false),
            ("0-1:24.2.3", .degreeCelsius, false), ("0-1:24.2.1", nil, true), ("0-1:24.2.4", nil, false),
        ] as [(String, Unit?, Bool)])
    func behind(code: String, unit: Unit?, isCounter: Bool) {
        var validator = Validator()
        func told(_ value: Int64) -> Telegram {
            telegram(Register(obis: ObisCode(code), value: .number(FixedDecimal(value, exponent: -1)), unit: unit))
        }
        #expect(validator.issues(of: told(700)).isEmpty)
        #expect(validator.issues(of: told(695)).map(\.code) == (isCounter ? [.counterDecreased] : []))
    }

    @Test("a value that cannot be is never the new level of a counter")
    func error() {
        var validator = Validator()
        #expect(validator.judge(counter: 100) == nil)
        #expect(validator.judge(counter: 99) == .counterDecreased)
        #expect(validator.state.counters[ObisCode(1, 1, 1, 8, 0)]?.value == 100)
    }

    @Test("what was known before a restart still holds")
    func restart() {
        var before = Validator()
        #expect(before.judge(counter: 100) == nil)
        for _ in 0..<11 { #expect(before.judge(counter: 5) == .counterDecreased) }
        var after = Validator(state: before.state)
        #expect(after.judge(counter: 5) == nil)
    }
}

@Suite("Whose telegram it is")
struct IdentityTests {
    @Test("a telegram without a name belongs to the meter of before")
    func nameless() {
        var validator = Validator()
        #expect(validator.judge(counter: 100, id: "1") == nil)
        #expect(validator.judge(counter: 99, id: nil) == .counterDecreased)
        #expect(validator.judge(counter: 101, id: "1") == nil)
    }

    /// The configured number, what the meter says, and whether that is the same one.
    static let serials: [(configured: String, id: String?, register: Register?, isSame: Bool)] = [
        ("12345678", "12345678", nil, true),
        ("12345678", "0012345678", nil, true),
        ("0012345678", "12345678", nil, true),
        ("12345678", "LGZ0012345678", register("0-0:96.1.1", "12345678", nil), true),
        ("12345678", "LGZ0012345678", register("0-0:96.1.0", "87654321", nil), false),
        ("12345678", "87654321", nil, false),
        ("12345678", "1234567", nil, false),
        // Nothing contradicts a meter that says no name.
        ("12345678", nil, nil, true),
    ]

    @Test("the configured serial number holds against any of the meter's names", arguments: serials.indices)
    func serial(index: Int) {
        let (configured, id, name, isSame) = Self.serials[index]
        var validator = Validator(serial: configured)
        var message = telegram(register("1-1:1.8.0", "100", .wattHour), id: id)
        if let name { message.registers.append(name) }
        let issues = validator.issues(of: message)
        #expect(issues.map(\.summary) == (isSame ? [] : ["error wrong-serial -"]))
        #expect(isSame || issues[0].text.contains(configured))
    }

    @Test("a wrong meter leaves no trace in what is known of the right one")
    func noTrace() {
        var validator = Validator(serial: "1")
        #expect(validator.judge(counter: 100, id: "1") == nil)
        let state = validator.state
        for value in [Int64(5), 1_000_000] {
            #expect(validator.judge(counter: value, id: "2") == nil)
            #expect(validator.state == state)
        }
        #expect(validator.judge(counter: 99, id: "1") == .counterDecreased)
    }
}

@Suite("The message counter of ciphering")
struct InvocationCounterTests {
    private func ciphered(_ counter: UInt32, title: UInt8 = 1) -> Telegram {
        var message = telegram(register("1-0:32.7.0", "230", .volt))
        message.ciphering = Ciphering(
            systemTitle: [0x4C, 0x47, 0x5A, 0, 0, 0, 0, title], securityControl: 0x30, invocationCounter: counter,
            isAuthenticated: true)
        return message
    }

    @Test("rising is good, repeated and falling are warnings, and the values stay good")
    func rising() {
        var validator = Validator()
        let course: [(UInt32, isGood: Bool)] = [
            (0, true), (1, true), (100, true), (100, false), (99, false), (101, true), (UInt32.max, true),
        ]
        for (counter, isGood) in course {
            let issues = validator.issues(of: ciphered(counter))
            let told = issues.filter { $0.code != .duplicate }.map(\.summary)
            #expect(told == (isGood ? [] : ["warning invocation-counter -"]), "\(counter)")
        }
    }

    @Test("lists of one meter that name it differently keep its counters")
    func lists() {
        var validator = Validator()
        func telegram(_ list: String, _ id: String, _ energy: Int64) -> Telegram {
            Telegram(
                meter: MeterIdentity(id: id),
                registers: [
                    Register(obis: ObisCode(1, 0, 1, 8, 0), value: .number(FixedDecimal(energy)), unit: .wattHour)
                ], list: list)
        }
        func codes(_ telegram: Telegram) -> [QualityIssue.Code] {
            validator.issues(of: telegram, keys: ["energy"]).map(\.code)
        }
        #expect(codes(telegram("five seconds", "LGZ1", 100)) == [])
        #expect(codes(telegram("quarter hour", "1909113", 101)) == [])
        #expect(codes(telegram("five seconds", "LGZ1", 99)) == [.counterDecreased])
        #expect(codes(telegram("five seconds", "LGZ2", 5)) == [.meterChanged])
    }

    @Test("a counter in another unit is the same counter")
    func counterUnits() {
        var validator = Validator()
        func codes(_ energy: FixedDecimal, _ unit: Unit) -> [QualityIssue.Code] {
            let register = Register(obis: ObisCode(1, 0, 1, 8, 0), value: .number(energy), unit: unit)
            return validator.issues(of: Telegram(registers: [register]), keys: ["energy"]).map(\.code)
        }
        #expect(codes(FixedDecimal(1_234_567), .wattHour) == [])
        #expect(codes(FixedDecimal(1_234_568, exponent: -3), .kilowattHour) == [])
        #expect(codes(FixedDecimal(1_234_567, exponent: -3), .kilowattHour) == [.counterDecreased])
    }

    @Test("each sender has a counter of its own")
    func senders() {
        var validator = Validator()
        #expect(validator.issues(of: ciphered(100, title: 1)).isEmpty)
        #expect(validator.issues(of: ciphered(5, title: 2)).isEmpty)
        #expect(validator.issues(of: ciphered(6, title: 2)).isEmpty)
        #expect(validator.issues(of: ciphered(100, title: 1)).map(\.code) == [.invocationCounter])
    }

    @Test("every message of a replayed recording is told")
    func replay() {
        var validator = Validator()
        for counter in UInt32(100)..<110 { #expect(validator.issues(of: ciphered(counter)).isEmpty) }
        let replayed = (UInt32(100)..<105).map { validator.issues(of: ciphered($0)).map(\.code) }
        #expect(replayed.allSatisfy { $0 == [.invocationCounter] })
    }
}
