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
    func storedFigures() throws -> StoredFigures {
        let newest = try newestPosition()
        let head = try oldestReading().map { $0 - 1 } ?? newest
        let gapsBehind = try Int64.fetchOne(self, sql: "SELECT count(*) FROM gap WHERE position > ?", arguments: [head])
        let readings = max(0, newest - head - (gapsBehind ?? 0))
        var figures = StoredFigures(readings: readings, backlog: [:], oldestWaiting: nil)
        for row in try Row.fetchAll(self, sql: "SELECT name, position FROM outlet") {
            let cursor = try row.integer(1)
            let gapsBefore = try Int64.fetchOne(
                self, sql: "SELECT count(*) FROM gap WHERE position > ? AND position <= ?", arguments: [cursor, head])
            figures.backlog[try row.text(0)] = max(0, newest - max(cursor, head)) + (gapsBefore ?? 0)
        }
        figures.oldestWaiting = try Int64.fetchOne(
            self, sql: "SELECT captured_at FROM reading WHERE position > ? ORDER BY position LIMIT 1",
            arguments: [try acknowledgedPosition()]
        ).map { Timestamp(milliseconds: $0) }
        return figures
    }
}
