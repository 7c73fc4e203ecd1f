import MQTT

/// What retained topics are to hold: the newest payload of each, sent once per connection and on every change.
///
/// While a topic's payload is under way a newer one waits and replaces an older one that waits.
struct LiveBoard {
    /// What a new connection brings first. With a far broker and many meters, all of it takes minutes.
    enum Urgency: CaseIterable {
        /// Until it is there, everything else is taken for unavailable.
        case first
        case usual
        /// Says once more that nothing is wrong.
        case last
    }

    private struct Slot {
        /// Empty: the topic has ended, and is forgotten as soon as the broker has cleared it.
        var payload: [UInt8]
        var isDirty = true
        var isUnderWay = false
        /// What it is to hold as soon as the broker has the payload.
        var following: [UInt8]?
        var urgency = Urgency.usual
    }

    private var slots: [String: Slot] = [:]
    private var order: [String] = []
    private var queue = TopicQueue()
    private var underWay = 0
    /// Topics whose newest payload the broker did not take.
    private var failed: Set<String> = []
    private var isConnected = false

    /// Payloads under way at a time: a share of the window that a backlog cannot take.
    static let share = 4

    /// - Parameter following: what the topic is to hold as soon as the broker has the payload, behind everything that is
    ///   to be sent by then.
    mutating func set(
        _ topic: String, _ payload: [UInt8], following: [UInt8]? = nil, urgency: Urgency = .usual
    ) {
        guard var slot = slots[topic] else {
            slots[topic] = Slot(payload: payload, following: following, urgency: urgency)
            order.append(topic)
            queue.append(topic)
            return
        }
        slot.payload = payload
        slot.following = following
        slot.urgency = urgency
        if !slot.isDirty, !slot.isUnderWay { queue.append(topic) }
        slot.isDirty = true
        slots[topic] = slot
    }

    /// Nothing is retained there any more.
    mutating func end(_ topic: String) { set(topic, []) }

    /// What each topic is to hold; empty where it is to be cleared.
    var payloads: [String: [UInt8]] { slots.mapValues(\.payload) }

    /// Another broker, or the same without memory: everything is sent again.
    mutating func connected() {
        isConnected = true
        queue = TopicQueue(Urgency.allCases.flatMap { urgency in order.filter { slots[$0]?.urgency == urgency } })
        failed = []
        for topic in order {
            slots[topic]?.isDirty = true
            slots[topic]?.isUnderWay = false
        }
        underWay = 0
    }

    mutating func disconnected() {
        isConnected = false
    }

    /// The next payload to send; nil when nothing is to be sent now.
    mutating func next() -> MQTTMessage? {
        while isConnected, underWay < Self.share, let topic = queue.removeFirst() {
            guard var slot = slots[topic], slot.isDirty, !slot.isUnderWay else { continue }
            slot.isDirty = false
            slot.isUnderWay = true
            slots[topic] = slot
            underWay += 1
            return MQTTMessage(topic: topic, payload: slot.payload, qos: 1, retain: true)
        }
        return nil
    }

    /// - Parameter succeeded: false leaves the topic for the next change, for `retry()` or the next connection.
    mutating func completed(_ topic: String, succeeded: Bool) {
        guard var slot = slots[topic], slot.isUnderWay else { return }
        slot.isUnderWay = false
        underWay -= 1
        if succeeded, !slot.isDirty, let following = slot.following {
            slot.payload = following
            slot.following = nil
            slot.isDirty = true
        }
        if slot.isDirty { queue.append(topic) }
        slots[topic] = slot
        if succeeded { failed.remove(topic) } else { failed.insert(topic) }
        guard succeeded, slot.payload.isEmpty, !slot.isDirty else { return }
        slots[topic] = nil
        order.removeAll { $0 == topic }
    }

    /// Whether a topic holds just that, or is about to.
    func holds(_ topic: String, _ payload: [UInt8]) -> Bool {
        slots[topic].map { $0.payload == payload && $0.following == nil } ?? false
    }

    /// Whether the broker is not known to have cleared a topic.
    func isWaiting(_ topic: String) -> Bool {
        slots[topic].map { $0.payload.isEmpty || $0.following != nil } ?? false
    }

    /// Sends everything again: a subscriber has lost what it knew.
    mutating func sendAgain() {
        for topic in order {
            guard var slot = slots[topic], !slot.isDirty else { continue }
            slot.isDirty = true
            slots[topic] = slot
            if !slot.isUnderWay { queue.append(topic) }
        }
    }

    /// Sends again what the broker did not take.
    mutating func retry() {
        for topic in order where failed.contains(topic) {
            guard var slot = slots[topic], !slot.isDirty, !slot.isUnderWay else { continue }
            slot.isDirty = true
            slots[topic] = slot
            queue.append(topic)
        }
    }
}

/// Topics that wait, first in, first out, without moving the others for each that leaves.
private struct TopicQueue {
    private var topics: [String] = []
    private var first = 0

    init(_ topics: [String] = []) { self.topics = topics }

    mutating func append(_ topic: String) { topics.append(topic) }

    mutating func removeFirst() -> String? {
        guard first < topics.count else { return nil }
        let topic = topics[first]
        first += 1
        if first > topics.count / 2 {
            topics.removeFirst(first)
            first = 0
        }
        return topic
    }
}
