import CMosquitto

/// What MQTT 5 says of every message beside topic and payload: that it is UTF-8, what kind of text (an object of JSON or
/// plain text), and what the same program says of all its messages (MQTT 5, 3.3.2.3).
public struct MessageProperties: Sendable, Hashable {
    public struct UserProperty: Sendable, Hashable {
        public let name: String
        public let value: String
    }

    public let user: [UserProperty]

    /// - Parameter user: names and values, in their order.
    public init(user: KeyValuePairs<String, String>) {
        self.user = user.map { UserProperty(name: $0.key, value: $0.value) }
    }

    static let jsonType = "application/json"
    static let textType = "text/plain"

    /// - Returns: nil for an empty payload, which is no text but clears what is retained.
    static func contentType(of payload: [UInt8]) -> String? {
        payload.first.map { $0 == UInt8(ascii: "{") ? jsonType : textType }
    }

    /// The bytes of the properties of a message, without those of their length.
    func size(of payload: [UInt8]) -> Int {
        guard let type = Self.contentType(of: payload) else { return 0 }
        return 2 + 3 + type.utf8.count + user.reduce(0) { $0 + 5 + $1.name.utf8.count + $1.value.utf8.count }
    }
}

/// The properties in the form of the library.
///
/// SAFETY: `list` belongs to the instance, is changed by `init` only and freed with it. The library copies what it needs
/// of it during a call.
@safe final class PropertyList {
    private var list: OpaquePointer?

    /// - Returns: nil where the library does not take them.
    init?(_ properties: MessageProperties, contentType: String) {
        var codes = unsafe [
            mosquitto_property_add_byte(&list, Int32(MQTT_PROP_PAYLOAD_FORMAT_INDICATOR.rawValue), 1),
            mosquitto_property_add_string(&list, Int32(MQTT_PROP_CONTENT_TYPE.rawValue), contentType),
        ]
        for property in properties.user {
            codes.append(
                unsafe mosquitto_property_add_string_pair(
                    &list, Int32(MQTT_PROP_USER_PROPERTY.rawValue), property.name, property.value))
        }
        guard codes.allSatisfy({ $0 == MOSQ_ERR_SUCCESS.rawValue }) else { return nil }
    }

    deinit { unsafe mosquitto_property_free_all(&list) }

    /// Lends the list for a call.
    func withList<Value, Failure: Error>(_ body: (OpaquePointer?) throws(Failure) -> Value) throws(Failure) -> Value {
        try unsafe body(list)
    }
}
