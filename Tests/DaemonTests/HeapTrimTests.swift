import Testing

@testable import Daemon

@Suite("When the heap gives back what is free")
struct HeapTrimTests {
    /// A clock that only what is done moves on.
    private final class Course {
        var now = Duration.seconds(0)
        var trims: [Duration] = []
        var cost = Duration.milliseconds(1)

        func look(_ trim: inout HeapTrim, after rest: Duration) {
            now += rest
            trim.look(at: { now }) {
                trims.append(now)
                now += cost
            }
        }
    }

    @Test("once a minute, not at the start")
    func everyMinute() {
        let course = Course()
        var trim = HeapTrim(since: course.now)
        for _ in 0..<200 { course.look(&trim, after: .seconds(1)) }
        #expect(course.trims.count == 3)
        #expect(course.trims.first == .seconds(60))
    }

    @Test("a large heap, whose trimming takes long, less often: a ten-thousandth of the time at most")
    func large() {
        let course = Course()
        course.cost = .milliseconds(500)
        var trim = HeapTrim(since: course.now)
        for _ in 0..<12_000 { course.look(&trim, after: .seconds(1)) }
        // 60 s, and 5 000 s after each.
        #expect(course.trims.count == 3)
    }
}
