import GRDB

/// Why the journal could not do what it was asked.
///
/// Compared by code, so that nothing depends on wording.
public struct JournalError: Error, Sendable {
    /// Stable names, for logs, `info` and metrics.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// No space is left for the file.
        case full
        /// The disk or its driver reported an error.
        case io
        /// The file's content contradicts itself.
        case corrupt
        /// The journal was closed before.
        case closed
        /// The file or its folder cannot be opened, created or written.
        case access
        /// Another process has the journal open.
        case inUse = "in-use"
        /// A newer version of this program wrote the file.
        case newer
        /// The file is an SQLite database, but no journal.
        case foreign
        /// One entry is larger than the journal takes.
        case limit
    }

    public let code: Code
    /// A sentence for a person: what happened and what to do.
    public let message: String
    /// For `corrupt`: only what was found, to be put into another sentence.
    var finding: String?

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Whether the same call may succeed later without anybody changing the configuration.
    public var mayPass: Bool {
        switch code {
        case .full, .io, .inUse: true
        case .corrupt, .closed, .access, .newer, .foreign, .limit: false
        }
    }
}

extension JournalError: Hashable {
    public static func == (lhs: JournalError, rhs: JournalError) -> Bool {
        lhs.code == rhs.code
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(code)
    }
}

extension JournalError: CustomStringConvertible {
    public var description: String { "\(code.rawValue): \(message)" }
}

extension JournalError {
    static let closed = JournalError(.closed, "The journal is closed.")

    static func corrupt(_ finding: String) -> JournalError {
        var error = JournalError(
            .corrupt,
            "The journal is damaged: \(finding). Restart obisd; it examines the file, sets it aside and begins anew.")
        error.finding = finding
        return error
    }

    /// Sorts what SQLite reports into the codes above.
    init(_ error: any Error, at files: JournalFiles) {
        switch error {
        case let error as JournalError: self = error
        case let error as DatabaseError: self.init(sqlite: error, at: files)
        default: self.init(.io, "The journal \(files.path) cannot be used: \(error).")
        }
    }

    private init(sqlite error: DatabaseError, at files: JournalFiles) {
        // The name and number of the extended code tell which call failed; the statement is of no interest.
        let detail = "\(error.message ?? "no text") (SQLite \(error.extendedResultCode.rawValue))"
        switch error.resultCode {
        case .SQLITE_FULL:
            self = .full(files, detail)
        case .SQLITE_IOERR where files.isDiskFull:
            // Growing the shared memory of the log fails as an I/O error where writing the file says "full".
            self = .full(files, detail)
        case .SQLITE_ERROR, .SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_CONSTRAINT, .SQLITE_MISMATCH, .SQLITE_FORMAT:
            self = .corrupt(detail)
        case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
            self = .noAccess(files, detail)
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            self.init(
                .inUse,
                "The journal \(files.path) is locked by another program: \(detail). Close whatever writes to it.")
        default:
            self.init(
                .io,
                "The journal \(files.path) cannot be read or written: \(detail). Check the disk and the kernel's log.")
        }
    }

    static func full(_ files: JournalFiles, _ detail: String) -> JournalError {
        JournalError(
            .full,
            """
            The journal \(files.path) cannot grow: \(detail). Free space on its disk; readings are accepted again as soon \
            as there is some.
            """)
    }

    static func noAccess(_ files: JournalFiles, _ detail: String) -> JournalError {
        let remedy =
            files.folderExists
            ? "Give this program's user write permission to the folder \(files.folder) and the files in it"
            : "Create the folder \(files.folder) for this program's user"
        return JournalError(
            .access,
            """
            The journal \(files.path) cannot be opened for writing: \(detail). \(remedy), or set `journal: path:` to \
            another place.
            """)
    }
}
