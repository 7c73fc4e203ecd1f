import Foundation
import GRDB
import OBIS

/// Something that is told of a meter beside its readings, in an order of its own: it waits behind no backlog.
public struct JournalEvent: Sendable, Hashable {
    /// Counts all events of the file.
    public let number: Int64
    public let meter: String
    /// What sort it is; each has its own listeners.
    public let kind: String
    public let at: Timestamp
    public let payload: [UInt8]
}

/// An event on its way into the journal.
public struct EventDraft: Sendable, Hashable {
    public var meter: String
    public var kind: String
    public var at: Timestamp
    public var payload: [UInt8]

    public init(meter: String, kind: String, at: Timestamp, payload: [UInt8]) {
        self.meter = meter
        self.kind = kind
        self.at = at
        self.payload = payload
    }
}

extension JournalEvent {
    fileprivate var columns: [StoredValue] {
        [.integer(number), .text(meter), .text(kind), .integer(at.milliseconds), .blob(payload)]
    }

    init?(_ columns: [StoredValue]) {
        guard columns.count == 5, let number = columns[0].integer, let meter = columns[1].string,
            let kind = columns[2].string, let at = columns[3].integer, let payload = columns[4].bytes
        else { return nil }
        self.init(
            number: number, meter: meter, kind: kind, at: Timestamp(milliseconds: at), payload: payload)
    }
}

extension Database {
    func insert(_ event: JournalEvent) throws {
        try cachedStatement(
            sql: "INSERT INTO event(number, meter, kind, at, payload, checksum) VALUES(?, ?, ?, ?, coalesce(?, x''), ?)"
        ).execute(arguments: [
            event.number, event.meter, event.kind, event.at.milliseconds, Data(event.payload),
            CheckedTable.events.checksum(event.columns),
        ])
    }

    /// Behind a number, in their order. One that does not match its checksum is left out.
    package func events(_ kind: String, after number: Int64, limit: Int) throws -> [JournalEvent] {
        let statement = try cachedStatement(
            sql: """
                SELECT number, meter, kind, at, payload, checksum FROM event WHERE number > ? AND kind = ?
                ORDER BY number LIMIT ?
                """)
        return try Row.fetchAll(statement, arguments: [number, kind, limit]).compactMap { row in
            let columns = try (0..<5).map { column in
                guard let value = StoredValue(row[column]) else { throw JournalError.corrupt("an event is none") }
                return value
            }
            guard try row.integer(5) == CheckedTable.events.checksum(columns) else { return nil }
            return JournalEvent(columns)
        }
    }

    func newestEvent() throws -> Int64 {
        try Int64.fetchOne(cachedStatement(sql: "SELECT max(number) FROM event")) ?? 0
    }

    /// - Parameter limit: milliseconds since 1970; nil where nothing is too old.
    func hasEventsToDrop(before limit: Int64?) throws -> Bool {
        let newest = try newestEvent()
        let oldest = try Row.fetchOne(cachedStatement(sql: "SELECT number, at FROM event ORDER BY number LIMIT 1"))
        guard let oldest, try oldest.integer(0) < newest else { return false }
        return try newest - oldest.integer(0) >= JournalLimits.events
            || limit.map { try oldest.integer(1) < $0 } ?? false
    }

    /// Drops some of those that are too old or too many. The newest stays, so that its number is not given again.
    func dropEvents(before limit: Int64?) throws -> Int64 {
        let newest = try newestEvent()
        let end = newest - 1
        try cachedStatement(sql: "DELETE FROM event WHERE number <= ?")
            .execute(arguments: [min(end, newest - JournalLimits.events)])
        var dropped = Int64(changesCount)
        guard let limit else { return dropped }
        try cachedStatement(
            sql: """
                DELETE FROM event WHERE number IN (
                    SELECT number FROM event WHERE number <= ? AND at < ? ORDER BY number LIMIT ?)
                """
        ).execute(arguments: [end, limit, JournalLimits.chunk])
        dropped += Int64(changesCount)
        return dropped
    }
}
