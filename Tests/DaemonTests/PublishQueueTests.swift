import OBIS
import TestSupport
import Testing

@testable import Daemon
@testable import Journal

@Suite("The way of readings to the broker")
struct PublishQueueTests {
    @Test("begins behind what the journal knows as acknowledged, and keeps to its window")
    func window() {
        var world = PublishWorld(cursor: 3)
        world.commit(10)
        world.pump(page: 100)
        #expect(world.sent.isEmpty)
        world.connect(window: 4)
        world.pump(page: 100)
        #expect(world.sent == [4, 5, 6, 7])
        world.accept(4)
        world.accept(6)
        world.pump(page: 100)
        // 6 left the window as well, yet 5 holds back what is done.
        #expect(world.queue.acknowledged == 4)
        world.accept(5)
        #expect(world.queue.acknowledged == 6)
    }

    @Test("is silent without a connection, and goes on where it was")
    func disconnected() {
        var world = PublishWorld()
        world.commit(6)
        world.connect(window: 3)
        world.pump(page: 2)
        #expect(world.sent == [1, 2, 3])
        world.accept(1)
        world.disconnect()
        world.lose()
        world.pump(page: 2)
        #expect(world.sent == [1, 2, 3])
        world.connect(window: 3)
        world.pump(page: 2)
        #expect(world.sent == [1, 2, 3, 2, 3, 4])
    }

    @Test("sends nothing after a failure until everything under way has its outcome")
    func rewinding() {
        var world = PublishWorld()
        world.commit(6)
        world.connect(window: 3)
        world.pump(page: 6)
        world.fail(1, hold: false)
        world.pump(page: 6)
        #expect(world.sent == [1, 2, 3])
        world.accept(2)
        world.accept(3)
        world.pump(page: 6)
        #expect(world.sent == [1, 2, 3, 1, 2, 3])
        #expect(world.queue.acknowledged == 0)
    }

    @Test("keeps what the broker refuses until it is released, and sends it first")
    func refused() {
        var world = PublishWorld()
        world.commit(4)
        world.connect(window: 2)
        world.pump(page: 6)
        world.fail(1, hold: true)
        world.fail(2, hold: true)
        #expect(world.queue.isHolding)
        world.commit(2)
        world.pump(page: 6)
        #expect(world.sent == [1, 2])
        world.queue.release()
        world.pump(page: 6)
        #expect(world.sent == [1, 2, 1, 2])
        // A new connection may lead to another broker, which is asked at once.
        world.fail(1, hold: true)
        world.disconnect()
        world.lose()
        world.connect(window: 2)
        world.pump(page: 6)
        #expect(world.sent == [1, 2, 1, 2, 1, 2])
    }

    @Test("goes over positions that the journal no longer has")
    func holes() {
        var world = PublishWorld()
        world.commit(3)
        world.skip(5)
        world.commit(2)
        world.connect(window: 10)
        world.pump(page: 2)
        #expect(world.sent == [1, 2, 3, 9, 10])
        for position in world.sent { world.accept(position) }
        #expect(world.queue.acknowledged == 10)
        #expect(world.queue.fetchAfter == nil && world.queue.isQuiet)
    }

    @Test("any order of events: nothing is skipped, nothing is done without an acknowledgement", arguments: 1...60)
    func model(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var world = PublishWorld()
        for _ in 0..<600 {
            world.anything(&random)
            world.pump(page: Int.random(in: 1...7, using: &random))
            guard world.problems.isEmpty else { break }
        }
        world.drain()
        #expect(world.problems == [])
        #expect(world.queue.acknowledged == world.journal.last ?? 0)
        #expect(Set(world.journal).isSubset(of: world.delivered))
    }

    @Test("a crash repeats at most one window")
    func repeats() {
        var random = SeededGenerator(seed: 3)
        var world = PublishWorld()
        world.commit(1000)
        world.connect(window: 16)
        var most = 0
        for _ in 0..<2000 {
            world.pump(page: 50)
            if let position = world.underWay.randomElement(using: &random) { world.accept(position) }
            if let position = world.queue.mustRecord { world.record(position) }
            most = max(most, world.journal.count { $0 > world.queue.recorded && world.delivered.contains($0) })
        }
        #expect(world.queue.acknowledged == 1000)
        #expect(most <= Int(PublishQueue.unrecordedLimit))
    }
}

/// A journal, a broker that takes what is sent and may forget to say so, and a queue between them.
private struct PublishWorld {
    var queue: PublishQueue
    /// Positions in the journal, in order; some numbers are missing.
    private(set) var journal: [Int64] = []
    private var newest: Int64 = 0
    /// What the broker has.
    private(set) var delivered: Set<Int64> = []
    private var positivelyAcknowledged: Set<Int64> = []
    private(set) var sent: [Int64] = []
    private(set) var underWay: [Int64] = []
    private var window = 0
    private var isConnected = false
    private var isHeld = false
    /// Everything that broke a promise.
    private(set) var problems: [String] = []

