/// Why a message did not get a positive acknowledgement.
public enum PublishError: Error, Sendable, Hashable {
    /// The broker took it and said no: access list, quota, what it does not support. Reason codes of MQTT 5, 128 and above.
    case refused(reason: UInt8)
    /// There is no connection; the message was never sent.
    case notConnected
    /// The connection ended between sending and acknowledgement: the broker may have the message or not.
    case connectionLost
    /// Larger than the broker's maximum packet size, in bytes. Sending it again cannot help.
    case tooLarge(size: Int, limit: Int)
    /// The topic is empty, not UTF-8, contains a NUL or a wildcard, or the QoS does not exist. Sending it again cannot help.
    case invalid
    /// Too many messages wait for their turn already; the message was never sent.
    case queueFull
}

extension PublishError: CustomStringConvertible {
    /// Another topic may be taken.
    public var isOfTopic: Bool {
        switch self {
        case .refused(let reason): reason == ReasonCode.notAuthorized || reason == ReasonCode.topicNameInvalid
        case .tooLarge, .invalid: true
        default: false
        }
    }

    public var description: String {
        switch self {
        case .refused(let reason):
            "The broker refused the message: \(ReasonCode.name(reason)) (\(reason))."
                + (reason == ReasonCode.notAuthorized ? " Allow the topic in the broker's access list." : "")
        case .notConnected: "There is no connection to the broker."
        case .connectionLost: "The connection to the broker ended before the message was acknowledged."
        case .tooLarge(let size, let limit):
            "The message makes a packet of \(size) bytes, the broker takes \(limit): raise its max_packet_size."
        case .invalid: "The message has an invalid topic or QoS."
        case .queueFull: "Too many messages are waiting for the broker."
        }
    }
}
