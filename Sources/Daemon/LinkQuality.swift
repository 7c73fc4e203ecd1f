import OBIS
import Wire

/// Which of the newest messages on one meter's line arrived whole.
struct LinkQuality: Sendable {
    /// So many messages are looked at: what was long ago says nothing of the line by now.
    static let window = 100
    /// What noise, a bad contact or silence does to a message; a wrong key is something else.
    private static let damages: Set<WireError.Code> = [.checksum, .truncated, .framing, .malformed, .limit, .timeout]

    /// Oldest first: whether it was whole.
    private var newest: [Bool] = []

    mutating func arrived() { append(true) }

    mutating func rejected(_ code: WireError.Code) {
        if Self.damages.contains(code) { append(false) }
    }

    private mutating func append(_ isWhole: Bool) {
        if newest.count == Self.window { newest.removeFirst() }
        newest.append(isWhole)
    }

    /// From 0 to 1, in thousandths; nil before the first message. It is 1 only where every message was whole.
    var share: FixedDecimal? {
        guard !newest.isEmpty else { return nil }
        return FixedDecimal(Int64(newest.count { $0 } * 1000 / newest.count), exponent: -3)
    }
}
