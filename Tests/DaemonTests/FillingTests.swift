import Configuration
import Foundation
import Journal
import Logging
import Metering
import OBIS
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Daemon

/// What is read of a load profile, by a whole conversation, in virtual time.
@Suite("Filling a hole", .timeLimit(.minutes(2)))
struct FillingTests {
    private static func hours(_ count: Int) -> Duration { .seconds(count * 3600) }

    private static func entries(_ count: Int) -> [UInt8] { Array(repeating: ScriptedMeter.Byte.entry, count: count) }

    /// Some minutes of normal readings, and then none for so long.
    ///
    /// - Returns: when the meter was read last, and when it is read next.
    private func miss(_ duration: Duration, _ bench: ProfileBench) async -> (last: Timestamp, next: Timestamp) {
        for _ in 0..<3 {
            bench.clock.pass(.seconds(60))
            await bench.poll()
        }
        _ = await bench.settle()
        let last = bench.clock.now
        bench.clock.pass(duration)
        return (last, bench.clock.now)
    }

    @Test("a meter is asked by its own clock, whatever zone is configured for it", arguments: [nil, 0, -300])
    func ownOffset(minutes: Int?) async throws {
        try await withProfileBench { bench in
            bench.scripted.state.withLock { $0.utcOffset = minutes }
            let hole = await miss(Self.hours(3), bench)
            let span = try #require(await bench.pollAndFill().first)
            // Without a word of its own the configured zone counts: Zurich, in winter.
            let last = hole.last.milliseconds / 1000 + 60 * Int64(minutes ?? 60)
            #expect((last - 3700...last - 3500).contains(span.start))
        }
    }

    @Test("two hours without the daemon are filled to the last interval, each once, also when it is killed meanwhile")
    func acceptance() async throws {
        try await withProfileBench { bench in
            let hole = await miss(.seconds(60), bench)
            await bench.kill()
            bench.clock.pass(Self.hours(2))
            let end = bench.clock.now
            try await bench.start()
            bench.scripted.state.withLock { $0.answers = [.led] }
            await bench.poll()
            await bench.hear { if case .profile = $0 { true } else { false } }
            // The second end comes in the middle of the answer.
            bench.link.feed.push(Self.entries(6))
            _ = await bench.settle()
            await bench.kill()
            bench.clock.pass(.seconds(20))
            try await bench.start()
            #expect(await bench.pollAndFill().count == 1)
            for _ in 0..<8 {
                bench.clock.pass(.seconds(60))
                await bench.pollAndFill()
            }
            try await bench.expectFilled(ProfileBench.ends(after: hole.last, through: end))
            let readings = try await bench.readings()
            #expect(readings.filter { $0["source"]?.string == "live" }.count == 3 + 10)
            #expect(try await bench.holes() == [])
            #expect(await bench.pipeline.figures.backfilled == 8)
        }
    }

    @Test("an entry has its own time, its named values, and says nothing of the present")
    func entry() async throws {
        try await withProfileBench { bench in
            _ = await miss(Self.hours(1), bench)
            let before = Timestamp(milliseconds: bench.clock.now.milliseconds - 60_000)
            await bench.pollAndFill()
            let entries = try await bench.readings().filter { $0["source"]?.string == "load-profile" }
            let entry = try #require(entries.first)
            let time = try #require(entry["time"]?.string)
            let captured = try #require(entry["captured_at"]?.string.flatMap { Timestamp($0) })
            #expect(captured > before)
            #expect(entry["meter_time"]?.string == "2026-01-15T12:45:00+01:00" && time == "2026-01-15T11:45:00.000Z")
            let minutes = try #require(Timestamp(time)).milliseconds / 60_000
            #expect(entry["registers"]?["1-0:1.8.0*255"]?["value"]?.int == Int(minutes))
            #expect(entry["energies"]?["active_import"] != .null && entry["quality"]?.string == "good")
            #expect(entry["epoch"]?.int == 1)
            // The state is that of the live reading, whose counter is above those of all entries.
            let state = try #require(bench.live.payloads["obisd/cellar/main/state"])
            let shown = try #require(ExactJSON(String(decoding: state, as: UTF8.self)))
            let live = bench.clock.now.milliseconds / 60_000
            #expect(shown["registers"]?["1-0:1.8.0*255"]?["value"]?.int == Int(live))
            #expect(shown["source"]?.string == "live")
            #expect(shown["time"]?.string.flatMap { Timestamp($0) }.map { $0 > before } == true)
            #expect(await bench.pipeline.figures.telegrams == 4)
            // Nor does it make the next live reading suspect.
            bench.clock.pass(.seconds(60))
            await bench.poll()
            _ = await bench.settle()
            #expect(try await bench.readings().allSatisfy { $0["quality"]?.string == "good" })
        }
    }

