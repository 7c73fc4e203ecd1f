import GRDB
import OBIS

/// One open database. Every call blocks, so it is made on the journal's thread only.
struct JournalStore: Sendable {
    let files: JournalFiles
    let database: DatabaseQueue
    let stream: String
    /// Position of the newest entry when it was opened.
    let newest: Int64
    let end = KeptQueueEnd()
    private let syncLevel = SyncLevel()

    /// Reads or writes without opening a transaction.
    func access<Value>(_ body: (Database) throws -> Value) throws(JournalError) -> Value {
        do {
            return try database.writeWithoutTransaction(body)
        } catch {
            throw JournalError(error, at: files)
        }
    }

    /// One transaction, committed when this returns.
    ///
    /// - Parameter isSynced: false leaves the sync to the next transaction that has one, or to the kernel: what is
    ///   committed survives the end of the process, and no power cut finds it without what was committed before.
    func commit<Value>(
        isSynced: Bool = true, _ body: (Database) throws -> Value
    ) throws(JournalError) -> Value {
        try access { db in
            // A rollback that failed with the disk leaves its transaction open.
            if db.isInsideTransaction { try db.rollback() }
            try syncLevel.set(isSynced: isSynced, in: db)
            // Both statements are prepared once; those of the library would be for every transaction.
            try db.cachedStatement(sql: "BEGIN IMMEDIATE TRANSACTION").execute()
            do {
                let result = try body(db)
                try db.cachedStatement(sql: "COMMIT TRANSACTION").execute()
                return result
            } catch {
                // The disk may have ended it already.
                if db.isInsideTransaction { try? db.rollback() }
                throw error
            }
        }
    }
}

// MARK: - Opening

extension JournalStore {
    /// Opens the file or makes a new one, and examines it.
    init(opening files: JournalFiles, _ seams: JournalSeams) throws(JournalError) {
        self.files = files
        do {
            database = try DatabaseQueue(path: files.path, configuration: Self.configuration(files, seams))
        } catch {
            throw JournalError(error, at: files)
        }
        let size = files.databaseBytes ?? 0
        do {
            (stream, newest) = try database.writeWithoutTransaction { db in
                try Schema.migrate(db, stream: Self.newStream, seams)
                try Self.verifySettings(db, files)
                if size <= JournalLimits.completeCheck { try Self.checkCompletely(db) }
                for table in CheckedTable.all { try db.verify(table) }
                let newest = try Self.checkedNewest(db)
                try Self.leaveStreamOfCopy(db, newest: newest)
                return (try Self.storedStream(db), newest)
            }
        } catch {
            try? database.close()
            throw JournalError(error, at: files)
        }
    }

    private static func configuration(_ files: JournalFiles, _ seams: JournalSeams) -> Configuration {
        var configuration = Configuration()
        configuration.label = "journal"
        configuration.foreignKeysEnabled = false
        // Whoever reads the journal from outside holds locks for moments only.
        configuration.busyMode = .timeout(5)
        // A transaction that cannot even be rolled back is dealt with at the next one; it is no reason to end the process.
        configuration.allowsUnsafeTransactions = true
        configuration.prepareDatabase { db in
            // Before anything is written: the file may be somebody else's.
            let isNew = try examineIdentity(db, files, version: Schema.version(seams))
            // Would write to an existing file, and would have no effect.
            if isNew { try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL") }
            guard try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL") == "wal" else {
                throw JournalError(
                    .access,
                    """
                    The file system of \(files.path) does not support SQLite's write-ahead log. Put the journal on a local \
                    disk with `journal: path:`.
                    """)
            }
            // The library's own WAL setting would make this NORMAL, which syncs at checkpoints only.
            try db.execute(sql: "PRAGMA synchronous = FULL")
            try db.execute(sql: "PRAGMA journal_size_limit = \(JournalLimits.log)")
        }
        return configuration
    }

    /// A newer version's journal and other programs' databases are left exactly as they are.
    ///
    /// - Returns: whether nothing is in it yet.
    static func examineIdentity(_ db: Database, _ files: JournalFiles, version known: Int64) throws -> Bool {
        let application = try Int64.fetchOne(db, sql: "PRAGMA application_id") ?? 0
        let version = try Int64.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        let tables = try String.fetchAll(db, sql: "SELECT name FROM sqlite_master WHERE type = 'table'")
        if application == Schema.applicationID {
            guard version <= known else {
                throw JournalError(
                    .newer,
                    """
                    The journal \(files.path) has format \(version), and this version of obisd knows formats up to \
                    \(known). Install the version that wrote it, or set `journal: path:` to a new file.
                    """)
            }
            guard version > 0 else { throw JournalError.corrupt("the format's number is \(version)") }
            return false
        }
        guard tables.isEmpty else {
            guard tables.contains("reading"), tables.contains("outlet") else {
                throw JournalError(
                    .foreign,
                    """
                    \(files.path) is an SQLite database of another program; it has been left untouched. Set \
                    `journal: path:` to a file that does not exist yet.
                    """)
            }
            throw JournalError.corrupt("the header does not say that it is a journal")
        }
        return true
    }

