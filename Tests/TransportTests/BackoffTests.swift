import TestSupport
import Testing
import Transport

@Suite("Backoff")
struct BackoffTests {
    @Test("delays double up to the maximum and stay there")
    func doubling() {
        var backoff = Backoff(initial: .seconds(1), maximum: .seconds(60), jitterPercent: 0)
        let delays = (0..<9).map { _ in backoff.next() }
        #expect(delays == [1, 2, 4, 8, 16, 32, 60, 60, 60].map { .seconds($0) })
    }

    @Test("after a reset the first delay comes again")
    func reset() {
        var backoff = Backoff(initial: .milliseconds(500), maximum: .seconds(60), jitterPercent: 0)
        _ = (backoff.next(), backoff.next(), backoff.next())
        backoff.reset()
        #expect(backoff.next() == .milliseconds(500))
    }

    @Test("chance takes away at most its share, and never lengthens a delay", arguments: UInt64(0)..<20)
    func jitter(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var backoff = Backoff(initial: .seconds(1), maximum: .seconds(60), jitterPercent: 25)
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let delay = backoff.next(using: &generator)
            #expect(delay <= .seconds(seconds))
            #expect(delay >= .milliseconds(seconds * 750))
        }
    }

    @Test("the same seed gives the same delays, another seed others")
    func seeds() {
        func delays(_ seed: UInt64) -> [Duration] {
            var generator = SeededGenerator(seed: seed)
            var backoff = Backoff()
            return (0..<8).map { _ in backoff.next(using: &generator) }
        }
        #expect(delays(1) == delays(1))
        #expect(delays(1) != delays(2))
    }

    @Test("years of failure do not overflow")
    func endless() {
        var backoff = Backoff(initial: .seconds(1), maximum: .seconds(Int64.max / 4), jitterPercent: 100)
        for _ in 0..<10_000 { _ = backoff.next() }
        #expect(backoff.next() <= backoff.maximum)
    }

    @Test("an initial delay above the maximum is the maximum")
    func largeInitial() {
        var backoff = Backoff(initial: .seconds(90), maximum: .seconds(60), jitterPercent: 0)
        #expect(backoff.next() == .seconds(60))
    }
}
