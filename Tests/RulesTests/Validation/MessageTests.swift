import OBIS
import Rules
import Testing

@Suite("The same telegram twice")
struct DuplicateTests {
    private static func time(_ seconds: Int64) -> MeterTime {
        MeterTime(localSeconds: 1_768_475_700 + seconds)
    }

    private static func telegram(_ energy: Int64, time: MeterTime? = nil, access: UInt8? = nil) -> Telegram {
        var message = Telegram(
            meter: MeterIdentity(id: "1"), meterTime: time,
            registers: [register("1-0:1.8.0", "\(energy)", .wattHour), register("1-0:32.7.0", "230", .volt)])
        message.meter.accessNumber = access
        return message
    }

    @Test("is a warning where the meter's clock moves with every telegram", arguments: [12, 11])
    func clock(telegrams: Int64) {
        var bench = MeterBench()
        for step in 0...telegrams { #expect(bench.codes(Self.telegram(7, time: Self.time(5 * step))) == []) }
        let again = bench.read(Self.telegram(7, time: Self.time(5 * telegrams)))
        #expect(again.issues.map(\.summary) == (telegrams == 12 ? ["warning duplicate -"] : []))
        // It changes nothing of what is known.
        #expect(bench.codes(Self.telegram(8, time: Self.time(5 * telegrams))) == [])
    }

    @Test("every copy is told, and the next telegram is none")
    func copies() {
        var bench = MeterBench()
        for step in Int64(0)...12 { _ = bench.read(Self.telegram(7, time: Self.time(5 * step))) }
        for _ in 0..<3 { #expect(bench.codes(Self.telegram(7, time: Self.time(60))) == [.duplicate]) }
        #expect(bench.codes(Self.telegram(7, time: Self.time(65))) == [])
    }

    @Test("a meter at rest without a clock sends the same values truthfully")
    func rest() {
        var bench = MeterBench()
        for _ in 0..<50 { #expect(bench.codes(Self.telegram(7)) == []) }
    }

    @Test("a clock that stands still, shows minutes, or ticks as fast as the meter speaks proves nothing")
    func slowClocks() {
        let clocks: [(String, (Int64) -> Int64)] = [
            ("stands", { _ in 3 }), ("minutes", { $0 * 5 / 60 * 60 }), ("minutes, rarely", { $0 * 55 / 60 * 60 }),
            ("seconds", { $0 * 99 / 100 }), ("quarter hours", { $0 * 5 / 900 * 900 }),
        ]
        for (name, clock) in clocks {
            var bench = MeterBench()
            for step in Int64(0)..<500 {
                #expect(bench.codes(Self.telegram(7, time: Self.time(clock(step)))) == [], "\(name) \(step)")
            }
        }
    }

    @Test("is a warning where the access number moves with every answer, and not where it stands", arguments: [0, 1])
    func accessNumber(step: Int) {
        var bench = MeterBench()
        for index in 0..<300 {
            #expect(bench.codes(Self.telegram(7, access: UInt8(truncatingIfNeeded: index * step))) == [])
        }
        let last = UInt8(truncatingIfNeeded: 299 * step)
        #expect(bench.codes(Self.telegram(7, access: last)) == (step == 1 ? [.duplicate] : []))
    }

    @Test("is a warning with the same message counter at once")
    func messageCounter() {
        func ciphered(_ counter: UInt32) -> Telegram {
            var message = Self.telegram(7, time: Self.time(0))
            message.ciphering = Ciphering(
                systemTitle: [1, 2, 3, 4, 5, 6, 7, 8], securityControl: 0x30, invocationCounter: counter,
                isAuthenticated: true)
            return message
        }
        var bench = MeterBench()
        #expect(bench.codes(ciphered(1)) == [])
        #expect(bench.codes(ciphered(1)) == [.invocationCounter, .duplicate])
        #expect(bench.codes(ciphered(2)) == [])
    }

    @Test("lists are compared with themselves")
    func lists() {
        var bench = MeterBench()
        for step in Int64(0)...20 {
            for list in ["fast", "slow"] {
                var message = Self.telegram(7, time: Self.time(5 * step))
                message.list = list
                #expect(bench.codes(message) == [], "\(list) \(step)")
            }
        }
    }
}

@Suite("The meter's clock against the host's")
struct ClockDriftTests {
    /// The host's clock stands at 11:18:16 UTC.
    private static func reading(
        _ drift: Int64, limit: Duration? = nil, offset: Int? = 60, isDoubtful: Bool = false,
        isSynchronized: Bool = true, isLive: Bool = true, valueHasTime: Bool = false
    ) -> Reading {
        var bench = MeterBench(Validator(largestClockDrift: limit))
        let local = MeterTime(localSeconds: 1_768_475_896 + 3600 + drift)
        let time = MeterTime(
            year: local.year, month: local.month, day: local.day, hour: local.hour, minute: local.minute,
            second: local.second, utcOffset: offset, isDoubtful: isDoubtful)
        if !isSynchronized { bench.wall = nil }
        if !isLive { bench.monotonic = nil }
        var value = register("7-0:3.0.0", "5", .cubicMetre)
        if valueHasTime { value.time = local }
        return bench.read(telegram(value, time: time))
    }

    @Test("more than five minutes are a warning", arguments: [0, 299, -299, 301, -301, 3600, 86_400])
    func limit(drift: Int64) {
        let summaries = Self.reading(drift).issues.map(\.summary)
        #expect(summaries == (drift.magnitude > 300 ? ["warning clock-drift -"] : []))
    }

    @Test("the limit is configurable")
    func configured() {
        #expect(Self.reading(40, limit: .seconds(30)).issues.count == 1)
        #expect(Self.reading(3600, limit: .seconds(7200)).issues.isEmpty)
    }

    @Test(
        "whole hours are a zone or daylight saving time, anything else is a clock",
        arguments: [
            (3600, "it is one hour ahead, "), (-3650, "it is one hour behind, "), (7190, "it is 2 hours ahead, "),
            (-1800, "it is 1800 s behind"), (4500, "it is 4500 s ahead"), (86_400, "it is 86400 s ahead"),
        ])
    func hours(drift: Int64, text: String) throws {
        let issue = try #require(Self.reading(drift).issues.first)
        #expect(issue.text.contains(text) && issue.text.contains("`time_zone`") == text.contains("hour"))
        // What logs are limited by has no number in it.
        #expect(issue.text.hasPrefix("the meter's clock and that of this machine disagree: "))
    }

    @Test("nothing is said where one of the clocks is not known")
    func unknown() {
        #expect(Self.reading(900, offset: nil).issues.isEmpty)
        #expect(Self.reading(900, isSynchronized: false).issues.isEmpty)
        #expect(Self.reading(900, isLive: false).issues.isEmpty)
        #expect(Self.reading(900, isDoubtful: true).issues.map(\.code) == [.clockDoubtful])
    }

    @Test("the time of an hourly value of a device behind a meter is no clock")
    func timeOfValue() {
        #expect(Self.reading(-3500, valueHasTime: true).issues.isEmpty)
    }
}

@Suite("Voltages in the wrong decimal place")
struct ScaleTests {
    private static let codes = ["1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0"]

    private static func telegram(_ voltages: [String], _ unit: Unit? = .volt) -> Telegram {
        Telegram(
            meter: MeterIdentity(id: "1"),
            registers: zip(codes, voltages).map { register($0, $1, unit) } + [register("1-0:1.8.0", "5", .wattHour)])
    }

    /// Voltages, the nominal one, and whether the scale is wrong.
    static let grids: [(voltages: [String], nominal: FixedDecimal?, isWrong: Bool)] = [
        (["23.1", "22.9", "23.0"], nil, true),
        (["24"], nil, true),
        (["2.31", "2.29", "2.30"], nil, true),
        (["2310", "2290", "2300"], nil, true),
        (["231000", "229000", "230000"], nil, true),
        // Phases that are not there say nothing.
        (["23.1", "0", "0"], nil, true),
        (["23.1", "0.2", "0"], nil, true),
        (["11.9", "12.1", "12.0"], 120, true),
        (["23.1", "22.9", "23.0"], 24, false),
        // A grid as it should be, an outage, and a fault in one phase.
        (["231", "229", "230"], nil, false),
        (["0", "0", "0"], nil, false),
        (["230", "23", "230"], nil, false),
        (["23", "2.3", "0"], nil, false),
        // Other grids, and meters behind transformers.
        (["110", "112", "108"], nil, false),
        (["57.7", "57.5", "57.9"], nil, false),
        (["63.5", "63.3", "63.6"], nil, false),
        (["100", "100", "100"], nil, false),
        (["127", "127", "127"], nil, false),
        (["400"], nil, false),
        (["19", "19", "19"], nil, false),
    ]

    @Test("by a power of ten on every live phase, five times in a row", arguments: grids.indices)
    func judged(index: Int) {
        let grid = Self.grids[index]
        var bench = MeterBench(Validator(limits: InstallationLimits(nominalVoltage: grid.nominal)))
        for step in 1...10 {
            let reading = bench.read(Self.telegram(grid.voltages))
            let wrong = reading.issues.filter { $0.code == .wrongScale }
            #expect(wrong.count == (grid.isWrong && step >= 5 ? grid.voltages.count : 0), "\(step)")
            #expect(wrong.allSatisfy { $0.level == .error && $0.text.contains("profile") })
            #expect(!reading.issues.contains { $0.register == "1-0:1.8.0*255" })
        }
    }

    @Test("a grid that was right once and breaks down is an outage")
    func brownout() {
        var bench = MeterBench()
        #expect(bench.codes(Self.telegram(["231", "229", "230"])) == [])
        for _ in 0..<50 { #expect(bench.codes(Self.telegram(["23", "23", "23"])) == []) }
    }

    @Test("another value in between starts anew")
    func interrupted() {
        var bench = MeterBench()
        for voltages in [["23"], ["23"], ["23"], ["23"], ["70"], ["23"], ["23"], ["23"], ["23"]] {
            #expect(bench.codes(Self.telegram(voltages)) == [])
        }
        // A telegram without voltages does not.
        #expect(bench.codes(Telegram(meter: MeterIdentity(id: "1"))) == [])
        #expect(bench.codes(Self.telegram(["23"])) == [.wrongScale])
    }

    @Test("other units are converted, and values without one are not judged")
    func units() {
        var bench = MeterBench()
        for _ in 0..<10 { #expect(bench.codes(Self.telegram(["0.230"], .kilovolt)) == []) }
        bench = MeterBench()
        for _ in 0..<10 { #expect(bench.codes(Self.telegram(["2310"], nil)) == []) }
    }

    @Test("the sentence names the place")
    func sentence() {
        var bench = MeterBench()
        for _ in 0..<4 { _ = bench.read(Self.telegram(["23"])) }
        #expect(
            bench.read(Self.telegram(["23"])).issues.first?.text
                == "the voltages read a tenth of the 230 V that are nominal here: the profile is wrong, or the unit in it. "
                + "Choose another one (`profile`); nothing is corrected")
    }
}
