import OBIS

/// The JSON of `anomaly` and `problem/<type>`.
public enum AnomalyPayload {
    /// One change of an anomaly: fixed for ever when it is journaled.
    public static func anomaly(_ change: AnomalyChange, node: String) -> [UInt8] {
        let anomaly = change.anomaly
        var json = JSONWriter(capacity: 768)
        json.object { json in
            json.member("schema", ReadingPayload.schema)
            json.member("event_type", change.kind.rawValue)
            json.member("revision", anomaly.revision)
            json.member("id", anomaly.id)
            json.member("node", node)
            json.member("meter", anomaly.meter)
            json.member("type", anomaly.type)
            json.member("severity", anomaly.severity.rawValue)
            json.member("status", anomaly.status.rawValue)
            json.member("phase", anomaly.phase?.rawValue)
            json.member("title", anomaly.title)
            json.member("description", anomaly.text)
            json.member("measured_value", anomaly.measured)
            json.member("threshold", anomaly.threshold)
            json.member("unit", anomaly.unit?.symbol)
            json.member("started_at", anomaly.startedAt)
            json.member("updated_at", anomaly.updatedAt)
            json.member("resolved_at", anomaly.resolvedAt)
            json.key("readings")
            json.array { json in for seq in anomaly.readings { json.number(seq) } }
            json.member("ignored_reason", anomaly.ignoredReason)
            json.member("ignored_until", anomaly.ignoredUntil)
        }
        return json.bytes
    }

    /// Whether anything of one type is open on a meter.
    ///
    /// - Parameter open: the anomalies of that type that nobody ignores, of all phases.
    public static func problem(_ open: [Anomaly]) -> [UInt8] { open.isEmpty ? noProblem : encoded(open) }

    /// One text for all: each meter has twenty topics that hold just that.
    private static let noProblem = encoded([])

    private static func encoded(_ open: [Anomaly]) -> [UInt8] {
        let oldest = open.min { $0.startedAt < $1.startedAt }
        var json = JSONWriter(capacity: 160)
        json.object { json in
            json.member("state", open.isEmpty ? "OFF" : "ON")
            json.key("phases")
            json.array { json in for phase in open.compactMap(\.phase).map(\.rawValue).sorted() { json.string(phase) } }
            json.member("severity", open.map(\.severity).max()?.rawValue)
            json.member("since", oldest?.startedAt)
            json.member("id", oldest?.id)
        }
        return json.bytes
    }
}
