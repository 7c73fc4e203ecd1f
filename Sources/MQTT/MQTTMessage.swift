/// A message as it is published, or as it arrived on a subscription.
public struct MQTTMessage: Sendable, Hashable {
    public var topic: String
    public var payload: [UInt8]
    /// 0, 1 or 2.
    public var qos: Int
    /// Published: the broker keeps it for later subscribers. Arrived: it had been kept, it is not new.
    public var retain: Bool

    public init(topic: String, payload: [UInt8], qos: Int = 1, retain: Bool = false) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
    }

    /// The size of the PUBLISH packet (MQTT 5, 3.3; MQTT 3.1.1, 3.3), in bytes.
    func packetSize(version: MQTTVersion, properties: MessageProperties? = nil) -> Int {
        var remaining = 2 + topic.utf8.count + (qos > 0 ? 2 : 0) + payload.count
        if version == .v5 {
            let size = properties?.size(of: payload) ?? 0
            remaining += Self.lengthBytes(size) + size
        }
        return 1 + Self.lengthBytes(remaining) + remaining
    }

    /// Of a variable byte integer (MQTT 5, 1.5.5).
    private static func lengthBytes(_ number: Int) -> Int {
        switch number {
        case ..<128: 1
        case ..<16_384: 2
        case ..<2_097_152: 3
        default: 4
        }
    }
}
