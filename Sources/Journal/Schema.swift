import GRDB

/// The tables, and the steps from one version of them to the next. `docs/journal.md` describes them.
enum Schema {
    /// `obis` in ASCII, in the header of the file: tells a journal from other people's databases.
    static let applicationID: Int64 = 0x6F62_6973

    /// Step n takes a file from version n to n + 1.
    static let migrations: [@Sendable (Database) throws -> Void] = [createTables, addChecksums, addEvents]

    static func version(_ seams: JournalSeams) -> Int64 { Int64(migrations.count + seams.laterMigrations.count) }

    /// All missing steps in one transaction: a power cut leaves the old version or the new one.
    static func migrate(_ db: Database, stream: () -> String, _ seams: JournalSeams) throws {
        let present = try Int64.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard present < version(seams) else { return }
        try db.inTransaction(.immediate) {
            for step in (migrations + seams.laterMigrations)[Int(present)...] {
                try step(db)
                seams.reached(.migrating)
            }
            if present == 0 {
                try db.setFact(Fact.stream, stream())
                try db.execute(sql: "PRAGMA application_id = \(applicationID)")
            }
            try db.execute(sql: "PRAGMA user_version = \(version(seams))")
            return .commit
        }
    }

    /// No index beside the primary keys: each would cost one more page written for every reading.
    private static func createTables(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE journal (
                    key TEXT NOT NULL PRIMARY KEY,
                    value TEXT NOT NULL
                ) WITHOUT ROWID;

                -- last_position: of the newest entry of this meter. The largest of all is the end of the queue, also when
                -- nothing is left in it.
                CREATE TABLE meter (
                    id INTEGER PRIMARY KEY,
                    name TEXT NOT NULL UNIQUE,
                    last_seq INTEGER NOT NULL,
                    last_position INTEGER NOT NULL
                );

                CREATE TABLE reading (
                    position INTEGER PRIMARY KEY,
                    meter INTEGER NOT NULL,
                    seq INTEGER NOT NULL,
                    captured_at INTEGER NOT NULL,
                    checksum INTEGER NOT NULL,
                    payload BLOB NOT NULL
                );

                CREATE TABLE gap (
                    position INTEGER PRIMARY KEY,
                    meter INTEGER NOT NULL,
                    from_seq INTEGER,
                    to_seq INTEGER,
                    from_time INTEGER NOT NULL,
                    to_time INTEGER NOT NULL,
                    count INTEGER NOT NULL,
                    reason TEXT NOT NULL
                );

                CREATE TABLE outlet (
                    name TEXT NOT NULL PRIMARY KEY,
                    position INTEGER NOT NULL
                ) WITHOUT ROWID;

                CREATE TABLE state (
                    meter TEXT NOT NULL,
                    key TEXT NOT NULL,
                    value BLOB NOT NULL,
                    PRIMARY KEY (meter, key)
                ) WITHOUT ROWID;
                """)
    }

    /// Every row gets one, and what could not be told without its row stands in a second table.
    private static func addChecksums(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE copy (
                    key TEXT NOT NULL PRIMARY KEY,
                    value TEXT NOT NULL
                ) WITHOUT ROWID;
                INSERT INTO copy SELECT key, value FROM journal;
                INSERT INTO copy SELECT 'meter ' || id, name FROM meter;
                """)
        for table in CheckedTable.all where table.name != CheckedTable.outlets.name {
            try db.execute(sql: "ALTER TABLE \(table.name) ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0")
            try db.seal(table)
        }
        try db.execute(sql: "ALTER TABLE outlet ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0")
    }

    /// What is told of a meter beside its readings, and outlets that have less of some meters than of the others.
    private static func addEvents(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE event (
                    number INTEGER PRIMARY KEY,
                    meter TEXT NOT NULL,
                    kind TEXT NOT NULL,
                    at INTEGER NOT NULL,
                    payload BLOB NOT NULL,
                    checksum INTEGER NOT NULL
                );

                CREATE TABLE new_outlet (
                    name TEXT NOT NULL PRIMARY KEY,
                    position INTEGER NOT NULL,
                    apart TEXT NOT NULL,
                    checksum INTEGER NOT NULL
                ) WITHOUT ROWID;
                INSERT INTO new_outlet SELECT name, position, '', 0 FROM outlet;
                DROP TABLE outlet;
                ALTER TABLE new_outlet RENAME TO outlet;
                """)
        try db.seal(.outlets)
    }
}
