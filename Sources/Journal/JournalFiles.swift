import Glibc
import OBIS

/// The files that make up one journal, by their names.
package struct JournalFiles: Sendable {
    let path: String

    package init(path: String) { self.path = path }

    /// What SQLite puts beside a database: the write-ahead log, its index, and the rollback journal of the first moment.
    static let companions = ["-wal", "-shm", "-journal"]

    /// What an outlet has beyond the database's cursor.
    var acknowledged: String { path + ".acknowledged" }

    var folder: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    var folderExists: Bool { Self.status(of: folder).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false }

    var isDirectory: Bool { Self.status(of: path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false }

    /// Bytes of the database file; nil where there is none.
    var databaseBytes: Int64? { Self.status(of: path).map { Int64($0.st_size) } }

    var logBytes: Int64 { Self.status(of: path + "-wal").map { Int64($0.st_size) } ?? 0 }

    /// Whether the file system says that an ordinary user gets no more of it.
    var isDiskFull: Bool { freeBytes < 16 * 4096 }

    /// Bytes that an ordinary user gets from the file system; without limit where it does not say.
    var freeBytes: Int64 {
        var status = statvfs()
        // The structure outlives the call, which fills it.
        guard unsafe statvfs(folder, &status) == 0 else { return .max }
        return Int64(clamping: status.f_bavail.multipliedReportingOverflow(by: status.f_frsize).partialValue)
    }

    /// Renames the database and what belongs to it to `…damaged-<time>`, so that SQLite's own tools find them together.
    ///
    /// The log goes first: should the power fail between two renames, no new database may meet an old log.
    ///
    /// - Returns: the new name of the database.
    func setAside(at now: Timestamp) throws(JournalError) -> String {
        let name = unusedName(at: now)
        // Positions in the new one may be others.
        unsafe unlink(acknowledged)
        for suffix in Self.companions + [""] where Self.status(of: path + suffix) != nil {
            guard unsafe rename(path + suffix, name + suffix) == 0 else {
                throw .noAccess(self, "the damaged file cannot be renamed: \(Self.reason(errno))")
            }
        }
        syncFolder()
        return name
    }

    /// A rename is on the disk only then. Where it fails, the next opening finds the files as they were.
    func syncFolder() {
        let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    private func unusedName(at now: Timestamp) -> String {
        let stamp = now.description.prefix(19).filter { $0 != "-" && $0 != ":" }
        let name = "\(path).damaged-\(stamp)Z"
        var candidate = name
        var number = 2
        while (Self.companions + [""]).contains(where: { Self.status(of: candidate + $0) != nil }) {
            candidate = "\(name)-\(number)"
            number += 1
        }
        return candidate
    }

    private static func status(of path: String) -> stat? {
        var status = stat()
        // The structure outlives the call, which fills it.
        return unsafe stat(path, &status) == 0 ? status : nil
    }

    /// The system's words for an error number.
    static func reason(_ number: Int32) -> String {
        // The text is static or belongs to this thread, and is copied at once.
        guard let text = unsafe strerror(number) else { return "error \(number)" }
        return unsafe String(cString: text)
    }
}

extension Timestamp {
    /// The host's clock.
    static var now: Timestamp {
        var time = timespec()
        // The structure outlives the call, which fills it.
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
