import GRDB
import OBIS

/// The writes of one transaction, and the numbers that they take from one another.
struct WriteBatch {
    let database: Database
    let stream: String
    /// Those of this batch included.
    private(set) var end: QueueEnd
    private(set) var appended: Int64 = 0
    /// What the queue grew by.
    private(set) var entries: [JournalEntry] = []
    /// Number of the newest event of this batch; nil without one.
    private(set) var newestEvent: Int64?
    /// Whether a cursor is another one than before.
    private(set) var hasMovedCursor = false

    init(_ database: Database, stream: String, end: QueueEnd) {
        self.database = database
        self.stream = stream
        self.end = end
    }

    // MARK: Entries

    /// The payload is built here, since the number is certain only here.
    ///
    /// What this throws of its own accord it throws before it has changed anything.
    mutating func append(_ draft: ReadingDraft) throws -> JournaledReading {
        for value in draft.values.values { try Self.requireSmall(value) }
        let seq = try (end.meters[draft.meter]?.lastSeq ?? 0).successor()
        let payload = draft.encode(stream, seq)
        guard payload.count <= JournalLimits.payload else {
            throw JournalError(
                .limit,
                "A reading of \(draft.meter) has \(payload.count) bytes; the journal takes \(JournalLimits.payload).")
        }
        let position = try end.newest.successor()
        let id = try count(draft.meter, seq: seq, position: position)
        let reading = JournaledReading(
            position: position, meter: draft.meter, seq: seq, capturedAt: draft.capturedAt, payload: payload)
        try database.insert(reading, meter: id)
        for (key, value) in draft.values { try set(value, forKey: key, meter: draft.meter) }
        appended += 1
        entries.append(.reading(reading))
        return reading
    }

    /// All of them or none: one that is refused leaves none of the others.
    mutating func append(_ drafts: [ReadingDraft]) throws -> [JournaledReading] {
        var readings: [JournaledReading] = []
        try allOrNothing { batch in
            for draft in drafts { readings.append(try batch.append(draft)) }
        }
        return readings
    }

    private mutating func allOrNothing(_ body: (inout WriteBatch) throws -> Void) throws {
        let before = self
        do {
            try database.inSavepoint {
                try body(&self)
                return .commit
            }
        } catch {
            self = before
            throw error
        }
    }

    mutating func record(_ draft: GapDraft) throws {
        let position = try end.newest.successor()
        let id = try count(draft.meter, seq: end.meters[draft.meter]?.lastSeq ?? 0, position: position)
        let gap = JournalGap(
            position: position, meter: draft.meter, fromSeq: nil, toSeq: nil, fromTime: draft.fromTime,
            toTime: draft.toTime, count: draft.count, reason: draft.reason)
        try database.insert(
            SalvagedQueue.NumberedGap(
                meter: id, fromTime: gap.fromTime.milliseconds, toTime: gap.toTime.milliseconds, count: gap.count,
                reason: gap.reason.rawValue),
            at: position)
        entries.append(.gap(gap))
    }

    /// - Returns: the meter's id.
    private mutating func count(_ meter: String, seq: Int64, position: Int64) throws -> Int64 {
        let id: Int64
        if let known = end.meters[meter] {
            id = known.id
            try database.updateMeter(id: id, name: meter, lastSeq: seq, lastPosition: position)
        } else {
            id = try database.insertMeter(name: meter, lastSeq: seq, lastPosition: position)
        }
        end.meters[meter] = QueueEnd.Meter(id: id, lastSeq: seq)
        end.newest = position
        return id
    }

    // MARK: Events

    /// - Parameter values: small values of the meter that change together with the event.
    mutating func append(_ draft: EventDraft, values: [String: [UInt8]?]) throws -> JournalEvent {
        for value in values.values { try Self.requireSmall(value) }
        try Self.requireSmall(draft.payload)
        let event = JournalEvent(
            number: try database.newestEvent().successor(), meter: draft.meter, kind: draft.kind, at: draft.at,
            payload: draft.payload)
        try database.insert(event)
        newestEvent = event.number
        for (key, value) in values { try set(value, forKey: key, meter: draft.meter) }
        return event
    }

    /// All of them or none.
    mutating func append(_ drafts: [EventDraft], values: [String: [UInt8]]) throws {
        try allOrNothing { batch in
            for (index, draft) in drafts.enumerated() {
                _ = try batch.append(draft, values: index == drafts.indices.last ? values : [:])
            }
        }
    }

    // MARK: Cursors

    /// Makes the outlet known, so that nothing is dropped before it has it.
    mutating func register(_ outlet: String) throws {
        guard try database.cursor(of: outlet) == nil else { return }
        try set(outlet, OutletCursor(0))
    }

    /// Never backwards, and never beyond the end of the queue.
    mutating func advance(_ outlet: String, to cursor: OutletCursor) throws {
        guard cursor.apart.count <= JournalLimits.apart else {
            throw JournalError(.limit, "The outlet \(outlet) has \(cursor.apart.count) meters apart.")
        }
        let present = try database.cursor(of: outlet)
        let wanted = OutletCursor(min(cursor.position, end.newest), apart: cursor.apart)
        guard let present else { return try set(outlet, wanted.position < 0 ? OutletCursor(0) : wanted) }
        guard wanted.position >= present.position, wanted != present else { return }
        try set(outlet, wanted)
    }

    private mutating func set(_ outlet: String, _ cursor: OutletCursor) throws {
        try database.setOutlet(outlet, cursor)
        hasMovedCursor = true
    }

    // MARK: Values

    func set(_ value: [UInt8]?, forKey key: String, meter: String) throws {
        try Self.requireSmall(value)
        try database.setValue(value, forKey: key, meter: meter)
    }

    private static func requireSmall(_ value: [UInt8]?) throws(JournalError) {
        guard let count = value?.count, count > JournalLimits.value else { return }
        throw JournalError(.limit, "A value of \(count) bytes is too large; the journal takes \(JournalLimits.value).")
    }
}

extension JournaledReading {
    /// Over everything in the row.
    func checksum(meter id: Int64) -> UInt32 {
        var checksum = CRC32()
        for number in [position, id, seq, capturedAt.milliseconds] { checksum.update(number) }
        checksum.update(payload)
        return checksum.value
    }
}
