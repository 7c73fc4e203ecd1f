import Foundation
import GRDB
import Journal
import OBIS
import Testing

@Suite("Reading a journal from outside")
struct ReaderTests {
    @Test("sees what was committed while the daemon has it open, and what comes later")
    func whileOpen() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let journal = try await Journal.open(path: path, settings: JournalSettings(), logger: .silent)
            for second in 1...3 { _ = try await journal.append(draft("main", at: Int64(second))) }
            let reader = try JournalReader(path: path)
            let first = try reader.entries(after: 0, limit: 100)
            #expect(first.compactMap { $0.reading?.seq } == [1, 2, 3])
            _ = try await journal.append(draft("gas", at: 4))
            #expect(try reader.entries(after: first.last?.position ?? 0, limit: 100).map(\.meter) == ["gas"])
            #expect(try reader.meters() == ["main", "gas"])
            // It holds up nobody.
            _ = try await journal.append(draft("main", at: 5))
            await journal.close()
        }
    }

    @Test("a copy is a journal of its own with everything that was committed")
    func backup() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let copy = folder + "/copy.db"
            let journal = try await Journal.open(path: path, settings: JournalSettings(), logger: .silent)
            for second in 1...200 { _ = try await journal.append(draft("main", at: Int64(second))) }
            let reader = try JournalReader(path: path)
            try reader.backup(to: copy)
            _ = try await journal.append(draft("main", at: 201))
            let expected = try await journal.entries(after: 0, limit: 200)
            await journal.close()

            let opened = try await Journal.open(path: copy, settings: JournalSettings(), logger: .silent)
            #expect(try await opened.entries(after: 0, limit: 1000) == expected)
            // The journal itself has gone on: its numbers must not be given once more.
            let stream = opened.stream
            #expect(stream != nil && stream != journal.stream)
            #expect(try await opened.append(draft("main", at: 202)).seq == 1)
            await opened.close()
            // From then on it is a journal like any other.
            let again = try await Journal.open(path: copy, settings: JournalSettings(), logger: .silent)
            #expect(again.stream == stream)
            #expect(try await again.append(draft("main", at: 203)).seq == 2)
            await again.close()
            #expect(throws: JournalError(.access, "")) { try reader.backup(to: copy) }
        }
    }

    @Test("a copy that is damaged is a copy all the same: its numbers are not those of the journal that went on")
    func damagedCopy() async throws {
        try await withFolder { folder in
            let (path, copy) = (folder + "/journal.db", folder + "/copy.db")
            let journal = try await Journal.open(path: path, settings: JournalSettings(), logger: .silent)
            for second in 1...200 { _ = try await journal.append(draft("main", at: Int64(second))) }
            try JournalReader(path: path).backup(to: copy)
            #expect(!FileManager.default.fileExists(atPath: copy + ".part"))
            await journal.close()
            var bytes = try Data(contentsOf: URL(fileURLWithPath: copy))
            for index in bytes.count / 2..<bytes.count / 2 + 600 { bytes[index] = 0xFF }
            try bytes.write(to: URL(fileURLWithPath: copy))
            let opened = try await Journal.open(path: copy, settings: JournalSettings(), logger: .silent)
            #expect(opened.openingNotes.count == 1)
            #expect(opened.stream != nil && opened.stream != journal.stream)
            #expect(try await opened.append(draft("main", at: 202)).seq == 1)
            await opened.close()
        }
    }

    @Test("what is no journal is refused and stays as it is")
    func foreign() async throws {
        try await withFolder { folder in
            #expect(throws: JournalError(.access, "")) { try JournalReader(path: folder + "/none.db") }
            let path = folder + "/other.db"
            try await DatabaseQueue(path: path).write { try $0.execute(sql: "CREATE TABLE other(a)") }
            let before = try Data(contentsOf: URL(fileURLWithPath: path))
            #expect(throws: JournalError(.foreign, "")) { try JournalReader(path: path) }
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
            try Data("no database at all, but some text".utf8).write(to: URL(fileURLWithPath: path))
            #expect(throws: JournalError.self) { try JournalReader(path: path) }
        }
    }
}
