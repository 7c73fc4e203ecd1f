import Journal
import MQTT
import OBIS

/// The JSON of `gap`: readings that nobody will see, and why.
enum GapPayload {
    static func json(_ gap: JournalGap, stream: String?) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("schema", ReadingPayload.schema)
            json.member("meter", gap.meter)
            json.member("stream", stream)
            json.member("from_seq", gap.fromSeq)
            json.member("to_seq", gap.toSeq)
            json.member("from_time", gap.fromTime)
            json.member("to_time", gap.toTime)
            json.member("count", gap.count)
            json.member("reason", gap.reason.rawValue)
        }
        return json.bytes
    }
}
