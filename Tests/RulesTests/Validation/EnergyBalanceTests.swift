import OBIS
import Rules
import Testing

@Suite("Energy against the integral of power")
struct EnergyBalanceTests {
    /// A meter that counts what its power makes, in W and seconds.
    private struct House {
        var bench = MeterBench()
        var imported = 15_275_413.0
        var exported = 892_291.0
        /// What the last digit of the counter is, as a power of ten of Wh.
        var digit: Int8 = 0
        /// How often the counter is renewed, in s.
        var renewal = 1
        /// What the meter shows of the power that flows.
        var scale = 1.0
        var hasExport = true
        /// Whether it tells power in import only.
        var isDirectionless = false
        private var clock = 0
        private var shown = (imported: Int64(15_275_413), exported: Int64(892_291))

        /// Lets time pass second by second.
        ///
        /// - Returns: the texts of all that did not match.
        mutating func run(
            seconds: Int, interval: Int = 5, isSilent: (Int) -> Bool = { _ in false }, power: (Int) -> Double
        ) -> [String] {
            var found: [String] = []
            for _ in 0..<seconds {
                let now = power(clock)
                if now >= 0 { imported += now / 3600 } else { exported -= now / 3600 }
                clock += 1
                bench.pass(.seconds(1))
                if clock % renewal == 0 || clock == 1 {
                    let step = FixedDecimal(1, exponent: digit).double
                    shown = (Int64(imported / step), Int64(exported / step))
                }
                if clock % interval == 0, !isSilent(clock) { found += read(now) }
            }
            return found
        }

        private mutating func read(_ now: Double) -> [String] {
            func energy(_ code: String, _ count: Int64) -> Register {
                let number = FixedDecimal(count, exponent: digit - 3)
                return Register(obis: ObisCode(code), value: .number(number), unit: .kilowattHour)
            }
            var message = telegram(energy("1-0:1.8.0", shown.imported), id: "1")
            if hasExport { message.registers.append(energy("1-0:2.8.0", shown.exported)) }
            let told = (isDirectionless ? max(0, now) : now) * scale
            message.registers.append(
                register(isDirectionless ? "1-0:1.7.0" : "1-0:16.7.0", "\(Int64(told))", .watt))
            return bench.read(message).issues.map { "\($0.summary): \($0.text)" }
        }
    }

    /// A kettle of 2 kW for three minutes out of twenty, above 200 W.
    private static func kettle(_ second: Int) -> Double { second % 1200 < 180 ? 2200 : 200 }

    /// Sun: 3 kW of export that clouds come and go before.
    private static func sun(_ second: Int) -> Double { second / 47 % 3 == 0 ? 400 : -3000 }

    @Test("agrees in a household, with sun, and at night", arguments: [5, 10, 60])
    func good(interval: Int) {
        for power in [Self.kettle, Self.sun, { _ in 3 }, { _ in 0 }, { $0 % 7200 < 3600 ? 9000 : 50 }] {
            var house = House()
            #expect(house.run(seconds: 9000, interval: interval, power: power) == [])
        }
    }

    @Test(
        "a counter that is renewed rarely, or has few digits, agrees",
        arguments: [(0, 900), (3, 1), (1, 60), (0, 3600)] as [(Int8, Int)])
    func coarse(digit: Int8, renewal: Int) {
        for power in [Self.kettle, Self.sun, { $0 % 7200 < 3600 ? 9000 : 50 }] {
            var house = House()
            (house.digit, house.renewal) = (digit, renewal)
            #expect(house.run(seconds: 5 * 3600, interval: 20, power: power) == [])
        }
    }

    @Test("a power that is a tenth too large is told once an hour, with both numbers")
    func scale() throws {
        var house = House()
        house.scale = 1.1
        let found = house.run(seconds: 4 * 3600 + 600) { _ in 1000 }
        #expect(found.count == 4)
        let text = try #require(found.first)
        #expect(text.hasPrefix("warning energy-mismatch -: the energy does not match the power: in "))
        #expect(text.contains("rose by 0.998 kWh net") && text.hasSuffix("adds up to 1.097 kWh"), "\(text)")
    }

    /// What is told of 1 kW, and whether that passes: 5 % and 10 Wh of it, and a digit of each counter.
    @Test(
        "5 % and 10 Wh are tolerated",
        arguments: [(1.0, true), (1.05, true), (1.06, true), (1.07, false), (0.93, false)])
    func threshold(scale: Double, isGood: Bool) {
        var house = House()
        house.scale = scale
        #expect(house.run(seconds: 2 * 3600) { _ in 1000 }.isEmpty == isGood)
    }

    @Test("a counter that stands still while power flows is told within two hours")
    func stuck() {
        var house = House()
        house.renewal = 1_000_000
        #expect(house.run(seconds: 7000) { _ in 500 }.isEmpty)
        #expect(house.run(seconds: 300) { _ in 500 }.count == 1)
    }

    @Test("a gap voids the hour")
    func gap() {
        var house = House()
        house.scale = 2
        let found = house.run(seconds: 10 * 3600, isSilent: { $0 % 3000 < 70 }) { _ in 1000 }
        #expect(found == [])
    }

    @Test("a meter that tells import only is not compared while it exports")
    func directionless() {
        var house = House()
        house.isDirectionless = true
        #expect(house.run(seconds: 3 * 3600, power: Self.sun) == [])
        house.scale = 3
        #expect(house.run(seconds: 3 * 3600) { _ in 1000 }.count >= 1)
    }

    @Test("a meter without export is compared by its import")
    func importOnly() {
        var house = House()
        house.hasExport = false
        #expect(house.run(seconds: 3 * 3600, power: Self.kettle) == [])
        house.scale = 0.1
        #expect(house.run(seconds: 3 * 3600, power: Self.kettle).isEmpty == false)
    }

    @Test("what is not live is not compared")
    func replay() {
        var house = House()
        house.scale = 10
        house.bench.monotonic = nil
        #expect(house.run(seconds: 3 * 3600) { _ in 1000 } == [])
    }

    @Test("a new epoch begins the hour anew")
    func epoch() {
        var house = House()
        house.scale = 2
        for _ in 0..<5 {
            #expect(house.run(seconds: 3000) { _ in 1000 } == [])
            house.bench.validator.replaced()
        }
    }
}
