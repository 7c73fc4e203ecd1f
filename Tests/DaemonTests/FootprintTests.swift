import Testing

@testable import Daemon

@Suite("When memory is given back")
struct FootprintTests {
    /// A clock that only what is done moves on.
    private final class Course {
        var now = Duration.seconds(0)
        var trims: [Duration] = []
        var releases: [Duration] = []
        var cost = Duration.milliseconds(1)

        func look(_ footprint: inout Footprint, after rest: Duration) {
            now += rest
            footprint.look(at: { now }) {
                trims.append(now)
                now += cost
            } release: {
                releases.append(now)
            }
        }
    }

    @Test("what the heap holds free: once a minute, not at the start")
    func everyMinute() {
        let course = Course()
        var footprint = Footprint(since: course.now)
        for _ in 0..<200 { course.look(&footprint, after: .seconds(1)) }
        #expect(course.trims.count == 3)
        #expect(course.trims.first == .seconds(60))
    }

    @Test("of a large heap, whose trimming takes long, less often: a ten-thousandth of the time at most")
    func large() {
        let course = Course()
        course.cost = .milliseconds(500)
        var footprint = Footprint(since: course.now)
        for _ in 0..<12_000 { course.look(&footprint, after: .seconds(1)) }
        // 60 s, and 5 000 s after each.
        #expect(course.trims.count == 3)
    }

    @Test("the program's pages: once, when the start is over")
    func once() {
        let course = Course()
        var footprint = Footprint(since: course.now)
        for _ in 0..<200 { course.look(&footprint, after: .seconds(1)) }
        #expect(course.releases == [.seconds(5)])
    }
}