    private static func verifySettings(_ db: Database, _ files: JournalFiles) throws {
        let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode")
        let synchronous = try Int64.fetchOne(db, sql: "PRAGMA synchronous")
        guard mode == "wal", synchronous == 2 else {
            throw JournalError(
                .io,
                """
                The journal \(files.path) cannot promise that readings survive a power cut: SQLite runs with journal mode \
                \(mode ?? "?") and synchronous \(synchronous ?? -1) instead of wal and 2. Check how the system's SQLite was built.
                """)
        }
    }

    private static func checkCompletely(_ db: Database) throws {
        let finding = try String.fetchOne(db, sql: "PRAGMA quick_check(1)")
        guard finding == "ok" else { throw JournalError.corrupt(finding ?? "the check gave no answer") }
    }

    private static func storedStream(_ db: Database) throws -> String {
        let stream = try String.fetchOne(db, sql: "SELECT value FROM journal WHERE key = 'stream'")
        guard let stream, stream.utf8.count == 32, Hex.bytes(stream.utf8)?.count == 16 else {
            throw JournalError.corrupt("the name of the stream is missing or misspelt")
        }
        return stream
    }

    /// The journal that the file was copied from may have gone on, with other readings under the next numbers: what comes
    /// now gets numbers of a stream of its own. What is there keeps those under which it may be known.
    private static func leaveStreamOfCopy(_ db: Database, newest: Int64) throws {
        guard try Bool.fetchOne(db, sql: "SELECT true FROM journal WHERE key = ?", arguments: [Fact.isCopy]) != nil
        else { return }
        try db.inTransaction {
            for row in try Row.fetchAll(db, sql: "SELECT id, name, last_position FROM meter") {
                try db.updateMeter(
                    id: row.integer(0), name: row.text(1), lastSeq: 0, lastPosition: row.integer(2))
            }
            try db.setFact(Fact.stream, newStream())
            try db.setFact(Fact.formerEnd, "\(newest)")
            try db.removeFact(Fact.isCopy)
            return .commit
        }
    }

    /// Makes a copy of it, which leaves its stream when it is opened again.
    func becomeCopy() throws(JournalError) {
        try commit { db in try db.setFact(Fact.isCopy, "1") }
        do {
            try database.close()
        } catch {
            throw JournalError(error, at: files)
        }
    }

    /// The end of the queue, which nothing in the file may lie behind.
    private static func checkedNewest(_ db: Database) throws -> Int64 {
        for row in try Row.fetchAll(db, sql: "SELECT last_seq, last_position, name FROM meter") {
            _ = try row.integer(0).successor()
            _ = try row.integer(1).successor()
            _ = try row.text(2)
        }
        let newest = try db.newestPosition()
        for table in ["reading", "gap"] {
            let last = try Int64.fetchOne(db, sql: "SELECT max(position) FROM \(table)") ?? 0
            guard last <= newest else {
                throw JournalError.corrupt("entries reach to \(last), the meters' counters to \(newest)")
            }
        }
        _ = try db.oldestReading()
        return newest
    }

    /// 16 random bytes as lower-case hex.
    private static func newStream() -> String {
        var generator = SystemRandomNumberGenerator()
        return Hex.string((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }
}

extension Database {
    /// Position of the newest entry; 0 in a new journal.
    func newestPosition() throws -> Int64 {
        try Int64.fetchOne(cachedStatement(sql: "SELECT max(last_position) FROM meter")) ?? 0
    }

    /// Position of the oldest reading that is left; nil when there is none.
    func oldestReading() throws -> Int64? {
        let oldest = try Int64.fetchOne(cachedStatement(sql: "SELECT min(position) FROM reading"))
        guard let oldest else { return nil }
        guard oldest > 0 else { throw JournalError.corrupt("the queue begins at \(oldest)") }
        return oldest
    }

    /// Up to which position every outlet has everything; 0 while there is none.
    func acknowledgedPosition() throws -> Int64 {
        try cursors().values.map(\.complete).min() ?? 0
    }
}
