import GRDB
import OBIS

extension Database {
    /// Readings and gaps after a position, in its order.
    func entries(after position: Int64, limit: Int) throws -> [JournalEntry] {
        guard limit > 0 else { return [] }
        let (readings, end) = try readings(after: position, limit: limit)
        let gaps = try gaps(after: position, through: end, limit: limit)
        guard !gaps.isEmpty else { return readings }
        return Array((readings + gaps).sorted { $0.position < $1.position }.prefix(limit))
    }

    /// - Returns: also how far they are complete.
    private func readings(after position: Int64, limit: Int) throws -> ([JournalEntry], end: Int64) {
        let statement = try cachedStatement(
            sql: """
                SELECT r.position, r.meter, m.name, r.seq, r.captured_at, r.checksum, r.payload
                FROM reading r JOIN meter m ON m.id = r.meter WHERE r.position > ? ORDER BY r.position LIMIT ?
                """)
        var entries: [JournalEntry] = []
        var bytes = 0
        let rows = try Row.fetchCursor(statement, arguments: [position, limit])
        while let row = try rows.next() {
            let (entry, size) = try readingEntry(row)
            entries.append(entry)
            bytes += size
            if entries.count == limit || bytes > JournalLimits.page { return (entries, entry.position) }
        }
        return (entries, .max)
    }

    /// A row that fails its checksum is told as a gap, so that it neither counts as good nor holds up those behind it.
    private func readingEntry(_ row: Row) throws -> (JournalEntry, bytes: Int) {
        let meter = try row.text(2)
        let reading = JournaledReading(
            position: try row.integer(0), meter: meter, seq: try row.integer(3), capturedAt: try row.timestamp(4),
            payload: try row.bytes(6))
        guard try row.integer(5) != Int64(reading.checksum(meter: try row.integer(1))) else {
            return (.reading(reading), reading.payload.count)
        }
        let gap = JournalGap(
            position: reading.position, meter: meter, fromSeq: reading.seq, toSeq: reading.seq,
            fromTime: reading.capturedAt, toTime: reading.capturedAt, count: 1, reason: .journalDamaged)
        return (.gap(gap), 0)
    }

    private func gaps(after position: Int64, through end: Int64, limit: Int) throws -> [JournalEntry] {
        let statement = try cachedStatement(
            sql: """
                SELECT g.position, m.name, g.from_seq, g.to_seq, g.from_time, g.to_time, g.count, g.reason
                FROM gap g JOIN meter m ON m.id = g.meter WHERE g.position > ? AND g.position <= ?
                ORDER BY g.position LIMIT ?
                """)
        return try Row.fetchAll(statement, arguments: [position, end, limit]).map { row in
            .gap(
                JournalGap(
                    position: try row.integer(0), meter: try row.text(1), fromSeq: try row.optionalInteger(2),
                    toSeq: try row.optionalInteger(3), fromTime: try row.timestamp(4), toTime: try row.timestamp(5),
                    count: try row.integer(6),
                    reason: JournalGap.Reason(rawValue: try row.text(7)) ?? .journalUnavailable))
        }
    }

    // MARK: Cursors and values

    func cursor(of outlet: String) throws -> Int64? {
        try Int64.fetchOne(cachedStatement(sql: "SELECT position FROM outlet WHERE name = ?"), arguments: [outlet])
    }

    func value(forKey key: String, meter: String) throws -> [UInt8]? {
        let statement = try cachedStatement(sql: "SELECT value FROM state WHERE meter = ? AND key = ?")
        return try Row.fetchOne(statement, arguments: [meter, key])?.bytes(0)
    }
}
