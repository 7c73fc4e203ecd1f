import Journal
import MQTT

/// The way of journaled entries to the broker: in the order of the journal, a window at a time, each done only on a
/// positive acknowledgement. Decides; sends nothing itself.
struct PublishQueue {
    /// Everything up to here is acknowledged, without a gap.
    private(set) var acknowledged: Int64
    /// What the journal knows of that.
    private(set) var recorded: Int64
    /// Up to where it was told, or would have been, had it not failed: then readings go on, and a crash repeats more.
    private var told: Int64

    private var waiting: [JournalEntry] = []
    private var firstWaiting = 0
    /// Entries up to here are waiting or under way.
    private var fetched: Int64
    private var newest: Int64 = 0
    private var underWay: [(position: Int64, outcome: Outcome?)] = []
    private var window = 0
    /// After a failure nothing is sent until everything under way has its outcome; then from the last
    /// acknowledged entry on.
    private var isRewinding = false
    private var isHeld = false

    private enum Outcome { case accepted, failed }

    /// What a crash repeats at most: entries under way, and acknowledgements that the journal does not know of.
    static let unrecordedLimit: Int64 = 20
    /// From so many acknowledgements on the journal is told. The other half of the limit may be under way.
    private static let batch = unrecordedLimit / 2

    init(cursor: Int64) {
        acknowledged = cursor
        recorded = cursor
        told = cursor
        fetched = cursor
    }

    // MARK: Events

    /// - Parameter window: entries that may be under way at a time.
    mutating func connected(window: Int) {
        self.window = max(1, window)
        isHeld = false
    }

    mutating func disconnected() {
        window = 0
        isRewinding = true
        finishRewinding()
    }

    mutating func committed(newest: Int64) {
        self.newest = max(self.newest, newest)
    }

    /// Takes a page of the journal, which begins behind `fetchAfter`.
    mutating func loaded(_ entries: [JournalEntry]) {
        waiting = entries
        firstWaiting = 0
        // An empty page says that there is no more.
        fetched = entries.last?.position ?? newest
    }

    mutating func accepted(_ position: Int64) {
        conclude(position, .accepted)
    }

    /// It was not acknowledged, and is sent again: after a new connection, or when the hold ends.
    ///
    /// - Parameter hold: the broker refuses; nothing is sent until `release()`.
    mutating func failed(_ position: Int64, hold: Bool) {
        if hold { isHeld = true }
        conclude(position, .failed)
    }

    private mutating func conclude(_ position: Int64, _ outcome: Outcome) {
        guard let index = underWay.firstIndex(where: { $0.position == position }) else { return }
        underWay[index].outcome = outcome
        while let first = underWay.first, first.outcome == .accepted {
            acknowledged = first.position
            underWay.removeFirst()
        }
        if outcome == .failed { isRewinding = true }
        finishRewinding()
    }

    mutating func release() {
        isHeld = false
    }

    mutating func recorded(upTo position: Int64) {
        recorded = max(recorded, position)
        told = max(told, position)
    }

    /// The journal could not be told.
    mutating func recordingFailed(upTo position: Int64) {
        told = max(told, position)
    }

    // MARK: Decisions

    /// Behind which position the next page begins; nil while none is needed.
    var fetchAfter: Int64? {
        canSend && firstWaiting == waiting.count && newest > fetched ? fetched : nil
    }

    /// The next entry to send; nil when none may be sent now.
    mutating func next() -> JournalEntry? {
        guard canSend, firstWaiting < waiting.count else { return nil }
        let entry = waiting[firstWaiting]
        firstWaiting += 1
        underWay.append((entry.position, nil))
        return entry
    }

    /// The position that the journal should know of by now.
    var mustRecord: Int64? {
        acknowledged - told >= Self.batch ? acknowledged : nil
    }

    /// The position that the journal does not know of yet.
    var unrecorded: Int64? {
        acknowledged > recorded ? acknowledged : nil
    }

    var isHolding: Bool { isHeld }

    /// Nothing is under way.
    var isQuiet: Bool { underWay.isEmpty }

    private var canSend: Bool {
        window > 0 && !isRewinding && !isHeld && underWay.count < window
            && Int64(underWay.count) + acknowledged - told < Self.unrecordedLimit
    }

    private mutating func finishRewinding() {
        guard isRewinding, underWay.allSatisfy({ $0.outcome != nil }) else { return }
        isRewinding = false
        underWay = []
        waiting = []
        firstWaiting = 0
        fetched = acknowledged
    }
}
