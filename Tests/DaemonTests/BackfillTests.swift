import OBIS
import Testing
import Wire

@testable import Daemon

/// Seconds of a morning.
private func at(_ seconds: Int64) -> Timestamp { Timestamp(milliseconds: 1_768_464_000_000 + seconds * 1000) }

@Suite("Holes in the readings of a meter")
struct BackfillTests {
    private static let hour: Int64 = 3600
    private static let day: Int64 = 86_400

    private var backfill = Backfill(epoch: 1)

    /// A reading of a meter that is patient for three minutes. The monotonic clock goes with the wall clock, unless given.
    @discardableResult
    private mutating func read(
        _ seconds: Int64, monotonic: Int64? = nil, isSynchronized: Bool = true, epoch: Int = 1
    ) -> Backfill.Finding? {
        backfill.read(
            at: at(seconds), monotonic: .seconds(monotonic ?? seconds), isSynchronized: isSynchronized, epoch: epoch,
            patience: .seconds(180))
    }

    private func holes() -> [[Int64]] {
        backfill.holes.map { hole in
            [hole.after, hole.through].map { Timestamp.milliseconds(from: at(0), to: $0) / 1000 }
        }
    }

    private func span(_ chunk: Backfill.Chunk?) -> [Int64]? {
        chunk.map { chunk in
            [chunk.after, chunk.through].map { Timestamp.milliseconds(from: at(0), to: $0) / 1000 }
        }
    }

    private mutating func restart() throws {
        backfill = try #require(Backfill(stored: backfill.stored))
    }

    @Test("begin where readings come later than a meter may be silent, and not before there was a reading")
    mutating func patience() throws {
        read(0)
        read(60)
        read(240)
        #expect(holes() == [])
        read(421)
        #expect(holes() == [[240, 421]])
        try restart()
        read(481)
        #expect(holes() == [[240, 421]])
        read(661)
        read(900)
        #expect(holes() == [[240, 421], [661, 900]])
    }

    @Test("are found after a restart, which knows when the meter was read last")
    mutating func restarted() throws {
        read(1000)
        try restart()
        let finding = read(1000 + 2 * Self.hour, monotonic: 5)
        #expect(finding?.hole.after == at(1000) && finding?.givenUp == nil)
        #expect(holes() == [[1000, 1000 + 2 * Self.hour]])
    }

    @Test("are none while the monotonic clock saw the meter all the time, whatever the other one does")
    mutating func forward() {
        read(0, monotonic: 100)
        read(7200, monotonic: 160)
        read(100, monotonic: 220)
        read(-100_000, monotonic: 280)
        #expect(holes() == [])
    }

    @Test("need a right clock: one that begins without it ends with the first reading that has it")
    mutating func unsynchronized() throws {
        read(0)
        try restart()
        // A machine without a clock of its own comes up in the past.
        read(-100 * Self.day, monotonic: 10, isSynchronized: false)
        read(-100 * Self.day + 60, monotonic: 70, isSynchronized: false)
        #expect(holes() == [])
        read(7200, monotonic: 130)
        #expect(holes() == [[0, 7200]])
        // A time server that is away for a day is no hole.
        for second in stride(from: 190, to: Self.day, by: 60) {
            read(7070 + second, monotonic: second, isSynchronized: false)
        }
        read(7070 + Self.day, monotonic: Self.day)
        #expect(holes() == [[0, 7200]])
    }

    @Test("are none after a clock that was set back, and never cover what was one already")
    mutating func setBack() throws {
        read(0)
        try restart()
        read(7200)
        try restart()
        read(3600)
        #expect(holes() == [[0, 7200]])
        try restart()
        read(9000)
        #expect(holes() == [[0, 7200], [7200, 9000]])
        backfill.giveUp()
        try restart()
        read(3600)
        try restart()
        read(8000)
        #expect(holes() == [])
    }

    @Test("of a clock that was wrong by days are forgotten with it")
    mutating func wrongClock() throws {
        read(0)
        try restart()
        read(1000 * Self.day)
        try restart()
        read(1000)
        #expect(holes() == [])
        try restart()
        read(5000)
        #expect(holes() == [[1000, 5000]])
    }

