import Dispatch
import GRDB
import Journal
import OBIS
import Synchronization
import Testing

@Suite("Group commit")
struct GroupCommitTests {
    /// Counts the transactions that SQLite commits with a reading in them.
    final class CommitCounter: Sendable {
        private let state = Mutex((commits: 0, hasReading: false))

        var count: Int { state.withLock { $0.commits } }

        func attach(to journal: Journal) async throws {
            try await journal.withConnection { db in
                db.trace { event in
                    let statement = event.description
                    self.state.withLock { state in
                        if statement.hasPrefix("INSERT INTO reading") { state.hasReading = true }
                        guard statement == "COMMIT TRANSACTION", state.hasReading else { return }
                        state = (state.commits + 1, false)
                    }
                }
            }
        }
    }

    /// Holds the journal's thread inside a transaction until the test lets it go on.
    struct Held {
        let draft: ReadingDraft
        private let gate = DispatchSemaphore(value: 0)
        private let entered: AsyncStream<Void>

        init(_ meter: String) {
            let gate = gate
            let (entered, arrival) = AsyncStream.makeStream(of: Void.self)
            self.entered = entered
            draft = ReadingDraft(meter: meter, capturedAt: Timestamp(milliseconds: 0)) { _, _ in
                arrival.finish()
                gate.wait()
                return []
            }
        }

        /// Returns when the transaction is under way.
        func begun() async {
            for await _ in entered {}
        }

        func release() { gate.signal() }
    }

    private func waitUntil(_ journal: Journal, has count: Int) async {
        while journal.waitingWrites < count { await Task.yield() }
    }

    @Test(
        "readings that arrive while one is being written share the next transaction, up to its bound",
        arguments: [(20, 1), (256, 1), (257, 2)])
    func shared(waiting: Int, transactions: Int) async throws {
        try await withJournal { journal, _ in
            let counter = CommitCounter()
            try await counter.attach(to: journal)
            let held = Held("first")
            try await withThrowingTaskGroup(of: Int64.self) { group in
                group.addTask { try await journal.append(held.draft).seq }
                await held.begun()
                for index in 0..<waiting { group.addTask { try await journal.append(draft("meter-\(index % 3)")).seq } }
                await waitUntil(journal, has: waiting)
                held.release()
                try await group.waitForAll()
            }
            #expect(counter.count == 1 + transactions)
            #expect(await journal.figures().transactions == Int64(1 + transactions))
            #expect(try await journal.everything().count == waiting + 1)
        }
    }

    @Test("readings that come one after the other take a transaction each")
    func single() async throws {
        try await withJournal { journal, _ in
            let counter = CommitCounter()
            try await counter.attach(to: journal)
            for _ in 0..<5 { _ = try await journal.append(draft("main")) }
            #expect(counter.count == 5)
        }
    }

    @Test("values go into the same transaction as readings, while a cursor waits for no sync but the one under way")
    func mixed() async throws {
        try await withJournal { journal, _ in
            let held = Held("first")
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await journal.append(held.draft) }
                await held.begun()
                group.addTask { _ = try await journal.append(draft("main")) }
                group.addTask { try await journal.advance(outlet: "mqtt", to: OutletCursor(1)) }
                group.addTask { try await journal.set([1], forKey: "epoch", meter: "main") }
                await waitUntil(journal, has: 2)
                held.release()
                try await group.waitForAll()
            }
            #expect(await journal.figures().transactions == 3)
            #expect(try await journal.cursor(of: "mqtt").position == 1)
            #expect(try await journal.value(forKey: "epoch", meter: "main") == [1])
        }
    }

    @Test("a caller that is cancelled loses nothing, neither its own reading nor that of another")
    func cancellation() async throws {
        try await withJournal { journal, _ in
            let held = Held("first")
            async let first = journal.append(held.draft)
            await held.begun()
            let cancelled = Task { try await journal.append(draft("a")) }
            let other = Task { try await journal.append(draft("b")) }
            await waitUntil(journal, has: 2)
            cancelled.cancel()
            held.release()
            let readings = try await [first, cancelled.value, other.value]
            #expect(readings.map(\.seq) == [1, 1, 1])
            #expect(try await journal.everything().count == 3)
        }
    }

    @Test("a task that is cancelled already still gets its reading in")
    func cancelledBefore() async throws {
        try await withJournal { journal, _ in
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await journal.append(draft("a"))
            }
            let reading = try await task.value
            #expect(reading.seq == 1)
        }
    }

    @Test("one refused reading does not spoil the transaction of the others")
    func refusalInBatch() async throws {
        try await withJournal { journal, _ in
            let held = Held("first")
            async let first = journal.append(held.draft)
            await held.begun()
            let tooLarge = Task { try await journal.append(draft("a", padding: 1 << 20)) }
            await waitUntil(journal, has: 1)
            let good = Task { try await journal.append(draft("a")) }
            await waitUntil(journal, has: 2)
            held.release()
            _ = try await first
            #expect(await failure { try await tooLarge.value }?.code == .limit)
            #expect(try await good.value.seq == 1)
        }
    }

    @Test("closing writes what waits")
    func closing() async throws {
        try await withFolder { folder in
            let journal = try await open(folder + "/journal.db")
            let held = Held("first")
            var tasks = [Task { try await journal.append(held.draft) }]
            await held.begun()
            tasks += (0..<10).map { _ in Task { try await journal.append(draft("main")) } }
            await waitUntil(journal, has: 10)
            async let closed: Void = journal.close()
            held.release()
            await closed
            for task in tasks { _ = try await task.value }
            let reopened = try await open(folder + "/journal.db")
            #expect(try await reopened.everything().count == 11)
            await reopened.close()
        }
    }

    @Test("listeners hear the newest position at once and when it grows, and only the last of several")
    func signal() async throws {
        try await withJournal { journal, _ in
            _ = try await journal.append(draft("main"))
            var listener = journal.commits().makeAsyncIterator()
            var slow = journal.commits().makeAsyncIterator()
            #expect(await listener.next() == 1)
            _ = try await journal.append(draft("main"))
            #expect(await listener.next() == 2)
            _ = try await journal.append(draft("other"))
            #expect(await slow.next() == 3)
            await journal.close()
            #expect(await listener.next() == 3)
            #expect(await listener.next() == nil)
            #expect(await slow.next() == nil)
            var late = journal.commits().makeAsyncIterator()
            #expect(await late.next() == nil)
        }
    }
}
