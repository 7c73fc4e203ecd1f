import OBIS
import Testing

@testable import Rules

/// A meter whose summaries are made in virtual time.
private struct Bench {
    var builder = SummaryBuilder(calendar: Zurich())
    var wall: Timestamp
    var monotonic = Duration.seconds(1000)
    var isSynchronized = true
    var closed: [Summary] = []

    init(_ begin: String) {
        wall = instant(begin)
    }

    mutating func pass(_ duration: Duration) {
        wall.milliseconds += duration.wholeMilliseconds
        monotonic += duration
    }

    mutating func read(
        energy: FixedDecimal? = nil, power: FixedDecimal? = nil, voltage: FixedDecimal? = nil,
        issues: [QualityIssue] = [], source: Reading.Source = .live, _ change: (inout Reading) -> Void = { _ in }
    ) {
        var values = NamedValues()
        values[.activeImport] = energy
        values[.activePower] = power
        values[.voltageL1] = voltage
        var reading = Reading(
            source: source, device: MeterIdentity(id: "1"), time: wall, capturedAt: wall,
            isClockSynchronized: isSynchronized, values: values, issues: issues)
        change(&reading)
        closed += builder.observe(reading, totals: reading.values, at: monotonic)
    }

    mutating func tick() {
        closed += builder.tick(wall, at: monotonic)
    }

    mutating func restart() {
        builder = SummaryBuilder(stored: builder.stored, calendar: Zurich()) ?? SummaryBuilder(calendar: Zurich())
        monotonic = .zero
    }

    /// One reading every so often, with a power, and the energy that it makes with W and minutes.
    mutating func run(minutes: Int64, every interval: Int64 = 1, energy: inout FixedDecimal, watts: Int64 = 600) {
        for _ in 0..<(minutes / interval) {
            read(energy: energy, power: FixedDecimal(watts), voltage: 230)
            pass(.seconds(60 * interval))
            energy = energy.adding(FixedDecimal(watts * interval / 60, exponent: -3)) ?? energy
        }
    }

    func summaries(_ period: Summary.Period) -> [Summary] { closed.filter { $0.period == period } }
}

@Suite("Hourly and daily figures")
struct SummaryBuilderTests {
    @Test("an hour is closed by the first reading after it, with everything that was in it")
    func hour() throws {
        var bench = Bench("2026-01-15T11:00:00.000Z")
        var energy = FixedDecimal("15275.413") ?? 0
        bench.run(minutes: 30, energy: &energy)
        bench.run(minutes: 30, energy: &energy, watts: 1200)
        #expect(bench.closed.isEmpty)
        bench.read(energy: energy, power: 5000, voltage: 250)
        let hour = try #require(bench.closed.first)
        #expect(bench.closed.count == 1 && hour.period == .hour && hour.local == "2026-01-15T12:00:00+01:00")
        #expect(hour.from == instant("2026-01-15T11:00:00.000Z") && hour.to == instant("2026-01-15T12:00:00.000Z"))
        #expect(hour.readings == 60 && hour.coverage == 1 && hour.qualities == [.good: 60])
        #expect(hour.rises[.activeImport]?.description == "0.900")
        #expect(hour.countersFrom == hour.from && hour.countersTo == hour.to)
        #expect(hour.power.min == 600 && hour.power.mean == 900 && hour.power.max == 1200)
        #expect(hour.voltages[0].distribution.p50 == 230 && hour.voltages[0].inside == 1)
        #expect(hour.voltages[1] == Summary.Voltage())
    }

    @Test("or when the time says so, without a reading")
    func tick() {
        var bench = Bench("2026-01-15T11:00:00.000Z")
        var energy: FixedDecimal = 100
        bench.run(minutes: 60, energy: &energy)
        bench.pass(.milliseconds(-1))
        bench.tick()
        #expect(bench.closed.isEmpty)
        bench.pass(.milliseconds(1))
        bench.tick()
        bench.tick()
        // The last counter of the hour was read a minute before its end.
        #expect(bench.closed.map(\.rises[.activeImport]) == [FixedDecimal("0.590")])
        #expect(bench.closed.first?.countersTo == instant("2026-01-15T11:59:00.000Z"))
        #expect(bench.closed.first?.coverage == 1)
        // An hour in which nobody was there is one as well.
        bench.pass(.seconds(3600))
        bench.tick()
        #expect(bench.closed.last?.readings == 0 && bench.closed.last?.coverage == 0)
    }

