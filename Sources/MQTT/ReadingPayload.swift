import OBIS

/// The JSON of `reading` and `state`. Keys stand in a fixed order, and numbers keep every digit.
public enum ReadingPayload {
    /// The version of the shape: within one, keys are only added.
    public static let schema = 1

    /// A journaled reading: fixed for ever with its place in the stream.
    public static func reading(_ body: ReadingBody, node: String, meter: String, stream: String, seq: Int64) -> [UInt8]
    {
        var json = JSONWriter(capacity: body.json.count + 256)
        json.object { json in
            head(node: node, meter: meter, stream: stream, seq: seq, &json)
            json.members(body.json)
        }
        return json.bytes
    }

    /// The merged state, with energies that go on when the meter is exchanged.
    ///
    /// - Parameters:
    ///   - totals: those that the meter's medium has.
    ///   - registerTotals: of the counters that have no field.
    ///   - seq: of the newest reading in it; nil where that one could not be journaled.
    public static func state(
        _ body: ReadingBody, totals: NamedValues, of medium: Medium?, registerTotals: [RegisterTotal] = [],
        node: String, meter: String, stream: String?, seq: Int64?
    ) -> [UInt8] {
        var json = JSONWriter(capacity: body.json.count + 512)
        json.object { json in
            head(node: node, meter: meter, stream: stream, seq: seq, &json)
            json.members(body.json)
            json.member("totals") { json in
                for field in NamedField.totals(of: medium) { json.member(field.name, totals[field]) }
            }
            json.member("register_totals") { json in
                for total in registerTotals {
                    json.member(named: total.key) { json in
                        json.member("value", total.value)
                        json.member("unit", total.unit?.symbol)
                    }
                }
            }
        }
        return json.bytes
    }

    private static func head(node: String, meter: String, stream: String?, seq: Int64?, _ json: inout JSONWriter) {
        json.member("schema", schema)
        json.member("node", node)
        json.member("meter", meter)
        json.member("stream", stream)
        json.member("seq", seq)
    }
}

/// What `reading` and `state` have in common: everything that a reading says by itself, as JSON. It is written once for
/// both.
public struct ReadingBody: Sendable {
    /// Members of an object, without its braces.
    let json: [UInt8]

    public init(_ reading: Reading) {
        var json = JSONWriter(capacity: 2048)
        Self.write(reading, &json)
        self.json = json.bytes
    }

    private static func write(_ reading: Reading, _ json: inout JSONWriter) {
        json.member("source", reading.source.rawValue)
        json.member("epoch", reading.epoch)
        json.member("device") { json in
            json.member("id", reading.device.id)
            json.member("manufacturer", reading.device.manufacturer)
        }
        json.member("time", reading.time)
        json.member("captured_at", reading.capturedAt)
        json.member("clock", reading.isClockSynchronized ? "synced" : "unsynced")
        json.member("meter_time", reading.meterTime?.description)
        for group in NamedField.Group.groups(of: reading.device.medium) { self.group(group, of: reading.values, &json) }
        json.member("quality", reading.quality.rawValue)
        json.key("issues")
        json.array { json in
            for issue in reading.issues { self.issue(issue, &json) }
        }
        json.member("registers") { json in
            for (register, key) in zip(reading.registers, reading.registerKeys) {
                json.member(named: key) { json in self.register(register, &json) }
            }
        }
    }

    private static func group(_ group: NamedField.Group, of values: NamedValues, _ json: inout JSONWriter) {
        json.member(named: group.rawValue) { json in
            for field in group.fields { json.member(field.name, values[field]) }
        }
    }

    private static func issue(_ issue: QualityIssue, _ json: inout JSONWriter) {
        json.object { json in
            json.member("register", issue.register)
            json.member("level", issue.level.rawValue)
            json.member("code", issue.code.rawValue)
            json.member("text", issue.text)
        }
    }

    private static func register(_ register: Register, _ json: inout JSONWriter) {
        json.key("value")
        json.value(register.value)
        json.member("unit", register.unit?.symbol)
        if let time = register.time { json.member("time", time.description) }
        if let index = register.index { json.member("index", index) }
    }
}
