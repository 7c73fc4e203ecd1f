import OBIS

/// What the daemon says about itself on its `info` topic.
public struct DaemonInfo: Sendable {
    public struct Meter: Sendable {
        public var id: String
        public var name: String?
        public var protocolName: String
        public var endpoint: String
        public var device: String?
        public var isOnline: Bool
        public var readings: Int64
        /// Those of them that were read from the load profile.
        public var backfilled: Int64
        /// Readings that could not be journaled.
        public var unjournaled: Int64
        public var lastSeq: Int64?
        public var lastReading: Timestamp?
        /// Dropped messages by error code.
        public var rejected: [String: Int64]
        public var noiseBytes: Int64
        public var linkError: String?
        /// The active power by now, in W; nil where the meter gives none, and when it is too old to be true.
        public var power: FixedDecimal?
        /// Which share of the newest messages arrived whole, 0 to 1; nil before the first one.
        public var linkQuality: FixedDecimal?
        /// Readings that the broker does not have yet; nil where that is not known.
        public var waiting: Int64?
        public var anomalies: OpenAnomalies

        public init(
            id: String, name: String?, protocolName: String, endpoint: String, device: String?, isOnline: Bool,
            readings: Int64, backfilled: Int64 = 0, unjournaled: Int64 = 0, lastSeq: Int64?, lastReading: Timestamp?,
            rejected: [String: Int64], noiseBytes: Int64,
            linkError: String?, power: FixedDecimal? = nil, linkQuality: FixedDecimal? = nil, waiting: Int64? = nil,
            anomalies: OpenAnomalies = OpenAnomalies([])
        ) {
            self.id = id
            self.name = name
            self.protocolName = protocolName
            self.endpoint = endpoint
            self.device = device
            self.isOnline = isOnline
            self.readings = readings
            self.backfilled = backfilled
            self.unjournaled = unjournaled
            self.lastSeq = lastSeq
            self.lastReading = lastReading
            self.rejected = rejected
            self.noiseBytes = noiseBytes
            self.linkError = linkError
            self.power = power
            self.linkQuality = linkQuality
            self.waiting = waiting
            self.anomalies = anomalies
        }
    }

    /// What is wrong with a meter and its installation by now, without what a person has ignored.
    public struct OpenAnomalies: Sendable, Hashable {
        public let counts: [Anomaly.Severity: Int]
        /// Each once, in the order of their names.
        public let types: [String]

        /// - Parameter open: ignored ones may be among them.
        public init(_ open: [Anomaly]) {
            let told = open.filter { $0.status == .active }
            counts = Dictionary(told.map { ($0.severity, 1) }, uniquingKeysWith: +)
            types = Set(told.map(\.type)).sorted()
        }

        public var count: Int { counts.values.reduce(0, +) }
        public var worst: Anomaly.Severity? { counts.keys.max() }
    }

    public struct Journal: Sendable {
        public var readings: Int64
        /// Entries that the broker does not have yet.
        public var backlog: Int64
        public var oldestWaiting: Timestamp?
        public var bytes: Int64
        public var givenUp: Int64
        public var error: String?

        public init(
            readings: Int64, backlog: Int64, oldestWaiting: Timestamp?, bytes: Int64, givenUp: Int64, error: String?
        ) {
            self.readings = readings
            self.backlog = backlog
            self.oldestWaiting = oldestWaiting
            self.bytes = bytes
            self.givenUp = givenUp
            self.error = error
        }
    }

    public struct Broker: Sendable {
        public var acknowledged: Int64
        public var refused: Int64
        /// Readings that the broker will never take.
        public var setAside: Int64
        public var isConnected: Bool
        public var hasSubscriber: Bool?
        public var error: String?

        public init(
            acknowledged: Int64, refused: Int64, setAside: Int64 = 0, isConnected: Bool = true, hasSubscriber: Bool?,
            error: String?
        ) {
            self.acknowledged = acknowledged
            self.refused = refused
            self.setAside = setAside
            self.isConnected = isConnected
            self.hasSubscriber = hasSubscriber
            self.error = error
        }
    }

