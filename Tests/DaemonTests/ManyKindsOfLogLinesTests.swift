import LogMessages
import Testing

@Suite("Log lines of more kinds than are told apart")
struct ManyKindsOfLogLinesTests {
    @Test("are held back too: a line that words each message otherwise does not fill the log")
    func flood() {
        var limiter = LogLimiter()
        let admitted = (0..<10_000).count { limiter.admit("k\($0)", now: .milliseconds($0)) != nil }
        #expect(admitted == LogLimiter.capacity)
        // A minute later there is room again.
        #expect(limiter.admit("late", now: .seconds(75)) == 0)
    }
}
