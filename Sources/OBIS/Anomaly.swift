/// Something that a person would want to know of a meter or its installation: from when it was noticed until it is over.
///
/// There is at most one open anomaly per meter, type and phase.
public struct Anomaly: Hashable, Sendable {
    public enum Severity: String, Sendable, Hashable, Comparable, CaseIterable {
        case low, medium, high, critical

        public static func < (lhs: Severity, rhs: Severity) -> Bool { lhs.rank < rhs.rank }

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    public enum Status: String, Sendable, Hashable, CaseIterable {
        case active, resolved
        /// A person does not want to hear of it.
        case ignored
    }

    public enum Phase: String, Sendable, Hashable, CaseIterable {
        case l1, l2, l3, n
    }

    /// 26 characters: a ULID, which sorts by the time of opening.
    public var id: String
    public var meter: String
    /// The stable name of the rule that found it, `overload`.
    public var type: String
    public var phase: Phase?
    /// The worst so far.
    public var severity: Severity
    public var status: Status
    /// Counts what was published of it, from 1.
    public var revision: Int
    /// For a person, short and without numbers.
    public var title: String
    /// A sentence or two with the numbers and with what to do.
    public var text: String
    /// The worst value so far, and what it was compared with; nil where the rule compares no number.
    public var measured: FixedDecimal?
    public var threshold: FixedDecimal?
    public var unit: Unit?
    public var startedAt: Timestamp
    public var updatedAt: Timestamp
    public var resolvedAt: Timestamp?
    /// The seq of the reading that opened it and of the newest that belongs to it; empty where no reading does.
    public var readings: [Int64]
    /// Why it is ignored, and until when; nil is for good.
    public var ignoredReason: String?
    public var ignoredUntil: Timestamp?

    public init(
        id: String, meter: String, type: String, phase: Phase? = nil, severity: Severity, status: Status = .active,
        revision: Int = 1, title: String, text: String, measured: FixedDecimal? = nil, threshold: FixedDecimal? = nil,
        unit: Unit? = nil, startedAt: Timestamp, updatedAt: Timestamp, resolvedAt: Timestamp? = nil,
        readings: [Int64] = [], ignoredReason: String? = nil, ignoredUntil: Timestamp? = nil
    ) {
        self.id = id
        self.meter = meter
        self.type = type
        self.phase = phase
        self.severity = severity
        self.status = status
        self.revision = revision
        self.title = title
        self.text = text
        self.measured = measured
        self.threshold = threshold
        self.unit = unit
        self.startedAt = startedAt
        self.updatedAt = updatedAt
        self.resolvedAt = resolvedAt
        self.readings = readings
        self.ignoredReason = ignoredReason
        self.ignoredUntil = ignoredUntil
    }
}

/// One thing that happened to an anomaly: what is journaled and published.
public struct AnomalyChange: Hashable, Sendable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case opened
        /// Its peak or its severity has risen; said at most once a minute.
        case updated
        case resolved, ignored
    }

    public var kind: Kind
    /// As it is after the change.
    public var anomaly: Anomaly

    public init(_ kind: Kind, _ anomaly: Anomaly) {
        self.kind = kind
        self.anomaly = anomaly
    }
}
