import Glibc
import OBIS

/// The way from a path to an open database, whatever lies there.
struct Opening: Sendable {
    let store: JournalStore
    let lock: FileLock
    let notes: [String]

    static func result(_ files: JournalFiles, at now: Timestamp, _ seams: JournalSeams) -> Result<Opening, JournalError>
    {
        let isNew = files.databaseBytes == nil
        let result = Result { () throws(JournalError) in try Opening(files, at: now, seams) }
        // An empty file that was left here would pass for one that something has emptied.
        if case .failure = result, isNew, files.databaseBytes == 0 { unsafe unlink(files.path) }
        return result
    }

    private init(_ files: JournalFiles, at now: Timestamp, _ seams: JournalSeams) throws(JournalError) {
        guard !files.isDirectory else {
            throw JournalError(
                .access,
                "\(files.path) is a folder. Name a file in it, for example `journal: {path: \(files.path)/journal.db}`."
            )
        }
        lock = try FileLock(files)
        let restoration = Restoration(files: files, seams: seams)
        var notes = try Self.finish(restoration)
        notes += try Self.lookAtRemains(files, at: now)
        var store: JournalStore
        do {
            try restoration.examineLog()
            store = try Self.store(files, seams)
        } catch {
            guard error.code == .corrupt else { throw error }
            let outcome = try Self.withBallast(files, seams) { () throws(JournalError) in try restoration.build() }
            seams.reached(.salvaging)
            let name = try files.setAside(at: now)
            seams.reached(.salvaging)
            if outcome != nil { try restoration.takePlace() }
            store = try Self.store(files, seams)
            notes.append(
                "The journal \(files.path) was damaged (\(error.finding ?? error.message)) and has been set aside as "
                    + "\(name). \(Self.sentence(outcome, stream: store.stream))")
        }
        if try AcknowledgedMark.isBeyond(store) {
            let former = store
            try Self.withBallast(files, seams) { () throws(JournalError) in try former.becomeCopy() }
            store = try Self.store(files, seams)
            notes.append(
                "The journal \(files.path) is older than what the broker has acknowledged of it: a copy has been put back, or "
                    + "the disk lost what it had confirmed. Numbers behind its end were given before, so the stream "
                    + "\(store.stream) has been started.")
        }
        self.store = store
        self.notes = notes
    }

    private static func sentence(_ outcome: Restoration.Outcome?, stream: String) -> String {
        guard let outcome else {
            return "A new one with the stream \(stream) has been started; readings that had not been published are in "
                + "the file set aside."
        }
        let found = "\(outcome.readings) readings have been brought over, \(outcome.missing) are missing"
        return outcome.keepsStream
            ? "\(found); the stream \(stream) goes on."
            : "\(found); their numbers cannot be continued with certainty, so the stream \(stream) has been started."
    }

    /// The power failed while a damaged file was being replaced: a restored one without a damaged one is complete.
    private static func finish(_ restoration: Restoration) throws(JournalError) -> [String] {
        guard let size = restoration.target.databaseBytes, size > 0 else { return [] }
        guard restoration.files.databaseBytes == nil else {
            try restoration.discard()
            return []
        }
        try restoration.takePlace()
        return [
            "The journal \(restoration.files.path) was damaged, and what could be read of it has been brought over."
        ]
    }

    private static func store(_ files: JournalFiles, _ seams: JournalSeams) throws(JournalError) -> JournalStore {
        try withBallast(files, seams) { () throws(JournalError) in try JournalStore(opening: files, seams) }
    }

    /// A disk that is full has room for the log's index at least when the ballast is gone.
    private static func withBallast<Value>(
        _ files: JournalFiles, _ seams: JournalSeams, _ body: () throws(JournalError) -> Value
    ) throws(JournalError) -> Value {
        do {
            return try body()
        } catch {
            guard error.code == .full, Ballast(files, seams).throwOff() else { throw error }
            return try body()
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
