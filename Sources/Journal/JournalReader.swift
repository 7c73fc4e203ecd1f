import GRDB
import Glibc
import OBIS

/// Reads a journal from outside, also while the daemon writes it. Nothing is ever written, and the daemon is not held up:
/// readers of a write-ahead log see what was committed when they began.
///
/// Calls block; not for a cooperative thread that others wait for.
public struct JournalReader: Sendable {
    private let files: JournalFiles
    private let database: DatabaseQueue

    /// - Throws: `access` where there is no journal or it may not be read, `newer`, `foreign`, `corrupt`.
    public init(path: String) throws(JournalError) {
        let files = JournalFiles(path: path)
        guard files.databaseBytes != nil, !files.isDirectory else {
            throw JournalError(.access, "There is no journal \(path), or this user may not see it.")
        }
        self.files = files
        var configuration = Configuration()
        configuration.label = "journal-reader"
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        do {
            database = try DatabaseQueue(path: path, configuration: configuration)
            try database.read { db in
                guard try !JournalStore.examineIdentity(db, files, version: Schema.version(JournalSeams())) else {
                    throw JournalError(.foreign, "\(path) is an empty database and no journal.")
                }
            }
        } catch {
            throw JournalError(error, at: files)
        }
    }

    /// Readings and gaps behind a position, in its order.
    ///
    /// - Returns: empty at the end.
    public func entries(after position: Int64, limit: Int) throws(JournalError) -> [JournalEntry] {
        do {
            return try database.read { try $0.entries(after: position, limit: limit) }
        } catch {
            throw JournalError(error, at: files)
        }
    }

    /// Events of one kind behind a number.
    ///
    /// - Returns: empty at the end.
    public func events(_ kind: String, after number: Int64, limit: Int) throws(JournalError) -> [JournalEvent] {
        do {
            return try database.read { try $0.events(kind, after: number, limit: limit) }
        } catch {
            throw JournalError(error, at: files)
        }
    }

    /// The names of the meters that the journal knows, in the order in which it met them.
    public func meters() throws(JournalError) -> [String] {
        do {
            return try database.read { try String.fetchAll($0, sql: "SELECT name FROM meter ORDER BY id") }
        } catch {
            throw JournalError(error, at: files)
        }
    }

    /// Copies everything that was committed into a new file, which is a journal of its own. It has another name until it says
    /// that it is a copy.
    ///
    /// - Parameter path: must not exist yet.
    /// - Throws: `access` where it does or cannot be made, `full`.
    public func backup(to path: String) throws(JournalError) {
        let copy = JournalFiles(path: path)
        guard copy.databaseBytes == nil, !copy.isDirectory else {
            throw JournalError(.access, "\(path) exists already; name a file that does not.")
        }
        let part = path + ".part"
        for suffix in JournalFiles.companions + [""] { unsafe unlink(part + suffix) }
        do {
            let target = try DatabaseQueue(path: part)
            try database.backup(to: target)
            try target.writeWithoutTransaction { db in
                // Alone in one file: whoever copies it further needs no log beside it.
                _ = try String.fetchOne(db, sql: "PRAGMA journal_mode = DELETE")
                try db.inTransaction {
                    try db.setFact(Fact.isCopy, "1")
                    return .commit
                }
            }
            try target.close()
        } catch {
            // Half a copy is none, and would be in the way of the next one.
            for suffix in JournalFiles.companions + [""] { unsafe unlink(part + suffix) }
            throw JournalError(error, at: copy)
        }
        guard unsafe rename(part, path) == 0 else {
            let reason = JournalFiles.reason(errno)
            unsafe unlink(part)
            throw .noAccess(copy, "the finished copy cannot be renamed: \(reason)")
        }
        copy.syncFolder()
    }
}
