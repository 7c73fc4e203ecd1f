import Dispatch
import Foundation
import Journal
import OBIS
import Testing

/// What an outlet has, noted beside the database.
@Suite("Acknowledgements beside the database", .timeLimit(.minutes(2)))
struct MarkTests {
    /// The cursor is handed over; returns when that is answered.
    private func handOver(_ position: Int64, of outlet: String = "mqtt", _ journal: Journal) async throws {
        let result = await withCheckedContinuation { continuation in
            journal.advance(outlet: outlet, to: OutletCursor(position)) { continuation.resume(returning: $0) }
        }
        try result.get()
    }

    /// A journal of twenty readings of which the database has heard that three were acknowledged.
    private func journal(
        _ path: String, seams: JournalSeams = JournalSeams(cursorSync: .seconds(3600))
    ) async throws -> Journal {
        let journal = try await open(path, seams: seams)
        for _ in 1...20 { _ = try await journal.append(draft("main")) }
        try await journal.advance(outlet: "mqtt", to: OutletCursor(3))
        return journal
    }

    private func inDatabase(_ journal: Journal, _ outlet: String = "mqtt") async throws -> Int64? {
        try await journal.number("SELECT position FROM outlet WHERE name = '\(outlet)'")
    }

    /// As the process leaves them when it is killed at this moment.
    private func copy(_ path: String, to copy: String) throws {
        for suffix in ["", "-wal", ".acknowledged"] {
            try? FileManager.default.removeItem(atPath: copy + suffix)
            try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix)
        }
    }

    @Test("an acknowledgement that is handed over does not wait for the transaction under way")
    func noWaiting() async throws {
        try await withFolder { folder in
            let journal = try await journal(folder + "/journal.db")
            let (isBusy, mayGoOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            async let busy: Void = journal.withConnection { _ in
                isBusy.signal()
                mayGoOn.wait()
            }
            await withCheckedContinuation { continuation in
                DispatchQueue.global().async {
                    isBusy.wait()
                    continuation.resume()
                }
            }
            try await handOver(7, journal)
            mayGoOn.signal()
            try await busy
            #expect(try await inDatabase(journal) == 3)
            #expect(try await journal.cursor(of: "mqtt") == OutletCursor(7))
            await journal.close()
        }
    }

    @Test("it outlives the process, and closing brings it into the database")
    func kept() async throws {
        try await withFolder { folder in
            let journal = try await journal(folder + "/journal.db")
            for position in [5, 9, 8] as [Int64] { try await handOver(position, journal) }
            try copy(folder + "/journal.db", to: folder + "/killed.db")
            await journal.close()
            try FileManager.default.removeItem(atPath: folder + "/journal.db.acknowledged")
            for (name, expected) in [("journal", nil), ("killed", 3)] as [(String, Int64?)] {
                let again = try await open(
                    folder + "/\(name).db", seams: JournalSeams(cursorSync: .seconds(3600)))
                if let expected { #expect(try await inDatabase(again) == expected) }
                #expect(try await again.cursor(of: "mqtt") == OutletCursor(9))
                await again.close()
            }
        }
    }

    @Test("the database has it soon, synced")
    func synced() async throws {
        try await withFaultDisk { disk in
            let journal = try await journal(disk.path, seams: JournalSeams(cursorSync: .milliseconds(1)))
            // The three of before are synced by themselves as well.
            for _ in 0..<3000 where try await inDatabase(journal) != 3 { try await Task.sleep(for: .milliseconds(10)) }
            let before = disk.syncs
            try await handOver(11, journal)
            for _ in 0..<3000 where try await inDatabase(journal) != 11 { try await Task.sleep(for: .milliseconds(10)) }
            #expect(try await inDatabase(journal) == 11)
            #expect(disk.syncs > before)
            await journal.close()
        }
    }

    @Test("whoever asks for the cursor meanwhile gets no older one")
    func asked() async throws {
        try await withFolder { folder in
            let journal = try await journal(folder + "/journal.db", seams: JournalSeams(cursorSync: .zero))
            try await journal.withoutSync()
            for _ in 1...2000 { _ = try await journal.append(draft("main")) }
            for position in 4...2000 as ClosedRange<Int64> {
                try await handOver(position, journal)
                #expect(try await journal.cursor(of: "mqtt") == OutletCursor(position))
            }
            await journal.close()
        }
    }

    @Test("readings that go on do not keep it out of the database")
    func amongReadings() async throws {
        try await withFaultDisk { disk in
            let journal = try await journal(disk.path, seams: JournalSeams(cursorSync: .milliseconds(20)))
            try await handOver(11, journal)
            for _ in 0..<3000 where try await inDatabase(journal) != 11 { _ = try await journal.append(draft("main")) }
            #expect(try await inDatabase(journal) == 11)
            await journal.close()
        }
    }

    @Test(
        "readings behind a note that reached beyond the journal are sent, under a new stream", arguments: [true, false])
    func beyond(hasCursor: Bool) async throws {
        try await withFolder { folder in
            let (path, note) = (folder + "/old.db", folder + "/old.db.acknowledged")
            let journal = try await open(folder + "/journal.db", seams: JournalSeams(cursorSync: .seconds(3600)))
            for _ in 1...20 { _ = try await journal.append(draft("main")) }
            if hasCursor { try await journal.advance(outlet: "mqtt", to: OutletCursor(3)) }
            try await handOver(hasCursor ? 9 : 1, journal)
            // The file goes back in time, and the note does not.
            try copy(folder + "/journal.db", to: path)
            for _ in 1...10 { _ = try await journal.append(draft("main")) }
            try await handOver(25, journal)
            try FileManager.default.removeItem(atPath: note)
            try FileManager.default.copyItem(atPath: folder + "/journal.db.acknowledged", toPath: note)
            await journal.close()
            for opening in 1...3 {
                let again = try await open(path)
                #expect(again.openingNotes.count == (hasCursor && opening == 1 ? 1 : 0))
                #expect((again.stream != journal.stream) == hasCursor)
                for number in 1...4 {
                    let seq = try await again.append(draft("main")).seq
                    if hasCursor { #expect(seq == Int64(4 * (opening - 1) + number)) }
                }
                #expect(try await again.cursor(of: "mqtt") == OutletCursor(hasCursor ? 3 : 0))
                await again.close()
            }
        }
    }

    @Test(
        "a note that is cut off, damaged, of another stream or of readings that are not there is none",
        arguments: ["short", "damaged", "foreign", "beyond", "gone"])
    func noNote(_ kind: String) async throws {
        try await withFolder { folder in
            let journal = try await journal(folder + "/journal.db")
            let (path, note) = (folder + "/killed.db", folder + "/killed.db.acknowledged")
            if kind == "beyond" { try copy(folder + "/journal.db", to: path) }
            if kind == "beyond" { for _ in 1...5 { _ = try await journal.append(draft("main")) } }
            try await handOver(kind == "beyond" ? 25 : 9, journal)
            switch kind {
            case "beyond":
                try FileManager.default.removeItem(atPath: note)
                try FileManager.default.copyItem(atPath: folder + "/journal.db.acknowledged", toPath: note)
            case "foreign":
                let other = try await self.journal(folder + "/other.db")
                try await handOver(9, other)
                try copy(folder + "/journal.db", to: path)
                try FileManager.default.removeItem(atPath: note)
                try FileManager.default.copyItem(atPath: folder + "/other.db.acknowledged", toPath: note)
                await other.close()
            case "gone":
                try copy(folder + "/journal.db", to: path)
                try FileManager.default.removeItem(atPath: note)
            default:
                try copy(folder + "/journal.db", to: path)
                var bytes = try Data(contentsOf: URL(fileURLWithPath: note))
                if kind == "short" { bytes.removeLast() } else { bytes[7] ^= 1 }
                try bytes.write(to: URL(fileURLWithPath: note))
            }
            await journal.close()
            let again = try await open(path)
            #expect(try await again.cursor(of: "mqtt") == OutletCursor(3))
            try await handOver(4, again)
            #expect(try await again.cursor(of: "mqtt") == OutletCursor(4))
            await again.close()
        }
    }

    @Test("a second outlet, and meters that stand apart, are the database's; a note behind that counts for all")
    func others() async throws {
        try await withFolder { folder in
            let journal = try await journal(folder + "/journal.db")
            try await handOver(5, journal)
            try await handOver(6, of: "file", journal)
            #expect(try await inDatabase(journal, "file") == 6)
            try await journal.advance(outlet: "mqtt", to: OutletCursor(8, apart: ["main": 6]))
            #expect(try await journal.cursor(of: "mqtt") == OutletCursor(8, apart: ["main": 6]))
            try await handOver(10, journal)
            #expect(try await journal.cursor(of: "mqtt") == OutletCursor(10))
            #expect(try await inDatabase(journal) == 8)
            await journal.close()
            let again = try await open(folder + "/journal.db")
            #expect(try await again.cursor(of: "mqtt") == OutletCursor(10))
            #expect(try await again.cursor(of: "file") == OutletCursor(6))
            await again.close()
        }
    }

    @Test("it is not taken for one of a journal that takes the place of a damaged one")
    func damaged() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let journal = try await journal(path)
            try await handOver(9, journal)
            let note = try Data(contentsOf: URL(fileURLWithPath: path + ".acknowledged"))
            await journal.close()
            try note.write(to: URL(fileURLWithPath: path + ".acknowledged"))
            try Data(count: 8192).write(to: URL(fileURLWithPath: path))
            let again = try await open(path)
            #expect(again.stream != journal.stream)
            #expect(try await again.cursor(of: "mqtt") == OutletCursor(0))
            #expect(try Data(contentsOf: URL(fileURLWithPath: path + ".acknowledged")).isEmpty)
            await again.close()
        }
    }

    @Test("where nothing can be noted, the database has it at once")
    func noFile() async throws {
        try await withFolder { folder in
            try FileManager.default.createDirectory(
                atPath: folder + "/journal.db.acknowledged", withIntermediateDirectories: false)
            let journal = try await journal(folder + "/journal.db")
            try await handOver(5, journal)
            #expect(try await inDatabase(journal) == 5)
            #expect(try await journal.cursor(of: "mqtt") == OutletCursor(5))
            await journal.close()
        }
    }

    @Test("an acknowledgement that comes after closing fails")
    func closed() async throws {
        try await withFolder { folder in
            let journal = try await journal(folder + "/journal.db")
            await journal.close()
            #expect(await failure { try await handOver(5, journal) }?.code == .closed)
        }
    }
}
