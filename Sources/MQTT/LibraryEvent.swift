/// What the library's callbacks saw. They copy and return; everything else happens after the library has
/// returned, where it may be called again.
enum LibraryEvent: Sendable {
    /// - Parameter reason: as MQTT 5 numbers it, 0 for accepted.
    case connected(reason: UInt8, BrokerProperties)
    /// - Parameter code: of 128 and above the broker's reason, else one of the library's own errors.
    case disconnected(code: Int32)
    case published(messageID: Int32, reason: UInt8)
    case subscribed(messageID: Int32, granted: [UInt8])
    case message(MQTTMessage)
}

/// Where the callbacks put what they saw. It lives on the connection's thread alone.
final class LibraryRecord {
    let version: MQTTVersion
    private(set) var events: [LibraryEvent] = []
    /// The last errors that the library wrote, for the sentence about a failure.
    private(set) var errors: [String] = []

    init(version: MQTTVersion) {
        self.version = version
    }

    var isEmpty: Bool { events.isEmpty }

    func append(_ event: LibraryEvent) {
        events.append(event)
    }

    func append(error: String) {
        if errors.count >= 16 { errors.removeFirst() }
        errors.append(error)
    }

    func take() -> [LibraryEvent] {
        defer { events = [] }
        return events
    }
}
