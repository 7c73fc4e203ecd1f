import Journal
import OBIS
import Testing

@Suite("Synced together")
struct GatheringTests {
    /// Longer than any test: only another reason ends the wait.
    private static let forever = JournalSettings(sync: .every(.seconds(86_400)))

    /// Appends so many, one arriving after the other, and closes the journal. - Returns: syncs of the log that it took.
    private func syncs(_ settings: JournalSettings, readings: Int) async throws -> Int64 {
        try await withFaultDisk { disk in
            let journal = try await open(disk.path, settings)
            let before = disk.syncs
            var tasks: [Task<JournaledReading, any Error>] = []
            for index in 0..<readings {
                tasks.append(Task { try await journal.append(draft("main")) })
                if settings.sync == .full {
                    _ = try await tasks[index].value
                } else {
                    while journal.waitingWrites < index + 1 { await Task.yield() }
                }
            }
            if settings.sync != .full { #expect(disk.syncs == before) }
            async let closed: Void = journal.close()
            for task in tasks { _ = try await task.value }
            // The rest is the checkpoint of closing.
            let figures = await journal.figures()
            await closed
            let after = try await open(disk.path)
            #expect(
                try await after.everything().compactMap(\.reading).map(\.seq).sorted() == Array(1...Int64(readings)))
            await after.close()
            return figures.transactions
        }
    }

    @Test("readings that arrive within the time share one sync, and nothing is accepted or synced before it")
    func shared() async throws {
        #expect(try await syncs(Self.forever, readings: 40) == 1)
        #expect(try await syncs(JournalSettings(), readings: 40) == 40)
    }

    @Test("an urgent value is synced at once, and what gathers goes on to wait")
    func urgent() async throws {
        try await withFaultDisk { disk in
            let journal = try await open(disk.path, Self.forever)
            async let waiting = journal.append(draft("main"))
            while journal.waitingWrites < 1 { await Task.yield() }
            let before = disk.syncs
            try await journal.setAtOnce([7], forKey: "session", meter: "main")
            #expect(disk.syncs > before && journal.waitingWrites == 1)
            #expect(try await journal.value(forKey: "session", meter: "main") == [7])
            await journal.close()
            #expect(try await waiting.seq == 1)
        }
    }

    @Test("after the time the readings are accepted without any other cause")
    func time() async throws {
        try await withJournal(JournalSettings(sync: .every(.milliseconds(20)))) { journal, _ in
            for seq in 1...5 { #expect(try await journal.append(draft("main")).seq == Int64(seq)) }
            try await journal.advance(outlet: "mqtt", to: OutletCursor(3))
            #expect(try await journal.cursor(of: "mqtt").position == 3)
        }
    }

    @Test("readings that are handed over without waiting are taken in in that order, and each is answered")
    func order() async throws {
        try await withFaultDisk { disk in
            let journal = try await open(disk.path, Self.forever)
            let (answers, continuation) = AsyncStream.makeStream(of: Result<JournaledReading, JournalError>.self)
            for index in 0..<200 {
                journal.append(draft(index.isMultiple(of: 2) ? "even" : "odd")) { continuation.yield($0) }
            }
            #expect(journal.waitingWrites == 200)
            await journal.close()
            journal.append(draft("late")) { answer in
                #expect(throws: JournalError(.closed, "")) { try answer.get() }
                continuation.finish()
            }
            var accepted: [JournaledReading] = []
            for await answer in answers { accepted.append(try answer.get()) }
            #expect(accepted.map(\.position) == Array(1...200))
            #expect(accepted.map(\.meter) == (0..<200).map { $0.isMultiple(of: 2) ? "even" : "odd" })
        }
    }

    @Test("as many as fit into one transaction do not wait")
    func enough() async throws {
        try await withJournal(Self.forever) { journal, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<256 { group.addTask { _ = try await journal.append(draft("main")) } }
                try await group.waitForAll()
            }
            #expect(await journal.figures().transactions == 1)
        }
    }
}
