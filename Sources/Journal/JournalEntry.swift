import OBIS

/// A reading on its way into the journal.
public struct ReadingDraft: Sendable {
    /// The configured id of the meter.
    public var meter: String
    public var capturedAt: Timestamp
    /// Small values of the meter that change together with this reading, as `Journal.set` would write them.
    public var values: [String: [UInt8]?]
    /// Builds the payload, for example the JSON text. Called inside the transaction, on the journal's thread, so it must
    /// be short and free of effects; called again with the same number if a transaction fails and the reading is appended anew.
    public var encode: @Sendable (_ stream: String, _ seq: Int64) -> [UInt8]

    public init(
        meter: String, capturedAt: Timestamp, values: [String: [UInt8]?] = [:],
        encode: @escaping @Sendable (_ stream: String, _ seq: Int64) -> [UInt8]
    ) {
        self.meter = meter
        self.capturedAt = capturedAt
        self.values = values
        self.encode = encode
    }
}

/// A reading that is committed and synced. It never changes.
public struct JournaledReading: Sendable, Hashable {
    /// Place in the queue, over all meters.
    public let position: Int64
    public let meter: String
    /// Counts the readings of this meter in this stream, from 1, without holes.
    public let seq: Int64
    public let capturedAt: Timestamp
    public let payload: [UInt8]
}

/// Readings of one meter that no outlet will see.
public struct JournalGap: Sendable, Hashable {
    public enum Reason: String, Sendable, Hashable, CaseIterable {
        /// The journal, or the disk, had no room.
        case journalFull = "journal-full"
        /// The journal could not be written.
        case journalUnavailable = "journal-unavailable"
        /// The stored reading does not match its checksum.
        case journalDamaged = "journal-damaged"
        /// The other side never takes the reading, which is still in the journal.
        case setAside = "set-aside"
    }

    /// Place in the queue, over all meters.
    public let position: Int64
    public let meter: String
    /// First and last `seq`; nil for readings that never got one.
    public let fromSeq: Int64?
    public let toSeq: Int64?
    /// Earliest and latest `capturedAt`.
    public let fromTime: Timestamp
    public let toTime: Timestamp
    public let count: Int64
    public let reason: Reason
}

extension JournalGap {
    public init(standingFor reading: JournaledReading, reason: Reason) {
        self.init(
            position: reading.position, meter: reading.meter, fromSeq: reading.seq, toSeq: reading.seq,
            fromTime: reading.capturedAt, toTime: reading.capturedAt, count: 1, reason: reason)
    }
}

/// What an outlet gets, in the order of its position.
public enum JournalEntry: Sendable, Hashable {
    case reading(JournaledReading)
    case gap(JournalGap)

    public var position: Int64 {
        switch self {
        case .reading(let reading): reading.position
        case .gap(let gap): gap.position
        }
    }

    public var meter: String {
        switch self {
        case .reading(let reading): reading.meter
        case .gap(let gap): gap.meter
        }
    }

    public var reading: JournaledReading? {
        if case .reading(let reading) = self { reading } else { nil }
    }

    public var gap: JournalGap? {
        if case .gap(let gap) = self { gap } else { nil }
    }
}

/// Readings that could not be journaled, to be told as soon as the journal can be written again.
public struct GapDraft: Sendable, Hashable {
    public var meter: String
    public var fromTime: Timestamp
    public var toTime: Timestamp
    public var count: Int64
    public var reason: JournalGap.Reason

    public init(meter: String, fromTime: Timestamp, toTime: Timestamp, count: Int64, reason: JournalGap.Reason) {
        self.meter = meter
        self.fromTime = fromTime
        self.toTime = toTime
        self.count = count
        self.reason = reason
    }
}

/// What the journal holds and how it is.
public struct JournalFigures: Sendable, Hashable {
    /// Readings in the file.
    public var readings: Int64 = 0
    /// Position of the newest entry; 0 in a new journal.
    public var newest: Int64 = 0
    /// Entries that each outlet still has to take.
    public var backlog: [String: Int64] = [:]
    /// When the oldest reading was captured that some outlet still has to take.
    public var oldestWaiting: Timestamp?
    /// Bytes of the database file and of its write-ahead log.
    public var fileBytes: Int64 = 0
    /// Since opening: synced transactions, readings appended, readings dropped that every outlet had, and others.
    public var transactions: Int64 = 0
    public var appended: Int64 = 0
    public var expired: Int64 = 0
    public var givenUp: Int64 = 0
    /// Why the newest attempt to write failed; nil if it did not.
    public var lastError: JournalError?

    public init() {}
}
