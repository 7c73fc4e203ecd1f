import Journal
import OBIS
import TestSupport
import Testing

@Suite("Events")
struct EventTests {
    private func event(_ meter: String, _ kind: String = "anomaly", at time: Int64 = 0) -> EventDraft {
        EventDraft(meter: meter, kind: kind, at: Timestamp(milliseconds: time), payload: Array("\(meter) \(time)".utf8))
    }

    @Test("events are numbered, given back by kind in their order, and kept with the values that come with them")
    func order() async throws {
        try await withFolder { folder in
            let journal = try await open(folder + "/journal.db")
            var numbers = journal.eventCommits().makeAsyncIterator()
            #expect(await numbers.next() == 0)
            _ = try await journal.append(event("a", at: 1), values: ["engine": [1]])
            _ = try await journal.append(event("b", "day", at: 2))
            let third = try await journal.append(event("a", at: 3), values: ["engine": [3]])
            #expect(third.number == 3)
            #expect(await numbers.next() != nil)
            await journal.close()
            let again = try await open(folder + "/journal.db")
            #expect(try await again.events("anomaly", after: 0, limit: 10).map(\.number) == [1, 3])
            #expect(try await again.events("anomaly", after: 1, limit: 10) == [third])
            #expect(try await again.events("day", after: 0, limit: 10).map(\.meter) == ["b"])
            #expect(try await again.value(forKey: "engine", meter: "a") == [3])
            // They are no entries of the queue.
            #expect(await again.figures().newest == 0)
            #expect(try await again.append(event("a")).number == 4)
            await again.close()
        }
    }

    @Test("an event that does not match its checksum is left out")
    func checksum() async throws {
        try await withJournal { journal, _ in
            for index in 1...3 { _ = try await journal.append(event("a", at: Int64(index))) }
            try await journal.execute("UPDATE event SET meter = 'z' WHERE number = 2")
            #expect(try await journal.events("anomaly", after: 0, limit: 10).map(\.number) == [1, 3])
        }
    }

    @Test("events that are too old are dropped, and the newest stays")
    func retention() async throws {
        let clock = TestClock(1_768_000_000_000)
        try await withJournal(
            JournalSettings(keep: .seconds(3600)), clock: clock.wall, seams: clock.seams
        ) { journal, _ in
            // The clock has run evenly for long enough to be believed.
            for _ in 0..<8 {
                clock.run(600_000)
                await journal.retain()
            }
            for _ in 1...5 { _ = try await journal.append(event("a", at: clock.now)) }
            clock.run(3_000_000)
            _ = try await journal.append(event("a", at: clock.now))
            clock.run(1_000_000)
            await journal.retain()
            #expect(try await journal.events("anomaly", after: 0, limit: 10).map(\.number) == [6])
            clock.run(10_000_000)
            await journal.retain()
            #expect(try await journal.append(event("a", at: clock.now)).number == 7)
        }
    }
}
