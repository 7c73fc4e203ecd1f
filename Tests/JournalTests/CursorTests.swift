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
            #expect(try await first.cursor(of: "mqtt") == 0)
            for (position, expected) in [(3, 3), (1, 3), (-9, 3), (4, 4), (.max, 5)] as [(Int64, Int64)] {
                try await first.advance(outlet: "mqtt", to: position)
                #expect(try await first.cursor(of: "mqtt") == expected)
            }
            await first.close()
            let second = try await open(folder + "/journal.db")
            #expect(try await second.cursor(of: "mqtt") == 5)
            #expect(try await second.cursor(of: "file") == 0)
            await second.close()
        }
    }

    @Test("each outlet has its own cursor and backlog")
    func outlets() async throws {
        try await withJournal { journal, _ in
            for index in 1...6 { _ = try await journal.append(draft("main", at: Int64(index))) }
            try await journal.advance(outlet: "mqtt", to: 4)
            _ = try await journal.cursor(of: "file")
            var figures = await journal.figures()
            #expect(figures.backlog == ["mqtt": 2, "file": 6])
            #expect(figures.oldestWaiting == Timestamp(milliseconds: 1))
            #expect(figures.readings == 6)
            #expect(figures.newest == 6)
            #expect(figures.appended == 6)
            #expect(figures.fileBytes > 0)
            try await journal.advance(outlet: "file", to: 6)
            try await journal.advance(outlet: "mqtt", to: 6)
            figures = await journal.figures()
            #expect(figures.backlog == ["mqtt": 0, "file": 0])
            #expect(figures.oldestWaiting == nil)
        }
    }

    @Test("asking for a cursor that is known, and moving one backwards, write nothing")
    func noWrites() async throws {
        try await withJournal { journal, path in
            _ = try await journal.append(draft("main"))
            try await journal.advance(outlet: "mqtt", to: 1)
            let before = await journal.figures().fileBytes
            for _ in 1...10 {
                _ = try await journal.cursor(of: "mqtt")
                try await journal.advance(outlet: "mqtt", to: 0)
            }
            #expect(await journal.figures().fileBytes == before)
        }
    }
}
