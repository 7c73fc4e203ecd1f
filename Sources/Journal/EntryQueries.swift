import GRDB
import OBIS

extension Database {
    /// Readings and gaps after a position, in its order.
    package func entries(after position: Int64, limit: Int) throws -> [JournalEntry] {
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
        if let mended = try mended(reading, meter: try row.integer(1), checksum: try row.integer(5)) {
            return (.reading(mended), mended.payload.count)
        }
        return (.gap(JournalGap(standingFor: reading, reason: .journalDamaged)), 0)
    }

    /// The reading, where only its number or its meter is damaged: of the few that there can be, the checksum tells which
    /// is right.
    private func mended(_ reading: JournaledReading, meter: Int64, checksum: Int64) throws -> JournaledReading? {
        for seq in try seqsBetweenNeighbours(of: meter, at: reading.position) {
            let candidate = JournaledReading(
                position: reading.position, meter: reading.meter, seq: seq, capturedAt: reading.capturedAt,
                payload: reading.payload)
            if Int64(candidate.checksum(meter: meter)) == checksum { return candidate }
        }
        for row in try Row.fetchAll(cachedStatement(sql: "SELECT id, name FROM meter")) {
            guard try Int64(reading.checksum(meter: row.integer(0))) == checksum else { continue }
            return JournaledReading(
                position: reading.position, meter: try row.text(1), seq: reading.seq, capturedAt: reading.capturedAt,
                payload: reading.payload)
        }
        return nil
    }

    /// What the number of a meter's reading is by those around it, as far as they are near.
    private func seqsBetweenNeighbours(of meter: Int64, at position: Int64) throws -> [Int64] {
        let (first, last) = (position &- JournalLimits.look, position &+ JournalLimits.look)
        let before = try Int64.fetchOne(
            cachedStatement(
                sql: """
                    SELECT seq FROM reading WHERE meter = ? AND position < ? AND position >= ?
                    ORDER BY position DESC LIMIT 1
                    """), arguments: [meter, position, first])
        let after = try Int64.fetchOne(
            cachedStatement(
                sql: """
                    SELECT seq FROM reading WHERE meter = ? AND position > ? AND position <= ?
                    ORDER BY position LIMIT 1
                    """), arguments: [meter, position, last])
        return [before.map { $0 &+ 1 }, after.map { $0 &- 1 }].compactMap { $0 }
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

    // MARK: Of one meter

    /// Nothing is indexed by meter, so the entries of all are looked at, a bounded number of them.
    package func entries(
        of meter: String, after position: Int64, through end: Int64, limit: Int
    ) throws -> (entries: [JournalEntry], through: Int64) {
        let start = max(position, try firstPosition() - 1)
        let last = min(end, start.addingReportingOverflow(JournalLimits.look).partialValue)
        guard limit > 0, last > start else { return ([], max(position, end)) }
        let id = try Int64.fetchOne(
            cachedStatement(sql: "SELECT id FROM meter WHERE name = ?"), arguments: [meter])
        guard let id else { return ([], last) }
        let readings = try readings(of: id, after: start, through: last, limit: limit)
        let gaps = try gaps(after: start, through: last, limit: .max).filter { $0.meter == meter }
        let entries = (readings + gaps).sorted { $0.position < $1.position }.prefix(limit)
        // Where the limit cut it off, there may be more behind the last one.
        let isCut = readings.count == limit || readings.count + gaps.count > limit
        return (Array(entries), isCut ? entries.last?.position ?? last : last)
    }

    private func readings(of id: Int64, after position: Int64, through end: Int64, limit: Int) throws -> [JournalEntry]
    {
        let statement = try cachedStatement(
            sql: """
                SELECT r.position, r.meter, m.name, r.seq, r.captured_at, r.checksum, r.payload
                FROM reading r JOIN meter m ON m.id = r.meter
                WHERE r.position > ? AND r.position <= ? AND r.meter = ? ORDER BY r.position LIMIT ?
                """)
        return try Row.fetchAll(statement, arguments: [position, end, id, limit]).map { try readingEntry($0).0 }
    }

    /// Where the queue begins: before it nothing has to be looked for.
    private func firstPosition() throws -> Int64 {
        let gap = try Int64.fetchOne(cachedStatement(sql: "SELECT min(position) FROM gap"))
        return min(try oldestReading() ?? .max, gap ?? .max)
    }

    // MARK: Cursors and values

    func cursor(of outlet: String) throws -> OutletCursor? {
        let statement = try cachedStatement(sql: "SELECT position, apart FROM outlet WHERE name = ?")
        return try Row.fetchOne(statement, arguments: [outlet]).map { try OutletCursor($0) }
    }

    /// What every outlet has, by its name.
    package func cursors() throws -> [String: OutletCursor] {
        var cursors: [String: OutletCursor] = [:]
        for row in try Row.fetchAll(cachedStatement(sql: "SELECT position, apart, name FROM outlet")) {
            cursors[try row.text(2)] = try OutletCursor(row)
        }
        return cursors
    }

    func value(forKey key: String, meter: String) throws -> [UInt8]? {
        let statement = try cachedStatement(sql: "SELECT value FROM state WHERE meter = ? AND key = ?")
        return try Row.fetchOne(statement, arguments: [meter, key])?.bytes(0)
    }

    package func values(of meter: String) throws -> [String: [UInt8]] {
        var values: [String: [UInt8]] = [:]
        let statement = try cachedStatement(sql: "SELECT key, value FROM state WHERE meter = ?")
        let rows = try Row.fetchCursor(statement, arguments: [meter])
        while let row = try rows.next() { values[try row.text(0)] = try row.bytes(1) }
        return values
    }
}

extension OutletCursor {
    /// Position and who stands apart, in the first two columns.
    fileprivate init(_ row: Row) throws {
        guard let cursor = OutletCursor(try row.integer(0), apartText: try row.text(1)) else {
            throw JournalError.corrupt("a cursor says \(try row.text(1))")
        }
        self = cursor
    }
}
