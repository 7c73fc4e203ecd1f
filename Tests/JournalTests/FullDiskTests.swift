import GRDB
import Journal
import OBIS
import Testing

@Suite("A full disk")
struct FullDiskTests {
    /// Fills what is left, until a reading is refused.
    private func fill(_ journal: Journal, meter: String) async -> (accepted: Int64, JournalError?) {
        var accepted: Int64 = 0
        while accepted < 100 {
            if let error = await failure({ try await journal.append(draft(meter, padding: 2000)) }) {
                return (accepted, error)
            }
            accepted += 1
        }
        return (accepted, nil)
    }

    @Test("a reading that finds no room is refused as full, uses no number, and the next goes in when there is room")
    func full() async throws {
        let lines = LogLines()
        try await withJournal(logger: .collecting(lines)) { journal, path in
            // SQLite never lets the limit fall below the present size.
            try await journal.execute("PRAGMA max_page_count = 1")
            let (accepted, error) = await fill(journal, meter: "main")
            #expect(error?.code == .full)
            #expect(error?.mayPass == true)
            #expect(error?.message.contains(path) == true)
            #expect(error?.message.contains("Free space") == true)
            #expect(await journal.figures().lastError?.code == .full)
            #expect(await failure { try await journal.append(draft("other", padding: 50_000)) }?.code == .full)

            try await journal.execute("PRAGMA max_page_count = 1000000")
            #expect(try await journal.append(draft("main")).seq == accepted + 1)
            #expect(try await journal.append(draft("other")).seq == 1)
            #expect(await journal.figures().lastError == nil)
            #expect(try await journal.everything().map(\.position) == Array(1...(accepted + 2)))
            // Once when it began and once when it ended, however many were refused.
            #expect(lines.all.count == 2)
            #expect(lines.all.first?.hasPrefix("error: The journal") == true)
            #expect(lines.all.last == "notice: The journal can be written again.")
        }
    }

    @Test("what is there can be read and acknowledged while the disk is full")
    func reading() async throws {
        try await withJournal { journal, _ in
            _ = try await journal.cursor(of: "mqtt")
            try await journal.execute("PRAGMA max_page_count = 1")
            let (accepted, error) = await fill(journal, meter: "main")
            #expect(error?.code == .full)
            #expect(try await journal.everything().count == Int(accepted))
            try await journal.advance(outlet: "mqtt", to: OutletCursor(accepted))
            #expect(try await journal.cursor(of: "mqtt").position == accepted)
        }
    }

    @Test("a transaction that finds no room fails for all its readings, and none of them uses a number")
    func wholeBatch() async throws {
        try await withJournal { journal, _ in
            _ = try await journal.append(draft("main"))
            try await journal.execute("PRAGMA max_page_count = 1")
            let results = await withTaskGroup(of: JournalError.Code?.self) { group in
                for index in 0..<60 {
                    group.addTask {
                        await failure { try await journal.append(draft("meter-\(index % 5)", padding: 3000)) }?.code
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(results.contains(.full))
            try await journal.execute("PRAGMA max_page_count = 1000000")
            for index in 0..<5 { _ = try await journal.append(draft("meter-\(index)")) }
            let readings = try await journal.everything().compactMap(\.reading)
            #expect(readings.count == 6 + results.filter { $0 == nil }.count)
            for index in 0..<5 {
                let seqs = readings.filter { $0.meter == "meter-\(index)" }.map(\.seq)
                #expect(seqs == Array(1...Int64(seqs.count)))
            }
        }
    }
}
