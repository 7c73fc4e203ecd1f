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
        #expect(world.queue.acknowledged == OutletCursor(4))
        world.accept(5)
        #expect(world.queue.acknowledged == OutletCursor(6))
    }

    @Test("has caught up when all was sent, whether or not it is acknowledged, and no meter waits apart")
    func caughtUp() {
        var world = PublishWorld()
        world.commit(3)
        world.connect(window: 2)
        world.pump(page: 100)
        #expect(!world.queue.isCaughtUp)
        world.accept(1)
        world.pump(page: 100)
        #expect(world.sent == [1, 2, 3])
        #expect(world.queue.isCaughtUp && !world.queue.isQuiet)
        world.commit(4)
        #expect(!world.queue.isCaughtUp)
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
        #expect(world.queue.acknowledged == OutletCursor(0))
    }

    @Test("keeps what a broker that takes nothing refuses until it is released, and sends it first")
    func held() {
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
        world.release()
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
        #expect(world.queue.acknowledged == OutletCursor(10))
        #expect(world.queue.fetch == nil && world.queue.isQuiet)
    }

    @Test("a meter whose topic is refused waits by itself, while the others go on")
    func apart() {
        var world = PublishWorld()
        world.commit(12)
        world.connect(window: 4)
        world.pump(page: 100)
        #expect(world.sent == [1, 2, 3, 4])
        // m1 has 1, 4, 7, 10.
        world.refuse(1)
        for position in [2, 3] as [Int64] { world.accept(position) }
        world.refuse(4)
        world.pump(page: 100)
        #expect(world.sent == [1, 2, 3, 4, 5, 6, 8, 9])
        #expect(world.queue.metersApart == ["m1"])
        #expect(world.queue.acknowledged == OutletCursor(4, apart: ["m1": 0]))
        for position in [5, 6, 8, 9] as [Int64] { world.accept(position) }
        world.pump(page: 100)
        for position in [11, 12] as [Int64] { world.accept(position) }
        #expect(world.queue.acknowledged == OutletCursor(12, apart: ["m1": 0]))
        // The journal is told at once that a meter has stayed behind.
        #expect(world.queue.mustRecord == OutletCursor(12, apart: ["m1": 0]))
        // One is tried; when it is taken, the others follow, and the meter goes with the others again.
        world.release("m1")
        world.pump(page: 100)
        #expect(world.sent.suffix(1) == [1])
        world.accept(1)
        world.pump(page: 100)
        #expect(world.sent.suffix(4) == [1, 4, 7, 10])
        for position in [4, 7, 10] as [Int64] { world.accept(position) }
        world.pump(page: 100)
        #expect(world.queue.acknowledged == OutletCursor(12))
        #expect(world.queue.metersApart == [])
        world.commit(3)
        world.pump(page: 100)
        #expect(world.sent.suffix(3) == [13, 14, 15])
    }

    @Test("after a restart a meter that had stayed behind goes on where it was, and nothing else is repeated")
    func apartAfterRestart() {
        var world = PublishWorld()
        world.commit(9)
        world.connect(window: 20)
        world.pump(page: 100)
        for position in 1...9 as ClosedRange<Int64> {
            if position % 3 == 1 { world.refuse(position) } else { world.accept(position) }
        }
        if let cursor = world.queue.mustRecord { world.record(cursor) }
        world.answerRecord()
        world.crash()
        world.connect(window: 20)
        world.pump(page: 2)
        #expect(world.sent.dropFirst(9) == [1])
        world.accept(1)
        world.pump(page: 2)
        #expect(world.sent.dropFirst(9) == [1, 4, 7])
    }

    @Test("refusals in a row are counted, and a reading that is given up is known as such until it is done")
    func givenUp() {
        var world = PublishWorld()
        world.commit(2)
        world.connect(window: 2)
        world.pump(page: 10)
        world.accept(2)
        #expect(world.refuse(1) == 1)
        for count in 2...4 {
            world.release("m1")
            world.pump(page: 10)
            #expect(world.refuse(1) == count)
        }
        world.queue.giveUp(1, of: "m1")
        world.release("m1")
        world.pump(page: 10)
        #expect(world.queue.isGivenUp(1))
        #expect(world.refuse(1) == 1)
        world.release("m1")
        world.pump(page: 10)
        world.accept(1)
        #expect(!world.queue.isGivenUp(1))
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
        #expect(world.queue.acknowledged == OutletCursor(world.journal.last ?? 0))
        #expect(Set(world.journal).isSubset(of: world.delivered))
    }

    @Test("a crash repeats at most one window")
    func repeats() {
        var random = SeededGenerator(seed: 3)
        var world = PublishWorld()
        world.commit(1000)
        world.connect(window: 16)
        var most = 0
        for round in 0..<2000 {
            world.pump(page: 50)
            // One meter is not taken for a while.
            if round == 100 { for position in world.underWay where position % 3 == 0 { world.refuse(position) } }
            if round == 400 { world.release("m0") }
            if let position = world.underWay.randomElement(using: &random) { world.accept(position) }
            if round % 5 == 0 { world.answerRecord() }
            if let cursor = world.queue.mustRecord { world.record(cursor) }
            most = max(most, world.repeated)
        }
        #expect(world.queue.acknowledged == OutletCursor(1000))
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
    /// The journal was told of acknowledgements, and has not answered.
    private var isRecording = false
    /// Meters that the broker refused a moment ago.
    private var resting: Set<String> = []
    /// Everything that broke a promise.
    private(set) var problems: [String] = []

    init(cursor: Int64 = 0) {
        queue = PublishQueue(cursor: OutletCursor(cursor))
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
        lose()
        self.window = window
        isConnected = true
        isHeld = false
        resting = []
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
        queue.accepted(position, of: Self.meter(position))
        check()
    }

    mutating func fail(_ position: Int64, hold: Bool) {
        guard let index = underWay.firstIndex(of: position) else { return }
        underWay.remove(at: index)
        if hold { isHeld = true }
        queue.failed(position, of: Self.meter(position), hold: hold)
        check()
    }

    /// - Returns: how often in a row, as the queue has it.
    @discardableResult
    mutating func refuse(_ position: Int64) -> Int? {
        guard let index = underWay.firstIndex(of: position) else { return nil }
        underWay.remove(at: index)
        resting.insert(Self.meter(position))
        delivered.remove(position)
        defer { check() }
        return queue.refused(position, of: Self.meter(position))
    }

    mutating func release() {
        isHeld = false
        queue.release()
    }

    mutating func release(_ meter: String) {
        resting.remove(meter)
        queue.release(meter)
    }

    /// The journal is told, and answers later.
    mutating func record(_ cursor: OutletCursor) {
        if cursor != queue.acknowledged { problems.append("recorded \(cursor), which is not acknowledged") }
        if isRecording { problems.append("recorded \(cursor) while another was recorded") }
        isRecording = true
        queue.recording(cursor)
    }

    mutating func answerRecord(isDone: Bool = true) {
        guard isRecording else { return }
        isRecording = false
        if isDone { queue.recordingDone() } else { queue.recordingFailed() }
    }

    /// What would be sent again if the process died now.
    var repeated: Int {
        journal.count { position in
            position > queue.recorded.apart[Self.meter(position)] ?? queue.recorded.position
                && delivered.contains(position)
        }
    }

    /// The process dies and starts again: only the journal and the broker remember.
    mutating func crash() {
        queue = PublishQueue(cursor: queue.recorded)
        (underWay, isConnected, isHeld, resting, isRecording) = ([], false, false, [], false)
        queue.committed(newest: newest)
    }

    mutating func anything(_ random: inout SeededGenerator) {
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<5: commit(Int.random(in: 1...4, using: &random))
        case 5: skip(Int64.random(in: 1...3, using: &random))
        case 6, 7: if !isConnected { connect(window: Int.random(in: 1...6, using: &random)) }
        case 8: if isConnected { disconnect() }
        case 9: lose()
        case 10:
            guard let position = underWay.randomElement(using: &random) else { break }
            if Bool.random(using: &random) { fail(position, hold: true) } else { refuse(position) }
        case 11: if let position = underWay.randomElement(using: &random) { fail(position, hold: false) }
        case 12:
            release()
            if let meter = resting.randomElement(using: &random) { release(meter) }
        case 13:
            if isRecording { return answerRecord(isDone: Bool.random(using: &random)) }
            if let cursor = queue.mustRecord ?? queue.unrecorded { record(cursor) }
        case 14: if Int.random(in: 0..<8, using: &random) == 0 { crash() }
        default: if let position = underWay.randomElement(using: &random) { accept(position) }
        }
    }

    /// Everything that the queue wants at this moment.
    mutating func pump(page: Int) {
        while true {
            if let fetch = queue.fetch { load(fetch, page: page) }
            guard let entry = queue.next() else {
                guard queue.fetch == nil else { continue }
                break
            }
            send(entry.position)
        }
        if queue.isQuiet != underWay.isEmpty, underWay.isEmpty { problems.append("waits for outcomes that all came") }
    }

    private mutating func load(_ fetch: (meter: String?, after: Int64, through: Int64?), page: Int) {
        let entries = journal.filter { position in
            position > fetch.after && position <= fetch.through ?? .max
                && fetch.meter.map { $0 == Self.meter(position) } ?? true
        }
        guard let meter = fetch.meter, let end = fetch.through else {
            return queue.loaded(entries.prefix(page).map(Self.entry), of: nil)
        }
        // Looked for in a part of the way only.
        let through = min(end, fetch.after + 2 * Int64(page))
        let found = entries.filter { $0 <= through }.prefix(page)
        queue.loaded(found.map(Self.entry), of: meter, through: found.count == page ? found.last : through)
    }

    /// The broker stays and takes everything.
    mutating func drain() {
        lose()
        if !isConnected { connect(window: 5) }
        release()
        for meter in resting { release(meter) }
        for _ in 0..<20_000 where queue.acknowledged != OutletCursor(journal.last ?? 0) {
            pump(page: 50)
            guard let position = underWay.first else { break }
            accept(position)
            answerRecord()
            if let cursor = queue.mustRecord { record(cursor) }
        }
    }

    // MARK: Promises

    private mutating func send(_ position: Int64) {
        if !isConnected { problems.append("sent \(position) without a connection") }
        if isHeld { problems.append("sent \(position) although the broker refuses") }
        if underWay.contains(position) { problems.append("sent \(position) twice at a time") }
        if resting.contains(Self.meter(position)) { problems.append("sent \(position), whose meter is refused") }
        // What goes before it of its meter is under way or at the broker.
        let missing = journal.first {
            $0 < position && Self.meter($0) == Self.meter(position) && !delivered.contains($0) && !underWay.contains($0)
        }
        if let missing { problems.append("sent \(position) before \(missing)") }
        if let last = underWay.last(where: { Self.meter($0) == Self.meter(position) }), last > position {
            problems.append("sent \(position) behind \(last)")
        }
        underWay.append(position)
        delivered.insert(position)
        sent.append(position)
        if underWay.count > window { problems.append("\(underWay.count) under way in a window of \(window)") }
    }

    private mutating func check() {
        let cursor = queue.acknowledged
        let lost = journal.first { position in
            position <= cursor.apart[Self.meter(position)] ?? cursor.position
                && !positivelyAcknowledged.contains(position)
        }
        if let lost { problems.append("done up to \(cursor), but \(lost) was never acknowledged") }
    }

    private static func meter(_ position: Int64) -> String { "m\(position % 3)" }

    private static func entry(_ position: Int64) -> JournalEntry {
        .reading(
            JournaledReading(
                position: position, meter: meter(position), seq: position, capturedAt: Timestamp(milliseconds: 0),
                payload: []))
    }
}