    @Test("nothing is lost between hours: their energies make the day's", arguments: [1, 7, 15])
    func sum(interval: Int64) throws {
        var bench = Bench("2026-01-14T22:55:00.000Z")
        var energy: FixedDecimal = 100
        bench.run(minutes: 27 * 60, every: interval, energy: &energy)
        let hours = bench.summaries(.hour).dropFirst().prefix(24)
        let day = try #require(bench.summaries(.day).last)
        #expect(day.local == "2026-01-15" && hours.count == 24)
        let total = hours.compactMap { $0.rises[.activeImport] }.reduce(FixedDecimal.zero) { $0.adding($1) ?? $0 }
        #expect(day.rises[.activeImport] == total)
        #expect(day.readings == hours.map(\.readings).reduce(0, +) && day.coverage == 1)
        #expect(day.power.mean == 600)
    }

    @Test(
        "a day of daylight saving has 23 or 25 hours, and the hour that comes twice is two",
        arguments: [
            ("2026-03-28T23:00:00.000Z", 23), ("2026-10-24T22:00:00.000Z", 25), ("2026-06-30T22:00:00.000Z", 24),
        ])
    func daylightSaving(begin: String, hours: Int) throws {
        var bench = Bench(begin)
        var energy: FixedDecimal = 100
        bench.run(minutes: Int64(hours) * 60 + 1, energy: &energy)
        #expect(bench.summaries(.hour).count == hours)
        #expect(Set(bench.summaries(.hour).map(\.from)).count == hours)
        #expect(Set(bench.summaries(.hour).map(\.local)).count == hours)
        let day = try #require(bench.summaries(.day).first)
        #expect(bench.summaries(.day).count == 1 && day.coverage == 1)
        #expect(day.rises[.activeImport] == FixedDecimal(Int64(hours) * 600, exponent: -3))
    }

    @Test("an energy is not known where an end is not")
    func unknownEnds() {
        var bench = Bench("2026-01-15T11:10:00.000Z")
        var energy: FixedDecimal = 100
        // From the middle of an hour on.
        bench.run(minutes: 50, energy: &energy)
        bench.run(minutes: 30, energy: &energy)
        // Away for the end of the next one.
        bench.pass(.seconds(3600))
        bench.run(minutes: 30, energy: &energy)
        bench.run(minutes: 61, energy: &energy)
        #expect(bench.summaries(.hour).map { $0.rises[.activeImport] != nil } == [false, false, false, true])
        #expect(bench.summaries(.hour).map(\.countersFrom).dropLast() == [nil, nil, nil])
        #expect(bench.summaries(.hour).map(\.coverage.description).prefix(2) == ["0.833", "0.483"])
    }

    @Test("a meter that is read rarely has no hourly energies rather than wrong ones")
    func rare() {
        var bench = Bench("2026-01-14T23:30:00.000Z")
        for step in Int64(0)..<72 {
            bench.read(energy: FixedDecimal(100 + step), power: 1000)
            bench.pass(.seconds(3600))
        }
        #expect(bench.summaries(.hour).count == 71)
        #expect(bench.summaries(.hour).allSatisfy { $0.rises[.activeImport] == nil && $0.power.max == 1000 })
        // Half an hour before midnight is near enough for a day.
        #expect(bench.summaries(.day).map(\.rises[.activeImport]) == [nil, 24])
    }

    @Test("a gap counts for nothing")
    func gap() throws {
        var bench = Bench("2026-01-15T11:00:00.000Z")
        for _ in 0..<180 {
            bench.read(power: 100)
            bench.pass(.seconds(5))
        }
        bench.read(power: 9000)
        bench.pass(.seconds(1800))
        for _ in 0..<180 {
            bench.read(power: 100)
            bench.pass(.seconds(5))
        }
        bench.read(power: 100)
        let hour = try #require(bench.closed.first)
        #expect(hour.coverage.description == "0.500")
        #expect(hour.power.mean == 100 && hour.power.max == 9000)
        #expect(hour.power.p95.map { (97...103).contains($0) } == true)
    }