    init(cursor: Int64 = 0) {
        queue = PublishQueue(cursor: cursor)
        newest = cursor
    }

    // MARK: Events

    mutating func commit(_ count: Int) {
        for _ in 0..<count {
            newest += 1
            journal.append(newest)
        }
        queue.committed(newest: newest)
    }

    /// Positions that retention took.
    mutating func skip(_ count: Int64) { newest += count }

    mutating func connect(window: Int) {
        self.window = window
        isConnected = true
        isHeld = false
        queue.connected(window: window)
    }

    mutating func disconnect() {
        isConnected = false
        queue.disconnected()
    }

    /// What was under way gets the answer that the connection was lost.
    mutating func lose() {
        while let position = underWay.first { fail(position, hold: false) }
    }

    mutating func accept(_ position: Int64) {
        guard let index = underWay.firstIndex(of: position) else { return }
        underWay.remove(at: index)
        positivelyAcknowledged.insert(position)
        queue.accepted(position)
        check()
    }

    mutating func fail(_ position: Int64, hold: Bool) {
        guard let index = underWay.firstIndex(of: position) else { return }
        underWay.remove(at: index)
        if hold { isHeld = true }
        queue.failed(position, hold: hold)
        check()
    }

    mutating func release() {
        isHeld = false
        queue.release()
    }

    mutating func record(_ position: Int64) {
        if position > queue.acknowledged { problems.append("recorded \(position), which is not acknowledged") }
        queue.recorded(upTo: position)
    }

    /// The process dies and starts again: only the journal and the broker remember.
    mutating func crash() {
        queue = PublishQueue(cursor: queue.recorded)
        (underWay, isConnected, isHeld) = ([], false, false)
        queue.committed(newest: newest)
    }

    mutating func anything(_ random: inout SeededGenerator) {
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<5: commit(Int.random(in: 1...4, using: &random))
        case 5: skip(Int64.random(in: 1...3, using: &random))
        case 6, 7: if !isConnected { connect(window: Int.random(in: 1...6, using: &random)) }
        case 8: if isConnected { disconnect() }
        case 9: lose()
        case 10: if let position = underWay.randomElement(using: &random) { fail(position, hold: true) }
        case 11: if let position = underWay.randomElement(using: &random) { fail(position, hold: false) }
        case 12: release()
        case 13:
            guard let position = queue.mustRecord ?? queue.unrecorded else { break }
            if Bool.random(using: &random) { record(position) } else { queue.recordingFailed(upTo: position) }
        case 14: if Int.random(in: 0..<8, using: &random) == 0 { crash() }
        default: if let position = underWay.randomElement(using: &random) { accept(position) }
        }
    }

    /// Everything that the queue wants at this moment.
    mutating func pump(page: Int) {
        while true {
            if let position = queue.fetchAfter {
                queue.loaded(journal.filter { $0 > position }.prefix(page).map(Self.entry))
            }
            guard let entry = queue.next() else { break }
            send(entry.position)
        }
        if queue.isQuiet != underWay.isEmpty, underWay.isEmpty { problems.append("waits for outcomes that all came") }
    }

    /// The broker stays and takes everything.
    mutating func drain() {
        lose()
        if !isConnected { connect(window: 5) }
        release()
        for _ in 0..<10_000 where queue.acknowledged < journal.last ?? 0 {
            pump(page: 50)
            guard let position = underWay.first else { break }
            accept(position)
            if let position = queue.mustRecord { record(position) }
        }
    }

    // MARK: Promises

    private mutating func send(_ position: Int64) {
        if !isConnected { problems.append("sent \(position) without a connection") }
        if isHeld { problems.append("sent \(position) although the broker refuses") }
        if underWay.contains(position) { problems.append("sent \(position) twice at a time") }
        // What goes before it is under way or at the broker.
        let missing = journal.first { $0 < position && !delivered.contains($0) && !underWay.contains($0) }
        if let missing { problems.append("sent \(position) before \(missing)") }
        if let last = underWay.last, last > position { problems.append("sent \(position) behind \(last)") }
        underWay.append(position)
        delivered.insert(position)
        sent.append(position)
        if underWay.count > window { problems.append("\(underWay.count) under way in a window of \(window)") }
    }

    private mutating func check() {
        let lost = journal.first { $0 <= queue.acknowledged && !positivelyAcknowledged.contains($0) }
        if let lost { problems.append("done up to \(queue.acknowledged), but \(lost) was never acknowledged") }
    }

    private static func entry(_ position: Int64) -> JournalEntry {
        .reading(
            JournaledReading(
                position: position, meter: "m\(position % 3)", seq: position, capturedAt: Timestamp(milliseconds: 0),
                payload: []))
    }
}