    public var version: String
    public var node: String
    /// Nil while the journal cannot be opened.
    public var stream: String?
    public var startedAt: Timestamp
    public var meters: [Meter]
    public var journal: Journal
    public var broker: Broker
    /// Why the daemon does not do all that it should; empty when it does.
    public var degraded: [String]

    public init(
        version: String, node: String, stream: String?, startedAt: Timestamp, meters: [Meter], journal: Journal,
        broker: Broker, degraded: [String]
    ) {
        self.version = version
        self.node = node
        self.stream = stream
        self.startedAt = startedAt
        self.meters = meters
        self.journal = journal
        self.broker = broker
        self.degraded = degraded
    }

    /// The payload of the topic.
    public func json() -> [UInt8] {
        var json = JSONWriter(capacity: 1024)
        json.object { json in write(to: &json) }
        return json.bytes
    }

    /// The members of its object.
    public func write(to json: inout JSONWriter) {
        json.member("schema", ReadingPayload.schema)
        json.member("version", version)
        json.member("node", node)
        json.member("stream", stream)
        json.member("started_at", startedAt)
        json.member("degraded", !degraded.isEmpty)
        json.key("reasons")
        json.array { json in for reason in degraded { json.string(reason) } }
        json.key("meters")
        json.array { json in for meter in meters { meter.write(to: &json) } }
        json.member("journal") { json in journal.write(to: &json) }
        json.member("broker") { json in broker.write(to: &json) }
    }
}

extension DaemonInfo.Meter {
    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("id", id)
            json.member("name", name)
            json.member("protocol", protocolName)
            json.member("endpoint", endpoint)
            json.member("device", device)
            json.member("online", isOnline)
            json.member("readings", readings)
            json.member("backfilled", backfilled)
            json.member("unjournaled", unjournaled)
            json.member("last_seq", lastSeq)
            json.member("last_reading", lastReading)
            json.member("rejected") { json in
                for (code, count) in rejected.sorted(by: { $0.key < $1.key }) { json.member(named: code, count) }
            }
            json.member("noise_bytes", noiseBytes)
            json.member("link_error", linkError)
            json.key("power")
            if let power { Self.write(power, in: .watt, to: &json) } else { json.null() }
            json.member("link_quality", linkQuality)
            json.member("waiting", waiting)
            json.member("anomalies") { json in anomalies.write(to: &json) }
        }
    }

    private static func write(_ value: FixedDecimal, in unit: Unit, to json: inout JSONWriter) {
        json.object { json in
            json.member("value", value)
            json.member("unit", unit.symbol)
        }
    }
}

extension DaemonInfo.OpenAnomalies {
    fileprivate func write(to json: inout JSONWriter) {
        json.member("count", count)
        json.member("worst", worst?.rawValue)
        json.member("severities") { json in
            for severity in Anomaly.Severity.allCases { json.member(named: severity.rawValue, counts[severity] ?? 0) }
        }
        json.key("types")
        json.array { json in for type in types { json.string(type) } }
    }
}

extension DaemonInfo.Journal {
    fileprivate func write(to json: inout JSONWriter) {
        json.member("readings", readings)
        json.member("backlog", backlog)
        json.member("oldest_waiting", oldestWaiting)
        json.member("bytes", bytes)
        json.member("given_up", givenUp)
        json.member("error", error)
    }
}

extension DaemonInfo.Broker {
    fileprivate func write(to json: inout JSONWriter) {
        json.member("acknowledged", acknowledged)
        json.member("refused", refused)
        json.member("set_aside", setAside)
        json.member("connected", isConnected)
        json.key("subscriber")
        if let hasSubscriber { json.bool(hasSubscriber) } else { json.null() }
        json.member("error", error)
    }
}