    @Test("is done in pieces of six hours, one after the other, and each has its turn on a shared line")
    func pieces() async throws {
        try await withProfileBench { bench in
            let hole = await miss(Self.hours(15), bench)
            await bench.stop()
            await bench.converse(isShared: true)
            let spans = await bench.pollAndFill()
            let hours: [Int64] = [8, 8, 5]
            #expect(spans.map { ($0.end - $0.start + 60) / 3600 } == hours)
            #expect(bench.link.turns.begun == 4 && bench.link.turns.ended == 4)
            try await bench.expectFilled(ProfileBench.ends(after: hole.last, through: hole.next))
            // The end is asked for again when a late clock must have reached it.
            bench.clock.pass(.seconds(60))
            #expect(await bench.pollAndFill() == [])
        }
    }

    @Test("gives way to a poll that comes due meanwhile, which is not lost")
    func pollMeanwhile() async throws {
        try await withProfileBench { bench in
            bench.scripted.state.withLock {
                $0.interval = 360
                $0.answers = Array(repeating: .led, count: 400)
            }
            let hole = await miss(Self.hours(24 * 100), bench)
            await bench.poll()
            await bench.hear { if case .profile = $0 { true } else { false } }
            #expect(bench.bell.ring())
            // The request takes its own way: it arrives during one of the pieces, and is next when that is over.
            var pieces = 1
            while pieces < 400 {
                bench.link.feed.push([ScriptedMeter.Byte.end])
                var isPoll = false
                await bench.hear { heard in
                    isPoll = heard == .poll
                    return true
                }
                if isPoll { break }
                pieces += 1
            }
            #expect(pieces < 400)
            bench.scripted.state.withLock { $0.answers = [] }
            // After the poll the next piece is asked for, which was led when the poll came.
            let next = await bench.hear { if case .profile = $0 { true } else { false } }
            #expect(next.count == 1)
            bench.link.feed.push([ScriptedMeter.Byte.end])
            _ = await bench.settle()
            let expected = ProfileBench.ends(after: hole.last, through: hole.next, every: 360)
            try await bench.expectFilled(expected)
            #expect(try await bench.readings().filter { $0["source"]?.string == "live" }.count == 5)
        }
    }

    @Test("that fails is tried again after the next reading, rests after three times, and is no failed poll")
    func failure() async throws {
        try await withProfileBench { bench in
            let hole = await miss(Self.hours(2), bench)
            let error = WireError(.timeout, "the meter does not answer")
            bench.scripted.state.withLock {
                $0.answers = [.broken(6, error), .broken(0, error), .broken(0, error)]
            }
            for count in 1...3 {
                #expect(await bench.pollAndFill().count == 1, "\(count)")
                bench.clock.pass(.seconds(60))
            }
            // What came before the first failure is there.
            try await bench.expectFilled(Array(ProfileBench.ends(after: hole.last, through: hole.next).prefix(2)))
            for _ in 0..<58 {
                #expect(await bench.pollAndFill() == [])
                bench.clock.pass(.seconds(60))
            }
            #expect(await bench.pollAndFill() == [])
            bench.clock.pass(.seconds(60))
            #expect(await bench.pollAndFill().count == 1)
            try await bench.expectFilled(ProfileBench.ends(after: hole.last, through: hole.next))
            #expect(bench.findings.pollsFailed == 0 && bench.polls.failures == 0)
            #expect(await bench.pipeline.isOnline)
            #expect(await bench.pipeline.figures.rejected == [:])
        }
    }

    @Test("is not tried where the poll itself failed")
    func pollFailed() async throws {
        try await withProfileBench { bench in
            _ = await miss(Self.hours(2), bench)
            bench.scripted.state.withLock { $0.answers = [.broken(0, WireError(.timeout, "no"))] }
            #expect(await bench.pollAndFill().count == 1)
            bench.scripted.state.withLock { $0.pollErrors = [WireError(.timeout, "no")] }
            #expect(await bench.pollAndFill() == [])
            #expect(await bench.pollAndFill().count == 1)
        }
    }

