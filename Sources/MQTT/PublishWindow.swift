/// A message on its way, and whom to tell.
struct Outgoing: Sendable {
    let message: MQTTMessage
    let completion: @Sendable (Result<UInt8, PublishError>) -> Void
}

/// The order of the messages: those that wait, and the few that are under way. The library is never given more
/// than it may send at once, since it would queue the rest in memory, out of our sight.
struct PublishWindow {
    private struct Sent {
        let messageID: Int32
        let time: ContinuousClock.Instant
        let outgoing: Outgoing
    }

    /// How many may be under way; 0 while there is no connection.
    var capacity = 0
    private var waiting: [Outgoing] = []
    private var head = 0
    private var underWay: [Sent] = []

    var isIdle: Bool { underWay.isEmpty && head == waiting.count }
    var oldestSending: ContinuousClock.Instant? { underWay.first?.time }

    mutating func append(contentsOf messages: [Outgoing]) {
        waiting.append(contentsOf: messages)
    }

    /// Ahead of all that wait.
    mutating func prepend(_ outgoing: Outgoing) {
        waiting.replaceSubrange(..<head, with: [outgoing])
        head = 0
    }

    /// The next message to send, if there is room for one. The caller answers it or passes it to `sent`.
    mutating func next() -> Outgoing? {
        guard underWay.count < capacity, head < waiting.count else { return nil }
        defer {
            head += 1
            if head == waiting.count {
                waiting.removeAll(keepingCapacity: true)
                head = 0
            } else if head >= 256 {
                waiting.removeFirst(head)
                head = 0
            }
        }
        return waiting[head]
    }

    mutating func sent(_ outgoing: Outgoing, messageID: Int32, at time: ContinuousClock.Instant) {
        underWay.append(Sent(messageID: messageID, time: time, outgoing: outgoing))
    }

    mutating func acknowledged(messageID: Int32) -> Outgoing? {
        guard let index = underWay.firstIndex(where: { $0.messageID == messageID }) else { return nil }
        return underWay.remove(at: index).outgoing
    }

    /// Takes the messages under way, in the order in which they were sent.
    mutating func takeUnderWay() -> [Outgoing] {
        defer { underWay.removeAll(keepingCapacity: true) }
        return underWay.map(\.outgoing)
    }

    /// Takes the messages that were never sent, in order.
    mutating func takeWaiting() -> [Outgoing] {
        defer {
            waiting.removeAll(keepingCapacity: true)
            head = 0
        }
        return Array(waiting[head...])
    }
}
