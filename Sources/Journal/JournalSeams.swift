import GRDB

/// Moments at which a test ends the process, to see what is left.
package enum Failpoint: String, Sendable, CaseIterable {
    /// A transaction is committed and synced, and nobody has been told.
    case committed
    /// Readings have been dropped in a transaction that is not committed.
    case retaining
    /// A step of a migration has been made in a transaction that is not committed.
    case migrating
    /// Entries of a damaged file have been brought over, and not yet taken its place.
    case salvaging
}

/// Where tests come in. A journal as everybody opens it has none of it.
package struct JournalSeams: Sendable {
    package var reached: @Sendable (Failpoint) -> Void
    /// Steps to formats that do not exist yet.
    package var laterMigrations: [@Sendable (Database) throws -> Void]
    /// Bytes that are free on the disk; nil asks the file system.
    package var freeBytes: (@Sendable () -> Int64)?
    /// Time since the machine was started; nil asks the kernel.
    package var uptime: (@Sendable () -> Duration)?
    /// Until a file that could not be opened is tried again.
    package var retry: Duration
    /// Until a cursor that has moved is synced.
    package var cursorSync: Duration

    package init(
        reached: @escaping @Sendable (Failpoint) -> Void = { _ in },
        laterMigrations: [@Sendable (Database) throws -> Void] = [], freeBytes: (@Sendable () -> Int64)? = nil,
        uptime: (@Sendable () -> Duration)? = nil, retry: Duration = .seconds(5),
        cursorSync: Duration = .seconds(1)
    ) {
        self.reached = reached
        self.laterMigrations = laterMigrations
        self.freeBytes = freeBytes
        self.uptime = uptime
        self.retry = retry
        self.cursorSync = cursorSync
    }
}