    @Test("ends for good where the meter has no load profile, with one line in the log")
    func unsupported() async throws {
        let log = SentenceLog()
        try await withProfileBench(log: Logger(label: "test") { _ in log }) { bench in
            _ = await miss(Self.hours(20), bench)
            bench.scripted.state.withLock { $0.answers = [.broken(0, WireError(.unsupported, "no profile"))] }
            #expect(await bench.pollAndFill().count == 1)
            bench.clock.pass(.seconds(60))
            #expect(await bench.pollAndFill() == [])
            await bench.kill()
            try await bench.start()
            #expect(await bench.pollAndFill() == [])
            #expect(try await bench.readings().allSatisfy { $0["source"]?.string == "live" })
            #expect(log.sentences.filter { $0.contains("no load profile") }.count == 1)
            #expect(bench.findings.pollsFailed == 0)
        }
    }

    @Test("goes on where it was when the line is lost in the middle of an answer")
    func lostLine() async throws {
        try await withProfileBench { bench in
            let hole = await miss(Self.hours(2), bench)
            bench.scripted.state.withLock { $0.answers = [.led] }
            await bench.poll()
            await bench.hear { if case .profile = $0 { true } else { false } }
            bench.link.feed.push(Self.entries(7))
            _ = await bench.settle()
            guard case .lost? = await bench.lose() else { throw NotInTime(description: "the line was not lost") }
            let expected = ProfileBench.ends(after: hole.last, through: hole.next)
            try await bench.expectFilled(Array(expected.prefix(3)))
            await bench.converse()
            let span = try #require(await bench.pollAndFill().first)
            let third = try #require(Timestamp(expected[2])).milliseconds / 1000
            #expect(span.start == third + 3600 - 3600)
            try await bench.expectFilled(expected)
        }
    }

    @Test("loses and repeats no entry when the process ends between two, many of which are in the journal already")
    func killed() async throws {
        try await withProfileBench { bench in
            bench.scripted.state.withLock { $0.interval = 1 }
            let hole = await miss(Self.hours(3), bench)
            bench.scripted.state.withLock { $0.answers = [.led] }
            await bench.poll()
            await bench.hear { if case .profile = $0 { true } else { false } }
            // Those of the hour before the hole come first.
            bench.link.feed.push(Self.entries(60 + 70))
            _ = await bench.settle()
            let expected = ProfileBench.ends(after: hole.last, through: hole.next, every: 1)
            try await bench.expectFilled(Array(expected.prefix(64)))
            await bench.kill()
            try await bench.start()
            await bench.pollAndFill()
            try await bench.expectFilled(expected)
        }
    }

    @Test("waits for an entry that the journal does not take, and takes it once")
    func journalRefuses() async throws {
        try await withProfileBench { bench in
            let hole = await miss(Self.hours(2), bench)
            bench.scripted.state.withLock { state in
                let first = state.sent
                state.spoil = { number, entry in
                    guard number == first + 7 else { return }
                    let long = Register(
                        obis: ObisCode(0, 0, 96, 50, 0), value: .text(String(repeating: "x", count: 1 << 15)))
                    entry.registers += Array(repeating: long, count: 32)
                }
            }
            await bench.pollAndFill()
            try await bench.expectFilled([])
            let entries = try await bench.journal.entries(after: 0, limit: 100)
            #expect(entries.allSatisfy { $0.gap == nil })
            await bench.pollAndFill()
            try await bench.expectFilled(ProfileBench.ends(after: hole.last, through: hole.next))
        }
    }

    @Test("moves on where the meter had no entries, and remembers that")
    func empty() async throws {
        try await withProfileBench { bench in
            bench.scripted.state.withLock { $0.interval = 1_000_000 }
            let hole = await miss(Self.hours(12), bench)
            #expect(await bench.pollAndFill().count == 2)
            let rest = try #require(try await bench.holes())
            #expect(rest.count == 1 && Timestamp.milliseconds(from: rest[0].after, to: hole.next) == 300_000)
            bench.clock.pass(.seconds(180))
            #expect(await bench.pollAndFill() == [])
            bench.clock.pass(.seconds(120))
            #expect(await bench.pollAndFill().count == 1)
            await bench.kill()
            try await bench.start()
            #expect(await bench.pollAndFill() == [])
            try await bench.expectFilled([])
        }
    }

