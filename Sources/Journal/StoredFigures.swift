import GRDB
import OBIS

/// The figures that stand in the file.
struct StoredFigures: Sendable {
    var readings: Int64
    var backlog: [String: Int64]
    var oldestWaiting: Timestamp?
}

extension Database {
    /// By arithmetic where counting would read the whole file: only the beginning of the queue is ever dropped, so
    /// behind it every position is taken, and before it only gaps are left.
    ///
    /// - Parameter known: what outlets have beyond what was recorded of them.
    func storedFigures(_ known: [String: OutletCursor]) throws -> StoredFigures {
        let newest = try newestPosition()
        let head = try oldestReading().map { $0 - 1 } ?? newest
        let gapsBehind = try Int64.fetchOne(self, sql: "SELECT count(*) FROM gap WHERE position > ?", arguments: [head])
        let readings = max(0, newest - head - (gapsBehind ?? 0))
        var figures = StoredFigures(readings: readings, backlog: [:], oldestWaiting: nil)
        let cursors = try cursors().merging(known) { $1 }
        for (outlet, cursor) in cursors {
            let gapsBefore = try Int64.fetchOne(
                self, sql: "SELECT count(*) FROM gap WHERE position > ? AND position <= ?",
                arguments: [cursor.position, head])
            var waiting = max(0, newest - max(cursor.position, head)) + (gapsBefore ?? 0)
            for (meter, place) in cursor.apart {
                waiting += try countReadings(of: meter, after: place, through: cursor.position)
            }
            figures.backlog[outlet] = waiting
        }
        figures.oldestWaiting = try Int64.fetchOne(
            self, sql: "SELECT captured_at FROM reading WHERE position > ? ORDER BY position LIMIT 1",
            arguments: [cursors.values.map(\.complete).min() ?? 0]
        ).map { Timestamp(milliseconds: $0) }
        return figures
    }

    /// How many there are, by their numbers: the first and the last are near the ends.
    func countReadings(of meter: String, after start: Int64, through end: Int64) throws -> Int64 {
        func seq(_ order: String) throws -> Int64? {
            try Int64.fetchOne(
                cachedStatement(
                    sql: """
                        SELECT r.seq FROM reading r JOIN meter m ON m.id = r.meter
                        WHERE r.position > ? AND r.position <= ? AND m.name = ? ORDER BY r.position \(order) LIMIT 1
                        """),
                arguments: [start, end, meter])
        }
        guard let first = try seq("ASC"), let last = try seq("DESC") else { return 0 }
        let (count, overflow) = last.subtractingReportingOverflow(first)
        return overflow || count < 0 ? 0 : count + 1
    }
}
