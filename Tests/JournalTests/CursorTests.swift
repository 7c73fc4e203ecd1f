import Journal
import OBIS
import Testing

@Suite("Cursors")
struct CursorTests {
    @Test("a cursor starts at 0, goes forward, never back and never beyond the end, and is kept")
    func cursor() async throws {
        try await withFolder { folder in
            let first = try await open(folder + "/journal.db")
            for _ in 1...5 { _ = try await first.append(draft("main")) }
            #expect(try await first.cursor(of: "mqtt").position == 0)
            for (position, expected) in [(3, 3), (1, 3), (-9, 3), (4, 4), (.max, 5)] as [(Int64, Int64)] {
                try await first.advance(outlet: "mqtt", to: OutletCursor(position))
                #expect(try await first.cursor(of: "mqtt").position == expected)
            }
            await first.close()
            let second = try await open(folder + "/journal.db")
            #expect(try await second.cursor(of: "mqtt").position == 5)
            #expect(try await second.cursor(of: "file").position == 0)
            await second.close()
        }
    }

    @Test("each outlet has its own cursor and backlog")
    func outlets() async throws {
        try await withJournal { journal, _ in
            for index in 1...6 { _ = try await journal.append(draft("main", at: Int64(index))) }
            try await journal.advance(outlet: "mqtt", to: OutletCursor(4))
            _ = try await journal.cursor(of: "file")
            var figures = await journal.figures()
            #expect(figures.backlog == ["mqtt": 2, "file": 6])
            #expect(figures.oldestWaiting == Timestamp(milliseconds: 1))
            #expect(figures.readings == 6)
            #expect(figures.newest == 6)
            #expect(figures.appended == 6)
            #expect(figures.fileBytes > 0)
            try await journal.advance(outlet: "file", to: OutletCursor(6))
            try await journal.advance(outlet: "mqtt", to: OutletCursor(6))
            figures = await journal.figures()
            #expect(figures.backlog == ["mqtt": 0, "file": 0])
            #expect(figures.oldestWaiting == nil)
        }
    }

    @Test("asking for a cursor that is known, and moving one backwards, write nothing")
    func noWrites() async throws {
        try await withJournal { journal, path in
            _ = try await journal.append(draft("main"))
            try await journal.advance(outlet: "mqtt", to: OutletCursor(1))
            // Syncs the cursor as well, so that nothing is left to do.
            _ = try await journal.append(draft("main"))
            let before = await journal.figures().fileBytes
            for _ in 1...10 {
                _ = try await journal.cursor(of: "mqtt")
                try await journal.advance(outlet: "mqtt", to: OutletCursor(0))
            }
            #expect(await journal.figures().fileBytes == before)
        }
    }

    @Test("moving a cursor costs no sync of its own, and the next reading syncs it")
    func lazySync() async throws {
        try await withFaultDisk { disk in
            let journal = try await open(disk.path, seams: JournalSeams(cursorSync: .seconds(3600)))
            for _ in 1...50 { _ = try await journal.append(draft("main")) }
            let before = disk.syncs
            for position in 1...40 as ClosedRange<Int64> {
                try await journal.advance(outlet: "mqtt", to: OutletCursor(position))
            }
            #expect(disk.syncs == before)
            _ = try await journal.append(draft("main"))
            #expect(disk.syncs == before + 1)
            #expect(try await journal.number("PRAGMA synchronous") == 2)
            await journal.close()
        }
    }

    @Test("a cursor that has moved is synced soon by itself")
    func syncedByItself() async throws {
        try await withFaultDisk { disk in
            let journal = try await open(disk.path, seams: JournalSeams(cursorSync: .milliseconds(1)))
            for _ in 1...5 { _ = try await journal.append(draft("main")) }
            let before = disk.syncs
            try await journal.advance(outlet: "mqtt", to: OutletCursor(3))
            for _ in 0..<3000 where disk.syncs == before { try await Task.sleep(for: .milliseconds(10)) }
            #expect(disk.syncs == before + 1)
            #expect(try await journal.cursor(of: "mqtt") == OutletCursor(3))
            await journal.close()
        }
    }

    @Test("a cursor does not wait for what gathers")
    func gathering() async throws {
        let settings = JournalSettings(sync: .every(.seconds(3600)))
        try await withFolder { folder in
            let first = try await open(folder + "/journal.db")
            for _ in 1...5 { _ = try await first.append(draft("main")) }
            await first.close()
            let journal = try await open(folder + "/journal.db", settings)
            async let waiting = journal.append(draft("main"))
            try await journal.advance(outlet: "mqtt", to: OutletCursor(5))
            #expect(try await journal.cursor(of: "mqtt") == OutletCursor(5))
            await journal.close()
            #expect(try await waiting.seq == 6)
        }
    }

    @Test("meters that an outlet has less of stand apart, also when the file is opened again, and come back")
    func apart() async throws {
        try await withFolder { folder in
            let journal = try await open(folder + "/journal.db")
            for index in 1...9 { _ = try await journal.append(draft("meter-\(index % 3)")) }
            let cursor = OutletCursor(8, apart: ["meter-1": 3, "meter-2": 4])
            try await journal.advance(outlet: "mqtt", to: cursor)
            await journal.close()
            let again = try await open(folder + "/journal.db")
            #expect(try await again.cursor(of: "mqtt") == cursor)
            // What an outlet has beyond that, with more of the one and nothing new of the other.
            let known = ["mqtt": OutletCursor(9, apart: ["meter-2": 4])]
            #expect(await again.figures(known: known).backlog == ["mqtt": 2])
            #expect(await again.figures(known: ["mqtt": OutletCursor(9)]).oldestWaiting == nil)
            // 9 behind the cursor, 4 and 7 of one, 5 and 8 of the other.
            #expect(await again.figures().backlog == ["mqtt": 5])
            #expect(await again.figures().oldestWaiting != nil)
            try await again.advance(outlet: "mqtt", to: OutletCursor(8, apart: ["meter-2": 5]))
            #expect(try await again.cursor(of: "mqtt") == OutletCursor(8, apart: ["meter-2": 5]))
            try await again.advance(outlet: "mqtt", to: OutletCursor(9))
            #expect(await again.figures().backlog == ["mqtt": 0])
            await again.close()
        }
    }

    @Test("entries of one meter are found behind a place, a bounded number of entries at a time")
    func ofOneMeter() async throws {
        try await withJournal { journal, _ in
            try await journal.withoutSync()
            for index in 0..<6000 { _ = try await journal.append(draft("meter-\(index % 1000)")) }
            let time = Timestamp(milliseconds: 1)
            try await journal.record(
                GapDraft(meter: "meter-7", fromTime: time, toTime: time, count: 1, reason: .journalUnavailable))
            var found: [JournalEntry] = []
            var place: Int64 = 0
            var calls = 0
            while place < 6001 {
                let page = try await journal.entries(of: "meter-7", after: place, through: 6001, limit: 3)
                #expect(page.through > place)
                found += page.entries
                place = page.through
                calls += 1
            }
            #expect(found.map(\.position) == [8, 1008, 2008, 3008, 4008, 5008, 6001])
            #expect(calls > 1 && calls < 8)
            #expect(try await journal.entries(of: "nobody", after: 0, through: 6001, limit: 3).entries.isEmpty)
        }
    }
}