    @Test("takes the last entry later from a meter whose clock is late")
    func lateClock() async throws {
        try await withProfileBench { bench in
            bench.scripted.state.withLock { $0.delay = .seconds(240) }
            // The end lies half a minute behind a quarter of an hour.
            let now = bench.clock.now.milliseconds
            bench.clock.pass(.milliseconds(900_000 - now % 900_000 - 180_000 + 30_000))
            let hole = await miss(Self.hours(2), bench)
            let expected = ProfileBench.ends(after: hole.last, through: hole.next)
            await bench.pollAndFill()
            try await bench.expectFilled(Array(expected.dropLast()))
            for _ in 0..<5 {
                bench.clock.pass(.seconds(60))
                await bench.pollAndFill()
            }
            try await bench.expectFilled(expected)
        }
    }

    @Test("is not asked of a meter that is exchanged, nor where it is switched off or the meter's clock is not used")
    func notAsked() async throws {
        try await withProfileBench { bench in
            _ = await miss(Self.hours(2), bench)
            bench.scripted.state.withLock { $0.answers = [.led] }
            await bench.poll()
            await bench.hear { if case .profile = $0 { true } else { false } }
            bench.link.feed.push(Self.entries(6))
            _ = await bench.settle()
            await bench.pipeline.replaced()
            bench.link.feed.push([ScriptedMeter.Byte.end])
            _ = await bench.settle()
            #expect(await bench.pollAndFill() == [])
            try await bench.expectFilled([])
            await bench.kill()
            try await bench.start()
            #expect(await bench.pollAndFill() == [])
        }
        var off = ProfileBench.meter
        off.settings.loadProfile = .off
        var ignored = ProfileBench.meter
        ignored.usesMeterClock = false
        for meter in [off, ignored] {
            try await withProfileBench(meter) { bench in
                _ = await miss(Self.hours(2), bench)
                #expect(await bench.pollAndFill() == [])
            }
        }
    }

    @Test("that is switched on again does not begin with what was read while it was off")
    func switchedOff() async throws {
        try await withFolder { folder in
            var off = ProfileBench.meter
            off.settings.loadProfile = .off
            for (hour, meter) in [ProfileBench.meter, off, ProfileBench.meter, ProfileBench.meter].enumerated() {
                let bench = try await ProfileBench(meter, log: quietLogger, folder: folder)
                bench.clock.pass(Self.hours(hour))
                await bench.converse()
                #expect(await bench.pollAndFill().count == (hour == 3 ? 1 : 0), "\(hour)")
                await bench.kill()
            }
        }
    }

    @Test("takes nothing from another meter, and nothing behind its entry")
    func stranger() async throws {
        try await withProfileBench { bench in
            let hole = await miss(Self.hours(2), bench)
            bench.scripted.state.withLock { state in
                let first = state.sent
                state.spoil = { number, entry in if number == first + 6 { entry.meter.id = "2000" } }
            }
            await bench.pollAndFill()
            let expected = ProfileBench.ends(after: hole.last, through: hole.next)
            try await bench.expectFilled(Array(expected.prefix(2)))
            await bench.pollAndFill()
            try await bench.expectFilled(expected)
            #expect(try await bench.readings().allSatisfy { $0["device"]?["id"]?.string == "1000" })
        }
    }

    @Test("keeps an impossible value out of the named ones")
    func implausible() async throws {
        try await withProfileBench { bench in
            _ = await miss(Self.hours(2), bench)
            bench.scripted.state.withLock { state in
                state.spoil = { _, entry in
                    entry.registers.append(
                        Register(obis: ObisCode(1, 0, 32, 7, 0), value: .number(FixedDecimal(2310)), unit: .volt))
                }
            }
            await bench.pollAndFill()
            let entries = try await bench.readings().filter { $0["source"]?.string == "load-profile" }
            #expect(entries.count == 8)
            #expect(entries.allSatisfy { $0["quality"]?.string == "error" && $0["voltages"]?["l1"] == .null })
            #expect(entries.allSatisfy { $0["energies"]?["active_import"] != .null })
        }
    }

    @Test("does not thin entries, and is not set back by a reading that was held back", arguments: [false, true])
    func thinned(ends: Bool) async throws {
        var meter = ProfileBench.meter
        meter.recordsEvery = .seconds(86_400)
        try await withProfileBench(meter) { bench in
            let hole = await miss(Self.hours(2), bench)
            await bench.pollAndFill()
            try await bench.expectFilled(ProfileBench.ends(after: hole.last, through: hole.next))
            if ends {
                await bench.stop()
                await bench.pipeline.end()
            }
            await bench.kill()
            try await bench.start()
            await bench.pollAndFill()
            #expect(try await bench.filled().count == 8)
        }
    }

