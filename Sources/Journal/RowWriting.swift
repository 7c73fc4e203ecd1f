import Foundation
import GRDB
import OBIS

/// Rows together with their checksums. An empty array is bound as NULL, hence `coalesce`.
extension Database {
    func insert(_ reading: JournaledReading, meter id: Int64) throws {
        try cachedStatement(
            sql: """
                INSERT INTO reading(position, meter, seq, captured_at, checksum, payload)
                VALUES(?, ?, ?, ?, ?, coalesce(?, x''))
                """
        ).execute(arguments: [
            reading.position, id, reading.seq, reading.capturedAt.milliseconds, Int64(reading.checksum(meter: id)),
            Data(reading.payload),
        ])
    }

    /// - Parameter isNumbered: false where its numbers are those of a former stream and would mislead.
    func insert(_ gap: SalvagedQueue.NumberedGap, at position: Int64, isNumbered: Bool = true) throws {
        let (from, to) = isNumbered ? (gap.fromSeq, gap.toSeq) : (nil, nil)
        let checksum = CheckedTable.gaps.checksum([
            .integer(position), .integer(gap.meter), StoredValue(from), StoredValue(to), .integer(gap.fromTime),
            .integer(gap.toTime), .integer(gap.count), .text(gap.reason),
        ])
        try cachedStatement(
            sql: """
                INSERT INTO gap(position, meter, from_seq, to_seq, from_time, to_time, count, reason, checksum)
                VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            position, gap.meter, from, to, gap.fromTime, gap.toTime, gap.count, gap.reason, checksum,
        ])
    }

    // MARK: Meters

    /// Its name stands in two tables, since readings name it by its id alone.
    @discardableResult
    func insertMeter(id: Int64? = nil, name: String, lastSeq: Int64, lastPosition: Int64) throws -> Int64 {
        let id = try id ?? (Int64.fetchOne(self, sql: "SELECT max(id) FROM meter") ?? 0).successor()
        try cachedStatement(
            sql: "INSERT INTO meter(id, name, last_seq, last_position, checksum) VALUES(?, ?, ?, ?, ?)"
        ).execute(arguments: [
            id, name, lastSeq, lastPosition, Self.meterChecksum(id, name, lastSeq, lastPosition),
        ])
        try set(Fact.name(id), name, in: .copies)
        return id
    }

    func updateMeter(id: Int64, name: String, lastSeq: Int64, lastPosition: Int64) throws {
        try cachedStatement(sql: "UPDATE meter SET last_seq = ?, last_position = ?, checksum = ? WHERE id = ?")
            .execute(arguments: [lastSeq, lastPosition, Self.meterChecksum(id, name, lastSeq, lastPosition), id])
    }

    private static func meterChecksum(_ id: Int64, _ name: String, _ lastSeq: Int64, _ lastPosition: Int64) -> Int64 {
        CheckedTable.meters.checksum([.integer(id), .text(name), .integer(lastSeq), .integer(lastPosition)])
    }

    // MARK: Facts, cursors and values

    /// Both copies.
    func setFact(_ key: String, _ value: String) throws {
        try set(key, value, in: .facts)
        try set(key, value, in: .copies)
    }

    func removeFact(_ key: String) throws {
        for table in [CheckedTable.facts, .copies] {
            try execute(sql: "DELETE FROM \(table.name) WHERE key = ?", arguments: [key])
        }
    }

    private func set(_ key: String, _ value: String, in table: CheckedTable) throws {
        try execute(
            sql: "INSERT OR REPLACE INTO \(table.name)(key, value, checksum) VALUES(?, ?, ?)",
            arguments: [key, value, table.checksum([.text(key), .text(value)])])
    }

    func setOutlet(_ name: String, _ cursor: OutletCursor) throws {
        let apart = cursor.apartText
        let checksum = CheckedTable.outlets.checksum([.text(name), .integer(cursor.position), .text(apart)])
        try cachedStatement(sql: "INSERT OR REPLACE INTO outlet(name, position, apart, checksum) VALUES(?, ?, ?, ?)")
            .execute(arguments: [name, cursor.position, apart, checksum])
    }

    /// Writes the cursors as they are, so that a sync has something to do. A row that is only overwritten with itself would
    /// not be written.
    func touchOutlets() throws {
        let cursors = try cursors()
        try execute(sql: "DELETE FROM outlet")
        for (name, cursor) in cursors { try setOutlet(name, cursor) }
    }

    func setValue(_ value: [UInt8]?, forKey key: String, meter: String) throws {
        guard let value else {
            try cachedStatement(sql: "DELETE FROM state WHERE meter = ? AND key = ?").execute(arguments: [meter, key])
            return
        }
        try cachedStatement(
            sql: """
                INSERT INTO state(meter, key, value, checksum) VALUES(?, ?, coalesce(?, x''), ?)
                ON CONFLICT(meter, key) DO UPDATE SET value = excluded.value, checksum = excluded.checksum
                """
        ).execute(arguments: [
            meter, key, Data(value), CheckedTable.values.checksum([.text(meter), .text(key), .blob(value)]),
        ])
    }
}

extension StoredValue {
    init(_ number: Int64?) {
        self = number.map { .integer($0) } ?? .null
    }
}