    @Test("are cut to 400 days, and are 64 at most, of which the oldest is given up")
    mutating func bounds() throws {
        read(0)
        try restart()
        read(500 * Self.day)
        #expect(holes() == [[100 * Self.day, 500 * Self.day]])
        for index in 1...64 {
            try restart()
            let finding = read(500 * Self.day + Int64(index) * 1000)
            #expect((finding?.givenUp != nil) == (index == 64), "\(index)")
        }
        #expect(backfill.holes.count == 64 && holes().first == [500 * Self.day, 500 * Self.day + 1000])
    }

    @Test("of the meter before are dropped with a new epoch, and the exchange is none")
    mutating func epoch() throws {
        read(0)
        try restart()
        read(7200)
        read(20_000, epoch: 2)
        #expect(holes() == [] && backfill.epoch == 2)
        read(30_000, epoch: 2)
        #expect(holes() == [[20_000, 30_000]])
    }

    @Test("are asked for in pieces of six hours, the oldest first, and what was journaled not again")
    mutating func chunks() throws {
        read(0)
        try restart()
        read(14 * Self.hour)
        let now = at(14 * Self.hour + 300)
        var spans: [[Int64]] = []
        while let chunk = backfill.nextChunk(at: now, monotonic: .zero) {
            spans.append(try #require(span(chunk)))
            backfill.took(through: Timestamp(milliseconds: chunk.after.milliseconds + 900_000), of: chunk)
            #expect(backfill.nextChunk(at: now, monotonic: .zero)?.after == at(spans[spans.count - 1][0] + 900))
            try restart()
            backfill.finished(chunk, at: now)
        }
        #expect(spans == [[0, 6], [6, 12], [12, 14]].map { $0.map { $0 * Self.hour } })
        #expect(holes() == [])
    }

    @Test("whose end a late clock may not have reached are asked for that once more")
    mutating func settling() throws {
        read(0)
        try restart()
        read(7200)
        let chunk = try #require(backfill.nextChunk(at: at(7201), monotonic: .zero))
        backfill.took(through: at(6300), of: chunk)
        backfill.finished(chunk, at: at(7205))
        #expect(holes() == [[6905, 7200]])
        #expect(backfill.nextChunk(at: at(7499), monotonic: .zero) == nil)
        let rest = try #require(backfill.nextChunk(at: at(7500), monotonic: .zero))
        #expect(span(rest) == [6905, 7200])
        backfill.finished(rest, at: at(7500))
        #expect(holes() == [])
    }

    @Test("rest for an hour after three failures in a row, and others are asked for meanwhile")
    mutating func failures() throws {
        read(0)
        try restart()
        read(1000)
        read(2000)
        #expect(backfill.holes.count == 2)
        let later = at(10_000)
        for count in 1...2 {
            let chunk = try #require(backfill.nextChunk(at: later, monotonic: .zero))
            let rests = backfill.failed(chunk, monotonic: .seconds(50))
            #expect(!rests && span(chunk) == [0, 1000], "\(count)")
        }
        let third = try #require(backfill.nextChunk(at: later, monotonic: .zero))
        let rests = backfill.failed(third, monotonic: .seconds(50))
        #expect(rests)
        let other = try #require(backfill.nextChunk(at: later, monotonic: .seconds(51)))
        #expect(span(other) == [1000, 2000])
        backfill.finished(other, at: later)
        #expect(backfill.nextChunk(at: later, monotonic: .seconds(3649)) == nil)
        #expect(span(backfill.nextChunk(at: later, monotonic: .seconds(3650))) == [0, 1000])
    }

    @Test(
        "are none in bytes that are no such state",
        arguments: [
            "", "{}", "[]", #"{"epoch":1,"holes":[{"after":1}]}"#, #"{"epoch":99999999999999999999,"holes":[]}"#,
        ])
    func garbage(text: String) {
        #expect(Backfill(stored: Array(text.utf8)) == nil)
    }

    @Test("that cannot be are left out of what is stored, and numbers at the ends of the range do no harm")
    mutating func strange() throws {
        let text = """
            {"epoch":-3,"read":\(Int64.max),"covered":\(Int64.min),"holes":[{"after":5,"through":5},\
            {"after":\(Int64.min),"through":10},{"after":9,"through":20},{"after":20,"through":\(Int64.max)}]}
            """
        backfill = try #require(Backfill(stored: Array(text.utf8)))
        #expect(backfill.epoch == 1 && backfill.holes.map(\.through.milliseconds) == [10, .max])
        let chunk = try #require(
            backfill.nextChunk(at: Timestamp(milliseconds: .min), monotonic: .zero))
        backfill.finished(chunk, at: Timestamp(milliseconds: .min))
        backfill.took(through: Timestamp(milliseconds: .max), of: chunk)
        #expect(backfill.holes.count == 2)
        read(0)
        #expect(backfill.holes.map(\.through.milliseconds) == [10])
    }
}