    @Test("goes on after a reload, which knows the hole and what was filled of it")
    func reload() async throws {
        try await withProfileBench { bench in
            let hole = await miss(Self.hours(9), bench)
            bench.scripted.state.withLock { $0.answers = [.whole, .led] }
            await bench.poll()
            await bench.hear { if case .profile = $0 { true } else { false } }
            await bench.hear { if case .profile = $0 { true } else { false } }
            await bench.reload()
            #expect(await bench.pollAndFill().count == 1)
            try await bench.expectFilled(ProfileBench.ends(after: hole.last, through: hole.next))
        }
    }

    @Test("goes by the journal where that gathers what it syncs")
    func gathering() async throws {
        let settings = JournalSettings(sync: .every(.milliseconds(100)))
        try await withProfileBench(ProfileBench.meter, settings) { bench in
            let hole = await miss(Self.hours(9), bench)
            await bench.pollAndFill()
            await bench.pipeline.journaled()
            try await bench.expectFilled(ProfileBench.ends(after: hole.last, through: hole.next))
        }
    }

    @Test(
        "over a change of time takes every entry once", arguments: ["2026-03-29T00:20:00Z", "2026-10-24T23:20:00Z"],
        [0, 50, 100, 150])
    func changeOfTime(day: String, minutes: Int) async throws {
        let begin = try #require(Timestamp(day))
        try await withProfileBench { bench in
            bench.clock.pass(.milliseconds(Timestamp.milliseconds(from: bench.clock.now, to: begin)))
            bench.clock.pass(.seconds(minutes * 60))
            let hole = await miss(Self.hours(4), bench)
            await bench.pollAndFill()
            try await bench.expectFilled(ProfileBench.ends(after: hole.last, through: hole.next))
        }
    }

    @Test("leaves out what a meter repeats whose clock was set back")
    func setBack() async throws {
        let log = SentenceLog()
        try await withProfileBench(log: Logger(label: "test") { _ in log }) { bench in
            let hole = await miss(Self.hours(2), bench)
            bench.scripted.state.withLock { state in
                let first = state.sent
                state.spoil = { number, entry in
                    guard number == first + 8, let end = entry.intervalEnd else { return }
                    entry.intervalEnd = MeterTime(localSeconds: end.localSeconds - 1800)
                }
            }
            await bench.pollAndFill()
            var expected = ProfileBench.ends(after: hole.last, through: hole.next)
            expected.remove(at: 4)
            try await bench.expectFilled(expected)
            #expect(log.sentences.contains { $0.contains("set back") && $0.hasSuffix("1 in this answer.") })
        }
    }
}

@Suite("What a session keeps", .timeLimit(.minutes(1)))
struct KeepTests {
    @Test("is there when the next conversation begins, also after a restart, and the newest counts")
    func kept() async throws {
        try await withProfileBench { bench in
            bench.scripted.state.withLock { $0.keeps = [1, 2, 3] }
            await bench.poll()
            #expect(await bench.settle().first == .kept(true))
            #expect(try await bench.journal.value(forKey: "session", meter: "main") == [1, 2, 3])
            _ = await bench.lose()
            let heard = await bench.converse()
            #expect(heard == [.recalled([1, 2, 3]), .opened])
            bench.scripted.state.withLock { $0.keeps = [4] }
            await bench.poll()
            _ = await bench.settle()
            await bench.kill()
            let restarted = try await bench.start()
            #expect(restarted == [.recalled([4]), .opened])
            #expect(await bench.reload() == [.recalled([4]), .opened])
        }
    }

    @Test("is nothing at first, and is not safe where the journal is not")
    func refused() async throws {
        try await withProfileBench { bench in
            bench.scripted.state.withLock { $0.keeps = [UInt8](repeating: 0, count: (1 << 16) + 1) }
            await bench.poll()
            #expect(await bench.settle().first == .kept(false))
            bench.scripted.state.withLock { $0.keeps = [5] }
            await bench.journal.close()
            await bench.poll()
            #expect(await bench.settle().first == .kept(false))
            await bench.stop()
            let restarted = try await bench.start()
            #expect(restarted == [.opened])
        }
    }

    @Test("is safe before the journal has gathered what else it syncs")
    func gathering() async throws {
        let forever = JournalSettings(sync: .every(.seconds(86_400)))
        try await withProfileBench(ProfileBench.meter, forever) { bench in
            bench.scripted.state.withLock { $0.keeps = [1] }
            await bench.poll()
            #expect(await bench.settle().first == .kept(true))
            let readings = try await bench.readings()
            #expect(readings.isEmpty)
        }
    }
}