    @Test("the share of time inside of 10 % counts the ends in", arguments: [(206, 0), (207, 1), (253, 1), (254, 0)])
    func band(voltage: Int64, share: Int64) {
        var bench = Bench("2026-01-15T11:00:00.000Z")
        for _ in 0...60 {
            bench.read(voltage: FixedDecimal(voltage))
            bench.pass(.seconds(60))
        }
        #expect(bench.closed.map(\.voltages[0].inside) == [FixedDecimal(share)])
    }

    @Test("another nominal voltage has another band")
    func nominal() {
        let builder = SummaryBuilder(calendar: Zurich(), nominalVoltage: 120)
        var bench = Bench("2026-01-15T11:00:00.000Z")
        bench.builder = builder
        bench.read(voltage: 120)
        bench.pass(.seconds(3600))
        bench.tick()
        #expect(bench.closed.first?.voltageBand == 108...132)
    }

    @Test("errors, replays and anomalies are counted as what they are")
    func counted() throws {
        var bench = Bench("2026-01-15T11:00:00.000Z")
        let issue = QualityIssue(register: nil, level: .error, code: .wrongSerial, text: "")
        bench.read(power: 100)
        bench.read(issues: [issue])
        bench.read(power: 77_777, source: .replay)
        for type in ["overload", "overload", "dip", "", "two words", String(repeating: "x", count: 41)] {
            bench.builder.noteAnomaly(type: type)
        }
        for index in 0..<100 { bench.builder.noteAnomaly(type: "t\(index)") }
        bench.isSynchronized = false
        bench.read(power: 100)
        bench.pass(.seconds(3600))
        bench.tick()
        let hour = try #require(bench.closed.first)
        #expect(hour.readings == 3 && hour.qualities == [.good: 2, .error: 1] && hour.power.max == 100)
        #expect(hour.anomalies["overload"] == 2 && hour.anomalies["dip"] == 1 && hour.anomalies.count == 32)
        #expect(!hour.isClockSynchronized)
    }

    @Test("volumes and heat have energies of their own")
    func thermal() throws {
        var bench = Bench("2026-01-15T11:00:00.000Z")
        for step in Int64(0)...4 {
            bench.read { reading in
                reading.device.medium = .gas
                reading.values[.volume] = FixedDecimal(100_000 + step * 5, exponent: -3)
            }
            bench.pass(.seconds(900))
        }
        let hour = try #require(bench.closed.first)
        #expect(hour.medium == .gas && hour.rises[.volume]?.description == "0.020")
    }

    @Test("a clock that is set back begins anew, one that is not synchronised yet does not")
    func setBack() {
        for isSynchronized in [true, false] {
            var bench = Bench("2026-01-15T11:00:00.000Z")
            bench.read(energy: 100)
            bench.wall = instant("2020-01-01T00:00:00.000Z")
            bench.isSynchronized = isSynchronized
            bench.read(energy: 101)
            let hour = bench.builder.hour
            #expect(hour?.bounds.contains(bench.wall) == isSynchronized)
            #expect(hour?.readings == (isSynchronized ? 1 : 2) && bench.closed.isEmpty)
        }
    }

    @Test("a clock that leaps ahead closes the hour and the day, and makes up none")
    func leap() {
        var bench = Bench("2026-01-15T11:00:00.000Z")
        bench.read(energy: 100)
        bench.wall = instant("2026-02-20T00:00:00.000Z")
        bench.read(energy: 200)
        #expect(bench.closed.map(\.period) == [.hour, .day])
        #expect(bench.closed.allSatisfy { $0.rises[.activeImport] == nil && $0.readings == 1 })
        #expect(bench.builder.hour?.starts.isEmpty == false)
        bench.pass(.seconds(3600))
        bench.tick()
        // What was counted a month ago is no begin of an hour.
        #expect(bench.closed.last?.rises[.activeImport] == nil)
    }
}

@Suite("Summaries across a restart")
struct SummaryStorageTests {
    private static func filled() -> SummaryBuilder {
        var bench = Bench("2026-01-15T10:00:00.000Z")
        var energy: FixedDecimal = 100
        bench.run(minutes: 90, energy: &energy)
        bench.builder.noteAnomaly(type: "overload")
        bench.read(energy: 200, power: -1234, voltage: 251, issues: [])
        return bench.builder
    }

