import OBIS
import TestSupport
import Testing

@testable import Daemon

/// What becomes of a time of the day that nobody could meet, in virtual time.
@Suite("Missed times", .timeLimit(.minutes(1)))
struct MissedPollTests {
    private static let day = Duration.seconds(86_400)
    private static let daily = Schedule(interval: day, times: [0])

    /// Of a meter that is asked at midnight, until it is known when that is next.
    private func waitForMidnight(_ bench: ProfileBench) async throws {
        try await waitFor("the next time") { bench.polls.due.map { $0 > bench.clock.now } ?? false }
    }

    /// The same, when the journal has it.
    private func waitForKeptMidnight(_ bench: ProfileBench) async throws {
        try await waitForMidnight(bench)
        try await waitFor("the next time in the journal") {
            try await bench.journal.value(forKey: "poll", meter: bench.meter.id).flatMap {
                Int64(String(decoding: $0, as: UTF8.self))
            }
            .map { $0 > bench.clock.now.milliseconds } ?? false
        }
    }

    @Test("the line was away: it is made up for as soon as the line is there, once")
    func line() async throws {
        try await withProfileBench { bench in
            await bench.stop()
            await bench.converse(schedule: Self.daily)
            try await waitForMidnight(bench)
            let first = await bench.settle()
            #expect(!first.contains(.poll))
            await bench.stop()
            bench.clock.pass(Self.day)
            await bench.converse(schedule: Self.daily)
            await bench.hear { $0 == .poll }
            try await waitForMidnight(bench)
            _ = await bench.settle()
            await bench.stop()
            await bench.converse(schedule: Self.daily)
            let second = await bench.settle()
            #expect(!second.contains(.poll))
        }
    }

    @Test("the daemon was away: it is made up for at the start, once")
    func daemon() async throws {
        try await withProfileBench { bench in
            await bench.stop()
            await bench.converse(schedule: Self.daily)
            try await waitForKeptMidnight(bench)
            let heard = await bench.settle()
            #expect(!heard.contains(.poll))
            await bench.kill()
            bench.clock.pass(Self.day)
            try await bench.start(schedule: Self.daily)
            await bench.hear { $0 == .poll }
            try await waitForKeptMidnight(bench)
            _ = await bench.settle()
            await bench.kill()
            bench.clock.pass(.seconds(1))
            try await bench.start(schedule: Self.daily)
            try await waitForMidnight(bench)
            let again = await bench.settle()
            #expect(!again.contains(.poll))
        }
    }

    @Test("the clock was set forward over it: it is made up for at the next look, once")
    func clock() {
        let history = PollHistory()
        let start = Timestamp(milliseconds: 1_800_000_000_000)
        let wait = history.delay(by: Self.daily, at: start)
        #expect(wait > .zero && wait <= Self.day)
        let behind = start.later(by: wait + .seconds(120))
        #expect(history.delay(by: Self.daily, at: behind) == .zero)
        history.asked(at: behind)
        #expect(history.delay(by: Self.daily, at: behind) == Self.day - .seconds(120))
    }

    @Test("the clock was set back: the time is the next of the clock on the wall")
    func setBack() {
        let history = PollHistory()
        let start = Timestamp(milliseconds: 1_800_000_000_000)
        let wait = history.delay(by: Self.daily, at: start)
        #expect(history.delay(by: Self.daily, at: start.later(by: .seconds(-60))) == wait + .seconds(60))
    }

    @Test("when a daemon before would have asked counts only where that has passed")
    func recalled() {
        let history = PollHistory()
        let now = Timestamp(milliseconds: 1_800_000_000_000)
        history.recall(now.later(by: .seconds(5)), at: now)
        #expect(history.delay(by: Self.daily, at: now) > .seconds(5))
        history.recall(now.later(by: .seconds(-5)), at: now)
        #expect(history.delay(by: Self.daily, at: now) == .zero)
    }
}

extension Timestamp {
    fileprivate func later(by duration: Duration) -> Timestamp {
        Timestamp(milliseconds: milliseconds + duration.wholeMilliseconds)
    }
}
