import GRDB
import Synchronization

/// Where the queue ends: the newest position, and what each meter's counter has reached.
struct QueueEnd: Sendable {
    struct Meter: Sendable {
        let id: Int64
        var lastSeq: Int64
    }

    /// Position of the newest entry; 0 in a new journal.
    var newest: Int64
    /// By name.
    var meters: [String: Meter]

    init(_ database: Database) throws {
        newest = 0
        meters = [:]
        let rows = try Row.fetchCursor(database, sql: "SELECT id, name, last_seq, last_position FROM meter")
        while let row = try rows.next() {
            meters[try row.text(1)] = Meter(id: try row.integer(0), lastSeq: try row.integer(2))
            newest = max(newest, try row.integer(3))
        }
    }
}

/// The end of the queue as it stands in the file, kept from one transaction to the next: nobody else writes the file, and a
/// look at every meter's counter would cost more than a reading where there are thousands.
final class KeptQueueEnd: Sendable {
    /// Nil where a transaction may have left the file otherwise.
    private let kept = Mutex<QueueEnd?>(nil)

    /// Takes it for a transaction, which gives it back when it is committed.
    func take(_ database: Database) throws -> QueueEnd {
        let known = kept.withLock { kept in
            defer { kept = nil }
            return kept
        }
        return try known ?? QueueEnd(database)
    }

    func giveBack(_ end: QueueEnd) { kept.withLock { $0 = end } }

    /// The next transaction reads it from the file.
    func forget() { kept.withLock { $0 = nil } }
}
