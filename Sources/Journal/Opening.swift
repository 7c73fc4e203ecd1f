import OBIS

/// The way from a path to an open database, whatever lies there.
struct Opening: Sendable {
    let store: JournalStore
    let lock: FileLock
    let notes: [String]

    static func result(_ files: JournalFiles, at now: Timestamp, _ seams: JournalSeams) -> Result<Opening, JournalError>
    {
        Result { () throws(JournalError) in try Opening(files, at: now, seams) }
    }

    private init(_ files: JournalFiles, at now: Timestamp, _ seams: JournalSeams) throws(JournalError) {
        guard !files.isDirectory else {
            throw JournalError(
                .access,
                "\(files.path) is a folder. Name a file in it, for example `journal: {path: \(files.path)/journal.db}`."
            )
        }
        lock = try FileLock(files)
        var notes = try Self.lookAtRemains(files, at: now)
        do {
            store = try Self.store(files, seams)
        } catch {
            guard error.code == .corrupt else { throw error }
            let name = try files.setAside(at: now)
            store = try JournalStore(opening: files, seams)
            notes.append(
                """
                The journal \(files.path) was damaged (\(error.finding ?? error.message)) and has been set aside as \(name). A new one with \
                the stream \(store.stream) has been started; readings that had not been published are in the file set aside.
                """)
        }
        self.notes = notes
    }

    /// A disk that is full has room for the log's index at least when the ballast is gone.
    private static func store(_ files: JournalFiles, _ seams: JournalSeams) throws(JournalError) -> JournalStore {
        do {
            return try JournalStore(opening: files, seams)
        } catch {
            guard error.code == .full, Ballast(files, seams).throwOff() else { throw error }
            return try JournalStore(opening: files, seams)
        }
    }

    /// Signs of a journal that was here before, where no database is.
    private static func lookAtRemains(_ files: JournalFiles, at now: Timestamp) throws(JournalError) -> [String] {
        let size = files.databaseBytes
        guard size ?? 0 == 0 else { return [] }
        if files.logBytes > 0 {
            // A new database would take the old log for its own.
            let name = try files.setAside(at: now)
            return [
                """
                The journal \(files.path) is gone and only its write-ahead log was left, which has been set aside as \
                \(name)-wal. A new journal with a new stream has been started.
                """
            ]
        }
        guard size == 0 else { return [] }
        return ["The journal \(files.path) was an empty file. A new journal with a new stream has been started."]
    }
}
