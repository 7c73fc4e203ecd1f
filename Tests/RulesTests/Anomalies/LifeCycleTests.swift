import OBIS
import Rules
import Testing

/// What every rule must do, whatever it looks at.
@Suite("The life of an anomaly")
struct LifeCycleTests {
    @Test("every rule has a course, or looks at several meters")
    func complete() {
        let types = RuleRegistry.all.filter { !$0.isAcrossMeters }.map(\.type)
        #expect(Set(types) == Set(Course.all.map(\.type)))
        #expect(Set(types).count == types.count)
    }

    @Test("it is found in time and not before", arguments: Course.all)
    func found(_ course: Course) {
        var stage = course.stage()
        #expect(stage.log(of: course.type) == [])
        let time = stage.play(until: .opened, of: course.type, atMost: .days(40), every: course.step, course.bad)
        #expect(
            time.map { $0 >= course.notBefore && $0 <= course.within } == true,
            "found after \(String(describing: time))")
        let opened = stage.changes.first { $0.anomaly.type == course.type }
        #expect(opened?.anomaly.severity == course.severity)
        #expect(opened?.anomaly.phase == course.phase)
        #expect(opened?.anomaly.status == .active)
        #expect(opened?.anomaly.revision == 1)
        #expect(opened?.anomaly.meter == "main")
        #expect(opened?.anomaly.startedAt == stage.wall)
        #expect(opened?.anomaly.text.isEmpty == false)
        #expect(stage.log(of: course.type).count == 1)
    }

    @Test("it is said once, however long it lasts", arguments: Course.all)
    func holds(_ course: Course) {
        var stage = course.openStage()
        stage.play(for: course.step * 60, every: course.step, course.bad)
        #expect(stage.log(of: course.type).count { $0.hasPrefix("opened") } == 1)
        #expect(stage.log(of: course.type).count { $0.hasPrefix("resolved") } == 0)
        #expect(stage.engine.open.count { $0.type == course.type } == 1)
    }

    @Test("it is over once all has been well for long enough", arguments: Course.all)
    func leaves(_ course: Course) throws {
        var stage = course.openStage()
        let time = stage.play(
            until: .resolved, of: course.type, atMost: course.clearsWithin, every: course.step, course.good)
        #expect(time != nil)
        let own = stage.changes.filter { $0.anomaly.type == course.type }
        let (first, last) = (try #require(own.first), try #require(own.last))
        #expect(last.anomaly.id == first.anomaly.id)
        #expect(last.anomaly.status == .resolved)
        #expect(last.anomaly.resolvedAt == stage.wall)
        #expect(own.map(\.anomaly.revision) == Array(1...own.count))
        #expect(!stage.engine.open.contains { $0.type == course.type })
    }

    @Test("values at the threshold neither end it nor open it again", arguments: Course.all.filter { $0.edge != nil })
    func flapping(_ course: Course) throws {
        let edge = try #require(course.edge)
        var stage = course.openStage()
        for _ in 0..<40 {
            stage.show(after: course.step, edge)
            stage.show(after: course.step, course.bad)
        }
        stage.play(for: course.clearsWithin * 2, every: course.step, edge)
        #expect(stage.log(of: course.type).count { $0.hasPrefix("opened") } == 1)
        #expect(stage.log(of: course.type).count { $0.hasPrefix("resolved") } == 0)
    }

    @Test("values at the threshold open nothing by themselves", arguments: Course.all.filter { $0.edge != nil })
    func edge(_ course: Course) throws {
        var stage = course.stage()
        stage.play(for: course.within * 3, every: course.step, try #require(course.edge))
        #expect(stage.log(of: course.type) == [])
    }

    @Test("what comes and goes all the time is said at most once an hour", arguments: Course.all)
    func coming(_ course: Course) {
        var stage = course.stage()
        let start = stage.wall
        for _ in 0..<30 {
            stage.show(after: course.step, course.bad)
            stage.show(after: course.step, course.good)
        }
        let hours = Timestamp.milliseconds(from: start, to: stage.wall) / 3_600_000 + 1
        #expect(stage.log(of: course.type).count { $0.hasPrefix("opened") } <= hours * 2)
    }

    @Test("a restart neither opens it again nor forgets it", arguments: Course.all)
    func restart(_ course: Course) throws {
        var stage = course.openStage()
        let id = try #require(stage.engine.open.first { $0.type == course.type }?.id)
        stage.restart()
        #expect(stage.engine.open.contains { $0.id == id })
        stage.play(for: course.step * 20, every: course.step, course.bad)
        stage.restart()
        let count = stage.changes.count
        let time = stage.play(
            until: .resolved, of: course.type, atMost: course.clearsWithin * 2, every: course.step, course.good)
        #expect(time != nil)
        #expect(Set(stage.changes.filter { $0.anomaly.type == course.type }.map(\.anomaly.id)) == [id])
        #expect(stage.changes[count...].count { $0.anomaly.type == course.type && $0.kind == .opened } == 0)
    }

    @Test("a restart before it was found delays it by no more than its time", arguments: Course.all)
    func restartBefore(_ course: Course) {
        var stage = course.stage()
        stage.restart()
        stage.play(for: course.notBefore / 2, every: course.step, course.bad)
        stage.restart()
        let time = stage.play(
            until: .opened, of: course.type, atMost: course.within * 2, every: course.step, course.bad)
        #expect(time != nil || stage.log(of: course.type).contains { $0.hasPrefix("opened") })
    }

    @Test("what is missing is neither bad nor good", arguments: Course.all.filter { $0.missing != nil })
    func missing(_ course: Course) throws {
        let missing = try #require(course.missing)
        var stage = course.openStage()
        let count = stage.log(of: course.type).count
        #expect(count > 0)
        stage.play(for: max(course.clearsWithin, course.step * 20), every: course.step, missing)
        #expect(stage.log(of: course.type).dropFirst(count).allSatisfy { $0.hasPrefix("updated") })

        var never = course.stage()
        never.play(for: course.within * 2, every: course.step) {
            course.bad(&$0)
            missing(&$0)
        }
        #expect(never.log(of: course.type) == [])
    }

    @Test("a gap does not end it", arguments: Course.all.filter { $0.type != "stale" && $0.type != "budget" })
    func gap(_ course: Course) {
        var stage = course.openStage()
        stage.skip(.days(2))
        #expect(stage.log(of: course.type).count { $0.hasPrefix("resolved") } == 0)
        stage.show(after: course.step, course.bad)
        #expect(stage.log(of: course.type).count { $0.hasPrefix("resolved") } == 0)
        #expect(stage.log(of: course.type).count { $0.hasPrefix("opened") } == 1)
    }

    /// Rules whose time is not one of days, and that wait for readings.
    static let timed = Course.all.filter { $0.notBefore >= .seconds(30) && $0.within < .hours(1) && $0.type != "stale" }

    @Test("a gap does not count as holding", arguments: timed)
    func gapWhileWaiting(_ course: Course) {
        var stage = course.stage()
        for _ in 0..<6 {
            stage.play(for: course.notBefore * 0.6, every: course.step, course.bad)
            stage.skip(max(course.notBefore, .minutes(5)))
        }
        // The share of damaged frames is one of frames: no time is measured.
        if course.type != "bad_link" { #expect(stage.log(of: course.type) == []) }
    }

    @Test("while it is ignored, only its end is said", arguments: Course.all)
    func ignored(_ course: Course) throws {
        var stage = course.openStage()
        stage.ignore(try #require(stage.engine.open.first { $0.type == course.type }?.id))
        #expect(stage.log(of: course.type).last?.hasPrefix("ignored") == true)
        let count = stage.log(of: course.type).count
        stage.restart()
        stage.play(for: course.step * 30, every: course.step, course.bad)
        #expect(stage.log(of: course.type).count == count)
        #expect(stage.engine.open.first { $0.type == course.type }?.status == .ignored)
        _ = stage.play(
            until: .resolved, of: course.type, atMost: course.clearsWithin * 2, every: course.step, course.good)
        #expect(stage.log(of: course.type).dropFirst(count).map { $0.split(separator: " ")[0] } == ["resolved"])
    }

    @Test("closed by hand, it opens anew only when its cause is still there", arguments: Course.all)
    func closedByHand(_ course: Course) throws {
        var stage = course.openStage()
        let id = try #require(stage.engine.open.first { $0.type == course.type }?.id)
        stage.resolve(id)
        #expect(stage.changes.last?.kind == .resolved)
        #expect(!stage.engine.open.contains { $0.type == course.type })
        let count = stage.log(of: course.type).count
        stage.resolve(id)
        #expect(stage.log(of: course.type).count == count)
        stage.play(for: course.step * 20, every: course.step, course.good)
        #expect(stage.log(of: course.type).count == count)
    }

    @Test(
        "a reading that is replayed says nothing",
        arguments: Course.all.filter { $0.missing != nil || $0.severity == .high })
    func replayed(_ course: Course) {
        guard !["stale", "bad_link", "decryption"].contains(course.type) else { return }
        var stage = course.stage()
        stage.play(for: course.within * 2, every: course.step) {
            course.bad(&$0)
            $0.source = .replay
        }
        #expect(stage.log(of: course.type) == [])
    }
}
