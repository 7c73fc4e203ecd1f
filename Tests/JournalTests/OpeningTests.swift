import Foundation
import GRDB
import Journal
import OBIS
import Testing

@Suite("Opening")
struct OpeningTests {
    @Test("a second opener is told that the journal is in use, and gets in when the first has closed")
    func secondOpener() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let first = try await open(path)
            let error = await failure { try await open(path) }
            #expect(error?.code == .inUse)
            #expect(error?.message.contains("journal: path:") == true)
            _ = try await first.append(draft("main"))
            await first.close()
            let second = try await open(path)
            #expect(try await second.everything().count == 1)
            await second.close()
        }
    }

    @Test("a closed journal is free also while a child that is being started has a copy of its descriptors")
    func copiedDescriptor() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let first = try await open(path)
            let lock = try #require(
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").first { number in
                    let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")
                    return target?.hasSuffix("\(folder)/journal.db.lock") == true
                }.flatMap { Int32($0) })
            let copy = dup(lock)
            defer { close(copy) }
            await first.close()
            let second = try await open(path)
            await second.close()
        }
    }

    @Test("a folder that does not exist is named together with the remedy")
    func missingFolder() async throws {
        try await withFolder { folder in
            let error = await failure { try await open(folder + "/missing/journal.db") }
            #expect(error?.code == .access)
            #expect(error?.message.contains("Create the folder \(folder)/missing") == true)
        }
    }

    /// For root no folder is read-only but those of the kernel.
    @Test("a folder that cannot be written is named together with the remedy")
    func readOnlyFolder() async throws {
        try await withFolder { folder in
            var folder = folder
            if geteuid() == 0 {
                folder = "/proc"
            } else {
                try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: folder)
            }
            let error = await failure { try await open(folder + "/journal.db") }
            #expect(error?.code == .access)
            #expect(error?.message.contains("write permission to the folder \(folder)") == true)
            #expect(error?.message.contains("journal: path:") == true)
        }
    }

    @Test("a folder in the place of the journal is refused and left alone")
    func folder() async throws {
        try await withFolder { folder in
            let error = await failure { try await open(folder) }
            #expect(error?.code == .access)
            #expect(error?.message.contains("is a folder") == true)
            #expect(FileManager.default.fileExists(atPath: folder))
        }
    }

    @Test("a newer format is refused with both numbers, and not one byte is changed")
    func newer() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let journal = try await open(path)
            _ = try await journal.append(draft("main"))
            try await journal.execute("PRAGMA user_version = 7")
            await journal.close()
            let before = try Data(contentsOf: URL(fileURLWithPath: path))
            let error = await failure { try await open(path) }
            #expect(error?.code == .newer)
            #expect(error?.message.contains("has format 7") == true)
            #expect(error?.message.contains("Install the version that wrote it") == true)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                    "journal.db", "journal.db.acknowledged", "journal.db.ballast", "journal.db.lock",
                ])
        }
    }

    @Test("another program's database is refused, and not one byte is changed")
    func foreign() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let other = try DatabaseQueue(path: path)
            try await other.write { try $0.execute(sql: "CREATE TABLE recipe(name TEXT)") }
            try other.close()
            let before = try Data(contentsOf: URL(fileURLWithPath: path))
            let error = await failure { try await open(path) }
            #expect(error?.code == .foreign)
            #expect(error?.message.contains("another program") == true)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
        }
    }

    @Test("a file that was begun and has no tables yet becomes a journal")
    func begun() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            var configuration = Configuration()
            configuration.journalMode = .wal
            try DatabaseQueue(path: path, configuration: configuration).close()
            let journal = try await open(path)
            #expect(journal.openingNotes.isEmpty)
            #expect(try await journal.append(draft("main")).seq == 1)
            await journal.close()
        }
    }

    @Test("an empty file is used, and reported")
    func empty() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            try Data().write(to: URL(fileURLWithPath: path))
            let journal = try await open(path)
            #expect(journal.openingNotes.count == 1)
            #expect(journal.openingNotes.first?.contains("empty file") == true)
            #expect(try await journal.append(draft("main")).seq == 1)
            await journal.close()
        }
    }

    /// What the first format had: no checksums beside those of readings.
    private func makeOld(_ folder: String) async throws -> (path: String, stream: String, [JournalEntry]) {
        let path = folder + "/journal.db"
        let journal = try await open(path)
        for index in 1...20 { _ = try await journal.append(draft("meter-\(index % 3)")) }
        try await journal.record(
            GapDraft(
                meter: "meter-1", fromTime: Timestamp(milliseconds: 1), toTime: Timestamp(milliseconds: 2), count: 3,
                reason: .journalUnavailable))
        try await journal.advance(outlet: "mqtt", to: OutletCursor(7))
        try await journal.set([7], forKey: "epoch", meter: "meter-2")
        let entries = try await journal.everything()
        try await journal.execute("DROP TABLE copy; DROP TABLE event; PRAGMA user_version = 1")
        try await journal.execute("ALTER TABLE outlet DROP COLUMN apart")
        for table in ["journal", "meter", "gap", "outlet", "state"] {
            try await journal.execute("ALTER TABLE \(table) DROP COLUMN checksum")
        }
        await journal.close()
        return (path, journal.openStream, entries)
    }

    @Test("a file of the older format goes on with all that it has")
    func older() async throws {
        try await withFolder { folder in
            let (path, stream, entries) = try await makeOld(folder)
            for _ in 1...2 {
                let journal = try await open(path)
                #expect(journal.openingNotes.isEmpty)
                #expect(journal.stream == stream)
                #expect(try await journal.everything() == entries)
                #expect(try await journal.cursor(of: "mqtt").position == 7)
                #expect(try await journal.value(forKey: "epoch", meter: "meter-2") == [7])
                #expect(try await journal.number("PRAGMA user_version") == 3)
                await journal.close()
            }
        }
    }

    @Test("a step to a newer format that fails leaves the older one, and the next opening makes it")
    func migrationFails() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let first = try await open(path)
            let reading = try await first.append(draft("main"))
            await first.close()
            let failing = JournalSeams(laterMigrations: [
                { db in try db.execute(sql: "CREATE TABLE later(x); INSERT INTO nowhere VALUES(1)") }
            ])
            #expect(await failure { try await open(path, seams: failing) } != nil)
            let again = try await open(path)
            #expect(try await again.everything() == [.reading(reading)])
            #expect(try await again.number("SELECT count(*) FROM sqlite_master WHERE name = 'later'") == 0)
            await again.close()
        }
    }

    @Test("a disk that fails when the file is opened is no end: calls say why, until it can be opened")
    func waits() async throws {
        try await withFaultDisk { disk in
            disk.fail(after: 0, code: 778)
            let lines = LogLines()
            let journal = try await Journal.open(
                path: disk.path, settings: JournalSettings(), waits: true, logger: .collecting(lines),
                seams: JournalSeams(retry: .milliseconds(10)))
            #expect(journal.stream == nil)
            #expect(journal.lastError?.code == .io)
            #expect(await failure { try await journal.append(draft("main")) }?.code == .io)
            #expect(await failure { try await journal.cursor(of: "mqtt") }?.code == .io)
            #expect(await journal.figures().readings == 0)
            disk.fail(after: nil)
            var commits = journal.commits().makeAsyncIterator()
            #expect(await commits.next() == 0)
            #expect(journal.stream?.count == 32)
            #expect(try await journal.append(draft("main")).seq == 1)
            #expect(journal.lastError == nil)
            #expect(lines.all.count == 2 && lines.all.last == "notice: The journal can be written again.")
            await journal.close()
        }
    }

    @Test("a journal that is closed before its file could be opened ends like any other")
    func closedWhileWaiting() async throws {
        try await withFaultDisk { disk in
            disk.fail(after: 0, code: 778)
            let journal = try await Journal.open(
                path: disk.path, settings: JournalSettings(), waits: true, logger: .silent,
                seams: JournalSeams(retry: .milliseconds(10)))
            let commits = journal.commits()
            await journal.close()
            for await _ in commits { Issue.record("a commit of a file that never was open") }
            #expect(await failure { try await journal.append(draft("main")) }?.code == .closed)
        }
    }

    @Test("what needs a person is an error at once, whoever waits")
    func waitsForNobody() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let first = try await open(path)
            for (place, code) in [(path, JournalError.Code.inUse), (folder + "/none/journal.db", .access)] {
                let error = await failure {
                    try await Journal.open(path: place, settings: JournalSettings(), waits: true, logger: .silent)
                }
                #expect(error?.code == code)
            }
            await first.close()
        }
    }
}
