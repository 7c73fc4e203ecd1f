/// The reason codes of MQTT 5 (2.4) by name. Below 128 they are positive.
public enum ReasonCode {
    /// Accepted, but nobody has subscribed to the topic.
    public static let noMatchingSubscribers: UInt8 = 16

    static let unspecified: UInt8 = 128
    static let implementationSpecific: UInt8 = 131
    static let packetTooLarge: UInt8 = 149
    static let payloadFormatInvalid: UInt8 = 153
    static let unsupportedVersion: UInt8 = 132
    static let clientIDNotValid: UInt8 = 133
    static let badCredentials: UInt8 = 134
    static let notAuthorized: UInt8 = 135
    static let serverUnavailable: UInt8 = 136
    static let banned: UInt8 = 138
    static let serverShuttingDown: UInt8 = 139
    static let sessionTakenOver: UInt8 = 142
    static let topicNameInvalid: UInt8 = 144
    static let retainNotSupported: UInt8 = 154
    static let qosNotSupported: UInt8 = 155

    /// What a refused publication says of the next one.
    public enum Scope: Sendable {
        /// This topic is not allowed.
        case topic
        /// This message is not wanted, and never will be.
        case message
        /// The broker takes nothing at present.
        case broker
        /// It may be the message or the topic.
        case unknown
    }

    public static func scope(_ code: UInt8) -> Scope {
        switch code {
        case notAuthorized, topicNameInvalid: .topic
        case packetTooLarge, payloadFormatInvalid: .message
        case unspecified, implementationSpecific: .unknown
        default: .broker
        }
    }

    public static func name(_ code: UInt8) -> String {
        names[code] ?? "reason \(code)"
    }

    private static let names: [UInt8: String] = [
        0: "success", 16: "no matching subscribers",
        128: "unspecified error", 129: "malformed packet", 130: "protocol error", 131: "implementation specific error",
        132: "unsupported protocol version", 133: "client identifier not valid", 134: "bad user name or password",
        135: "not authorised", 136: "server unavailable", 137: "server busy", 138: "banned",
        139: "server shutting down", 140: "bad authentication method", 141: "keep alive timeout",
        142: "session taken over", 143: "topic filter invalid", 144: "topic name invalid",
        147: "receive maximum exceeded", 148: "topic alias invalid", 149: "packet too large",
        150: "message rate too high", 151: "quota exceeded", 152: "administrative action",
        153: "payload format invalid", 154: "retain not supported", 155: "QoS not supported",
        156: "use another server", 157: "server moved", 158: "shared subscriptions not supported",
        159: "connection rate exceeded", 160: "maximum connect time", 161: "subscription identifiers not supported",
        162: "wildcard subscriptions not supported",
    ]

    /// The return codes of a 3.1.1 CONNACK (MQTT 3.1.1, 3.2.2.3), as their MQTT 5 counterparts.
    static func connect(_ code: Int32, version: MQTTVersion) -> UInt8 {
        if version == .v311 {
            switch code {
            case 1: return unsupportedVersion
            case 2: return clientIDNotValid
            case 3: return serverUnavailable
            case 4: return badCredentials
            case 5: return notAuthorized
            default: break
            }
        }
        return UInt8(clamping: code)
    }
}
