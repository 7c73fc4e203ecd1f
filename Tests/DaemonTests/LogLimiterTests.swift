import LogMessages
import Logging
import Testing

@testable import Daemon

@Suite("Log lines of one kind")
struct LogLimiterTests {
    @Test("come at once, then after a minute, after ten and hourly, with the number of those between")
    func growing() {
        var limiter = LogLimiter()
        let said = (0..<15_000).filter { limiter.admit("a", now: .seconds($0)) != nil }
        #expect(said == [0, 60, 660, 4260, 7860, 11_460])
        #expect(limiter.admit("a", now: .seconds(15_060)) == 3539)
        #expect(limiter.admit("b", now: .seconds(15_060)) == 0)
    }

    @Test("are news when they come back, and soon after too")
    func over() {
        var limiter = LogLimiter()
        for second in 0..<1000 { _ = limiter.admit("a", now: .seconds(second)) }
        limiter.over("a")
        #expect(limiter.admit("a", now: .seconds(1000)) == 339)
        #expect(limiter.admit("a", now: .seconds(1001)) == nil)
        #expect(limiter.admit("a", now: .seconds(1060)) == 1)
    }

    @Test("that come and go without end are held back as those that stay")
    func flapping() {
        var limiter = LogLimiter()
        let said = (0..<7200).count { second in
            defer { limiter.over(beginning: "li") }
            return limiter.admit("link", now: .seconds(second)) != nil
        }
        // At first, three times anew, after a minute, after ten, hourly.
        #expect(said == 1 + LogLimiter.returnsAtOnce + 2 + 1)
    }

    @Test("begin anew after an hour without any")
    func calm() {
        var limiter = LogLimiter()
        for second in 0..<1000 { _ = limiter.admit("a", now: .seconds(second)) }
        #expect(limiter.admit("a", now: .seconds(999 + 3600)) != nil)
        #expect(limiter.admit("a", now: .seconds(999 + 3661)) == 0)
    }

    @Test("of more kinds than are told apart are still held back, but for the oldest")
    func bounded() {
        var limiter = LogLimiter()
        for index in 0..<LogLimiter.capacity { #expect(limiter.admit("k\(index)", now: .seconds(index)) == 0) }
        #expect(limiter.admit("new", now: .seconds(64)) == 0)
        #expect(limiter.admit("k63", now: .seconds(64)) == nil)
        #expect(limiter.admit("k0", now: .seconds(64)) == 0)
    }
}
