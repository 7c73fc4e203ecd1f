/// How the journal keeps what it has: `journal:` of the configuration, without the path.
public struct JournalSettings: Sendable, Hashable {
    /// What happens at `maxSize` when nothing is left that every outlet has.
    public enum WhenFull: String, Sendable, Hashable, CaseIterable {
        /// The oldest readings are given up, and a gap says which.
        case dropOldest = "drop_oldest"
    }

    /// When readings reach the disk. `append` returns when they have, in either case.
    public enum Sync: Sendable, Hashable {
        /// As soon as they arrive.
        case full
        /// Together with all that arrive in this time after the first of them: fewer writes and syncs, for which each
        /// caller waits longer, and a crash takes what has waited.
        case every(Duration)
    }

    /// The age from which a reading that every outlet has is dropped; nil keeps it as long as there is room.
    public var keep: Duration?
    /// Bytes of the database file; the write-ahead log comes on top. Nil is without limit.
    public var maxSize: Int64?
    public var whenFull: WhenFull
    public var sync: Sync

    public init(
        keep: Duration? = .seconds(365 * 86_400), maxSize: Int64? = 1 << 30, whenFull: WhenFull = .dropOldest,
        sync: Sync = .full
    ) {
        self.keep = keep
        self.maxSize = maxSize
        self.whenFull = whenFull
        self.sync = sync
    }
}

/// Bounds on what one call puts into the journal.
enum JournalLimits {
    /// One reading as JSON.
    static let payload = 1 << 20
    /// One small value of a meter.
    static let value = 1 << 16
    /// Writes that share one transaction.
    static let batch = 256
    /// Bytes that one call of `entries` holds at most, beside the first entry.
    static let page = 8 << 20
    /// Entries that one call looks at to find those of one meter.
    static let look: Int64 = 4096
    /// Meters that an outlet has up to another place than the others.
    static let apart = 4096
    /// Events that are kept at most.
    static let events: Int64 = 100_000
    /// Readings dropped in one transaction.
    static let chunk: Int64 = 256
    /// Pages in the file that let it take entries on a full disk.
    static let freePages: Int64 = 64
    /// Appends between two looks at age and size.
    static let appendsPerCheck = 64
    /// A file up to this size is examined completely when it is opened.
    static let completeCheck: Int64 = 64 << 20
    /// The write-ahead log is cut back to this when it starts anew.
    static let log: Int64 = 4 << 20
}