    @Test("everything comes back")
    func roundTrip() throws {
        let builder = Self.filled()
        let again = try #require(SummaryBuilder(stored: builder.stored, calendar: Zurich()))
        #expect(again.hour == builder.hour && again.day == builder.day && again.lastCounters == builder.lastCounters)
        let empty = SummaryBuilder(calendar: Zurich())
        #expect(SummaryBuilder(stored: empty.stored, calendar: Zurich())?.hour == nil)
    }

    @Test("an hour with a restart in it has the energy of the whole hour, and a gap")
    func restart() throws {
        var bench = Bench("2026-01-15T11:00:00.000Z")
        var energy: FixedDecimal = 100
        bench.run(minutes: 30, energy: &energy)
        bench.restart()
        bench.pass(.seconds(600))
        energy = 101
        bench.run(minutes: 20, energy: &energy)
        bench.read(energy: energy)
        let hour = try #require(bench.closed.first)
        #expect(hour.rises[.activeImport] == FixedDecimal("1.2") && hour.readings == 50)
        #expect(hour.coverage.description == "0.817")
    }

    @Test("an hour and a day that ended while the process was away are closed at once")
    func away() {
        var bench = Bench("2026-01-15T11:00:00.000Z")
        var energy: FixedDecimal = 100
        bench.run(minutes: 30, energy: &energy)
        bench.restart()
        bench.pass(.seconds(86_400))
        bench.tick()
        #expect(bench.closed.map(\.period) == [.hour, .day] && bench.closed.allSatisfy { $0.readings == 30 })
        #expect(bench.closed.allSatisfy { $0.rises[.activeImport] == nil })
    }

    @Test("fits the journal whatever a meter sends")
    func bounded() {
        var bench = Bench("2026-01-15T00:00:00.000Z")
        for step in Int64(0)..<9000 {
            bench.read { reading in
                for field in [NamedField.voltageL1, .voltageL2, .voltageL3] {
                    reading.values[field] = FixedDecimal(step % 500, exponent: 0)
                }
                reading.values[.activePower] = FixedDecimal((step * step * step) % 2_500_000 - 1_250_000)
                for field in NamedField.totals(of: nil) + NamedField.totals(of: .heat) {
                    reading.values[field] = FixedDecimal(Int64.max - step, exponent: -3)
                }
            }
            for index in 0..<40 {
                if step % 100 == 0 {
                    bench.builder.noteAnomaly(type: String(repeating: "x", count: 37) + "\(index)")
                }
            }
            bench.pass(.seconds(9))
        }
        #expect(bench.builder.stored.count < 65_536)
        #expect(SummaryBuilder(stored: bench.builder.stored, calendar: Zurich()) != nil)
    }

    @Test("bytes that are no summary are none, and nothing traps")
    func garbage() {
        let text = String(decoding: Self.filled().stored, as: UTF8.self)
        let damaged = [
            "", "obisd-summary 2", "obisd-summary 1\nhour", "obisd-summary 1\nhour 5 4 true - 0 0 0 0 0",
            "obisd-summary 1\nhour 0 9223372036854775807 true - 0 0 0 0 0", "obisd-summary 1\nstart 0 1 1",
            "obisd-summary 1\nlast 0 1", "obisd-summary 1\nlast 200 1 1", "obisd-summary 1\nday 0 5 true - 0 0 0 0 0",
            text.replacing("measured", with: "measurde"), text.replacing(":", with: ";"),
            text.replacing("true", with: "maybe"), String(repeating: "x", count: 70_000),
        ]
        for text in damaged { #expect(SummaryBuilder(stored: Array(text.utf8), calendar: Zurich()) == nil) }
    }

    @Test("whatever single byte is damaged, it is read or refused, and goes on")
    func damage() {
        let stored = Self.filled().stored
        for index in stored.indices {
            for byte: UInt8 in [0, 0x20, 0x2D, 0x39, 0x0A, 0xFF] {
                var damaged = stored
                damaged[index] = byte
                guard var builder = SummaryBuilder(stored: damaged, calendar: Zurich()) else { continue }
                _ = builder.tick(instant("2026-01-16T11:00:00.000Z"), at: .seconds(5))
                _ = builder.stored
            }
        }
    }
}

extension String {
    fileprivate func replacing(_ part: String, with other: String) -> String {
        split(separator: part, omittingEmptySubsequences: false).joined(separator: other)
    }
}
