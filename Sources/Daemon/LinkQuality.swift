/// How many of the newest messages of a line were whole.
struct LinkQuality: Sendable, Hashable {
    /// So many messages are looked at.
    static let window = 100

    /// Whether each was whole, in a ring.
    private var messages: [Bool] = []
    private var next = 0

    mutating func note(isWhole: Bool) {
        if messages.count < Self.window {
            messages.append(isWhole)
        } else {
            messages[next] = isWhole
            next = (next + 1) % Self.window
        }
    }

    /// Whole percent, rounded down: 100 only where nothing was damaged. Nil before the first message.
    var percent: Int? {
        messages.isEmpty ? nil : messages.count { $0 } * 100 / messages.count
    }
}
