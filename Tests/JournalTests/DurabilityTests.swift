import Foundation
import GRDB
import Journal
import OBIS
import Testing

@Suite("Durability")
struct DurabilityTests {
    @Test("the file is in WAL mode and every commit is synced")
    func settings() async throws {
        try await withFolder { folder in
            for _ in 1...2 {
                let journal = try await open(folder + "/journal.db")
                #expect(try await journal.number("PRAGMA synchronous") == 2)
                #expect(
                    try await journal.withConnection { try String.fetchOne($0, sql: "PRAGMA journal_mode") } == "wal")
                await journal.close()
            }
        }
    }

    /// What a process killed at this moment leaves behind is what the kernel has been given.
    @Test("a copy of the files, taken when append returned, has every accepted reading")
    func copies() async throws {
        try await withJournal { journal, path in
            var accepted: [JournalEntry] = []
            for index in 1...30 {
                accepted.append(.reading(try await journal.append(draft("meter-\(index % 4)", padding: index * 40))))
                guard index % 3 == 0 else { continue }
                let copy = "\(path).copy-\(index)"
                for suffix in ["", "-wal"] {
                    try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix)
                }
                let reopened = try await open(copy)
                #expect(reopened.openingNotes.isEmpty)
                #expect(reopened.stream == journal.stream)
                #expect(try await reopened.everything() == accepted)
                #expect(
                    try await reopened.append(draft("meter-0")).seq == accepted.filter { $0.meter == "meter-0" }.count
                        + 1)
                await reopened.close()
            }
        }
    }

    @Test("a log cut off anywhere leaves a beginning of the queue, never a hole or another payload")
    func tornLog() async throws {
        try await withJournal { journal, path in
            var accepted: [JournalEntry] = []
            for _ in 1...12 { accepted.append(.reading(try await journal.append(draft("main", padding: 700)))) }
            let log = try Data(contentsOf: URL(fileURLWithPath: path + "-wal"))
            var lengths: Set<Int> = []
            // From behind the frames that made the tables: before them there is no journal yet.
            for cut in stride(from: log.count, through: log.count / 2, by: -1501) {
                let copy = "\(path).cut-\(cut)"
                try FileManager.default.copyItem(atPath: path, toPath: copy)
                try log.prefix(cut).write(to: URL(fileURLWithPath: copy + "-wal"))
                let reopened = try await open(copy)
                let found = try await reopened.everything()
                #expect(found == Array(accepted.prefix(found.count)))
                lengths.insert(found.count)
                await reopened.close()
            }
            #expect(lengths.contains(12) && lengths.count > 3)
        }
    }

    @Test("a reading of 1 kB writes at most three pages to the log, and one that shares a transaction less than two")
    func bytesWritten() async throws {
        try await withJournal { journal, path in
            _ = try await journal.append(draft("main"))
            func logBytes() throws -> Int {
                try FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? Int ?? 0
            }
            let start = try logBytes()
            for _ in 1...50 { _ = try await journal.append(draft("main", padding: 950)) }
            let alone = try logBytes() - start
            #expect(alone <= 50 * 3 * 4120)
            let values = (1...50).map { _ in draft("main", padding: 950) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for value in values { group.addTask { _ = try await journal.append(value) } }
                try await group.waitForAll()
            }
            #expect(try logBytes() - start - alone < alone)
        }
    }
}
