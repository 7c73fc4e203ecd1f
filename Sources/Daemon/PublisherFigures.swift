import Journal

/// How publishing goes, for `info`.
struct PublisherFigures: Sendable {
    var acknowledged: Int64 = 0
    var refused: Int64 = 0
    /// Entries that were given up, since this broker will never take them.
    var setAside: Int64 = 0
    /// The broker takes nothing, and readings wait until it does.
    var isHolding = false
    /// Meters whose topic the broker refuses, and why. Their readings wait.
    var apart: [String: String] = [:]
    var isConnected = false
    /// Entries that the broker has not acknowledged, without those that wait by themselves.
    var waiting: Int64 = 0
    /// What the broker has acknowledged; nil until the journal says what it had before.
    var acknowledgedCursor: OutletCursor?
    /// Whether anybody had subscribed when the last reading was acknowledged; nil before the first.
    var hasSubscriber: Bool?
    var lastError: String?

    /// The same for the journal, which learns of acknowledgements in batches.
    var outlets: [String: OutletCursor] { acknowledgedCursor.map { [Publisher.outlet: $0] } ?? [:] }
}
