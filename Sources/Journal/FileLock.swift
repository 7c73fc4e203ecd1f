import Glibc
import Synchronization

/// Keeps a second writer away: an advisory lock on `<journal>.lock`, which the kernel releases however the process ends.
///
/// SQLite's own locks would have to be held for ever to say the same, and would shut out readers as well.
final class FileLock: Sendable {
    private let descriptor: Mutex<Int32>

    init(_ files: JournalFiles) throws(JournalError) {
        let number = unsafe open(files.path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard number >= 0 else { throw Self.cannotCreate(files, errno) }
        guard flock(number, LOCK_EX | LOCK_NB) == 0 else {
            let error = errno
            Glibc.close(number)
            guard error == EWOULDBLOCK else {
                throw .noAccess(files, "it cannot be locked: \(JournalFiles.reason(error))")
            }
            throw JournalError(
                .inUse,
                """
                The journal \(files.path) is in use by another process. Stop that one, or give this one its own journal with \
                `journal: path:`.
                """)
        }
        descriptor = Mutex(number)
    }

    deinit { release() }

    /// Lets the next one in.
    func release() {
        descriptor.withLock { number in
            guard number >= 0 else { return }
            // A child between fork and exec has the descriptor too, so closing it is not enough.
            flock(number, LOCK_UN)
            Glibc.close(number)
            number = -1
        }
    }

    private static func cannotCreate(_ files: JournalFiles, _ error: Int32) -> JournalError {
        let reason = JournalFiles.reason(error)
        guard error == ENOSPC || error == EDQUOT else { return .noAccess(files, reason) }
        return JournalError(.full, "The journal \(files.path) cannot be created: \(reason). Free space on its disk.")
    }
}