@Suite("The entries of a load profile")
struct ProfileAnswerTests {
    private static func instant(_ text: String) throws -> Timestamp {
        try #require(Timestamp(text))
    }

    private static func times(
        _ ends: [String], isDaylightSaving: [Bool?] = [], zone: String = "Europe/Zurich", from: String, through: String
    ) throws -> (times: [String?], setBack: Int) {
        let chunk = Backfill.Chunk(hole: try instant(through), after: try instant(from), through: try instant(through))
        var answer = ProfileAnswer(chunk)
        let times = try ends.enumerated().map { index, text -> String? in
            let parts = text.split { !$0.isNumber }.compactMap { Int($0) }
            let flag = isDaylightSaving.indices.contains(index) ? isDaylightSaving[index] : nil
            let end = try #require(
                MeterTime(
                    year: 2026, month: parts[0], day: parts[1], hour: parts[2], minute: parts[3], second: 0,
                    isDaylightSaving: flag))
            let time = answer.time(of: end, by: MeterClock(zone: .named(zone)))
            return time.map { String($0.description.dropFirst(11).prefix(5)) }
        }
        return (times, answer.setBack)
    }

    @Test("are taken behind the cursor and up to the end")
    func bounds() throws {
        let found = try Self.times(
            ["01-15 12:30", "01-15 12:45", "01-15 13:00", "01-15 13:15"], from: "2026-01-15T11:45:00Z",
            through: "2026-01-15T12:00:00.120Z")
        #expect(found.times == [nil, nil, "12:00", nil] && found.setBack == 0)
    }

    @Test("in the hour that comes twice have their order to tell them apart")
    func autumn() throws {
        let quarters = [
            "01:45", "02:00", "02:15", "02:30", "02:45", "02:00", "02:15", "02:30", "02:45", "03:00", "03:15",
        ]
        .map { "10-25 \($0)" }
        let expected = [
            "23:45", "00:00", "00:15", "00:30", "00:45", "01:00", "01:15", "01:30", "01:45", "02:00", "02:15",
        ]
        let found = try Self.times(quarters, from: "2026-10-24T23:30:00Z", through: "2026-10-25T02:15:00Z")
        #expect(found.times == expected && found.setBack == 0)
        // The end of the first pass may be called by its own time.
        let other = quarters.map { $0 }.enumerated().map { $0.offset == 5 ? "10-25 03:00" : $0.element }
        #expect(try Self.times(other, from: "2026-10-24T23:30:00Z", through: "2026-10-25T02:15:00Z").times == expected)
        for hours in [["02:00", "02:00", "03:00", "04:00"], ["02:00", "03:00", "03:00", "04:00"]] {
            let found = try Self.times(
                hours.map { "10-25 \($0)" }, from: "2026-10-24T23:30:00Z", through: "2026-10-25T03:00:00Z")
            #expect(found.times == ["00:00", "01:00", "02:00", "03:00"], "\(hours)")
        }
    }

    @Test("in the hour that comes twice are where the meter says, if it says so")
    func flags() throws {
        let found = try Self.times(
            ["02:45", "03:00", "02:15", "03:00"].map { "10-25 \($0)" }, isDaylightSaving: [true, true, false, false],
            from: "2026-10-24T23:30:00Z", through: "2026-10-25T02:15:00Z")
        #expect(found.times == ["00:45", "01:00", "01:15", "02:00"])
    }

    @Test("know no hour that a day leaves out, by whichever name its end goes")
    func spring() throws {
        for name in ["02:00", "03:00"] {
            for flag in [true, false, nil] {
                let found = try Self.times(
                    ["01:45", name, "03:15"].map { "03-29 \($0)" }, isDaylightSaving: [nil, flag, nil],
                    from: "2026-03-29T00:30:00Z", through: "2026-03-29T02:00:00Z")
                #expect(found.times == ["00:45", "01:00", "01:15"], "\(name)")
            }
        }
    }

    @Test("that are not later than the one before are left out and counted, and what is far away shadows nothing")
    func setBack() throws {
        let found = try Self.times(
            ["12-31 00:00", "01-15 12:15", "01-15 12:30", "01-15 12:15", "01-15 12:30", "01-15 12:45"],
            from: "2026-01-15T11:00:00Z", through: "2026-01-15T12:00:00Z")
        #expect(found.times == [nil, "11:15", "11:30", nil, nil, "11:45"] && found.setBack == 2)
    }

    @Test("the civil time of an instant is the one that is completed to it")
    func inverse() throws {
        for (zone, instants) in [
            (
                "Europe/Zurich",
                ["2026-01-15T11:34:56Z", "2026-03-29T01:00:00Z", "2026-10-25T00:59:59Z", "1969-07-20T20:17:40Z"]
            ),
            ("America/New_York", ["2026-03-08T06:59:59Z", "2026-11-01T06:00:00Z"]),
        ] {
            let clock = MeterClock(zone: .named(zone))
            for text in instants {
                let instant = try Self.instant(text)
                let civil = try #require(clock.civilSeconds(at: instant))
                #expect(clock.intervalEnds(MeterTime(localSeconds: civil)).contains(instant), "\(zone) \(text)")
            }
        }
        let fixed = MeterClock(zone: .fixed(-210))
        #expect(fixed.civilSeconds(at: Timestamp(milliseconds: -1)) == -1 - 210 * 60)
    }
}

