import GRDB
import Synchronization

/// Takes back SQLite's `synchronous` for a transaction that needs no sync of its own, and sets it again for the next that does.
///
/// Between transactions only: within one SQLite refuses, which would leave the next reading without its sync.
final class SyncLevel: Sendable {
    private static let normal: Int64 = 1
    /// What it was; nil while it is that.
    private let former = Mutex<Int64?>(nil)

    func set(isSynced: Bool, in db: Database) throws {
        let former = former.withLock { $0 }
        switch (isSynced, former) {
        case (true, nil), (false, .some): return
        case (true, let level?): try set(level, in: db)
        case (false, nil):
            let level = try Int64.fetchOne(db, sql: "PRAGMA synchronous") ?? 0
            guard level > Self.normal else { return }
            try set(Self.normal, in: db)
            self.former.withLock { $0 = level }
            return
        }
        self.former.withLock { $0 = nil }
    }

    private func set(_ level: Int64, in db: Database) throws {
        try db.execute(sql: "PRAGMA synchronous = \(level)")
    }
}