@Suite("Whose clock makes a hole")
struct BackfillClockTests {
    /// A meter is read, and again two hours later by another process.
    private func holes(isSynchronized: Bool, meter: MeterTime?, isDoubtful: Bool = false) -> Int {
        var desk = BackfillDesk(Backfill(epoch: 1))
        for (index, seconds) in [Int64(0), 7200].enumerated() {
            var reading = Reading(
                device: MeterIdentity(), time: at(seconds), capturedAt: at(seconds),
                isClockSynchronized: isSynchronized)
            reading.meterTime = meter.flatMap { time in
                MeterTime(
                    year: time.year, month: time.month, day: time.day, hour: time.hour + 2 * index,
                    minute: time.minute, second: time.second, utcOffset: time.utcOffset, isDoubtful: isDoubtful)
            }
            desk = BackfillDesk(Backfill(stored: desk.backfill.stored) ?? Backfill(epoch: 1))
            _ = desk.read(reading, monotonic: .zero, patience: .seconds(180))
        }
        return desk.backfill.holes.count
    }

    @Test("a synchronised one, or one that the meter's confirms")
    func clocks() {
        // 2026-01-15T08:00:00Z, as `at` begins.
        func meter(_ minute: Int, offset: Int?) -> MeterTime? {
            MeterTime(year: 2026, month: 1, day: 15, hour: 9, minute: minute, second: 0, utcOffset: offset)
        }
        #expect(holes(isSynchronized: true, meter: nil) == 1)
        #expect(holes(isSynchronized: false, meter: nil) == 0)
        #expect(holes(isSynchronized: false, meter: meter(4, offset: 60)) == 1)
        #expect(holes(isSynchronized: false, meter: meter(6, offset: 60)) == 0)
        #expect(holes(isSynchronized: false, meter: meter(4, offset: nil)) == 0)
        #expect(holes(isSynchronized: false, meter: meter(4, offset: 60), isDoubtful: true) == 0)
    }
}
