import Journal
import MQTT

/// The way of journaled entries to the broker: in the order of the journal, a window at a time, each done only on a
/// positive acknowledgement. A meter whose topic the broker refuses gets a lane of its own and waits there, while the
/// others go on. Decides; sends nothing itself.
struct PublishQueue {
    /// What the journal knows.
    private(set) var recorded: OutletCursor
    /// What it was told, or would have been, had it not failed: then readings go on, and a crash repeats more.
    private var told: OutletCursor
    /// How many acknowledgements of the main lane that covers.
    private var toldCount: Int64 = 0
    /// What the journal is being told, and how many acknowledgements of the main lane that covers.
    private var telling: (cursor: OutletCursor, count: Int64)?

    private var main: PublishLane
    private var apart: [String: Apart] = [:]
    private var newest: Int64 = 0
    private var window = 0
    private var isHeld = false
    /// Readings that the broker will never take; subscribers get a gap in their place.
    private var givenUp: Set<Int64> = []
    /// Acknowledged in lanes of their own, and more than the journal was told.
    private var untoldApart: [(meter: String, position: Int64)] = []

    private struct Apart {
        var lane: PublishLane
        /// Sent before the lane was made, and not answered yet. They are sent again in any case.
        var strays: Set<Int64>
        /// The broker refused it a moment ago.
        var isResting: Bool
        /// Nothing was accepted since; one at a time is tried.
        var isProving = true
        /// How often its first entry was refused.
        var refusals = 1

        var isReady: Bool { !isResting && strays.isEmpty }
    }

    /// What a crash repeats at most: entries under way, and acknowledgements that the journal does not know of.
    static let unrecordedLimit: Int64 = 20
    /// From so many acknowledgements on the journal is told. The other half of the limit may be under way.
    private static let batch = unrecordedLimit / 2

    init(cursor: OutletCursor) {
        recorded = cursor
        told = cursor
        main = PublishLane(after: cursor.position)
        apart = cursor.apart.mapValues { Apart(lane: PublishLane(after: $0), strays: [], isResting: false) }
    }

    // MARK: Events

    /// - Parameter window: entries that may be under way at a time.
    mutating func connected(window: Int) {
        self.window = max(1, window)
        isHeld = false
        for meter in apart.keys {
            apart[meter]?.isResting = false
            apart[meter]?.isProving = true
        }
    }

    mutating func disconnected() {
        window = 0
        main.rewind()
        for meter in apart.keys { apart[meter]?.lane.rewind() }
    }

    mutating func committed(newest: Int64) {
        self.newest = max(self.newest, newest)
    }

    /// Takes the page that `fetch` asked for.
    ///
    /// - Parameter through: up to where it is complete; nil says that a page with nothing has no more behind it.
    mutating func loaded(_ entries: [JournalEntry], of meter: String?, through: Int64? = nil) {
        guard let meter else {
            return main.loaded(entries, through: through ?? entries.last?.position ?? newest)
        }
        apart[meter]?.lane.loaded(entries, through: through ?? entries.last?.position ?? main.passed)
        rejoin(meter)
    }

    mutating func accepted(_ position: Int64, of meter: String) {
        guard !isStray(position, of: meter) else { return }
        if !givenUp.isEmpty { givenUp.remove(position) }
        if apart[meter]?.lane.accepted(position) == true {
            apart[meter]?.isProving = false
            apart[meter]?.refusals = 0
            untoldApart.append((meter, position))
            rejoin(meter)
        } else {
            _ = main.accepted(position)
        }
    }

    /// It was not acknowledged, and is sent again after a new connection, or when the hold ends.
    ///
    /// - Parameter hold: the broker takes nothing at all; nothing is sent until `release()`.
    mutating func failed(_ position: Int64, of meter: String, hold: Bool) {
        if hold { isHeld = true }
        guard !isStray(position, of: meter) else { return }
        if apart[meter]?.lane.failed(position) != true { _ = main.failed(position) }
    }

    private mutating func isStray(_ position: Int64, of meter: String) -> Bool {
        apart[meter]?.strays.remove(position) != nil
    }

    /// The broker does not take what is of this meter, which waits from now on by itself.
    ///
    /// - Returns: how often in a row; nil where that was known, since it was under way with others.
    mutating func refused(_ position: Int64, of meter: String) -> Int? {
        guard var known = apart[meter] else {
            let (place, underWay, acknowledged) = main.release(meter)
            untoldApart += acknowledged.map { (meter, $0) }
            let strays = underWay.subtracting([position])
            apart[meter] = Apart(lane: PublishLane(after: place), strays: strays, isResting: true)
            return 1
        }
        guard !isStray(position, of: meter) else { return nil }
        guard known.lane.failed(position) else { return nil }
        defer { apart[meter] = known }
        known.isProving = true
        guard !known.isResting else { return nil }
        known.isResting = true
        known.refusals += 1
        return known.refusals
    }

    /// Its reading will never be taken: from now on a gap stands for it.
    mutating func giveUp(_ position: Int64, of meter: String) {
        givenUp.insert(position)
        apart[meter]?.refusals = 0
    }

    func isGivenUp(_ position: Int64) -> Bool { givenUp.contains(position) }

    /// The broker may be asked again: all of it, or for one meter.
    mutating func release(_ meter: String? = nil) {
        if let meter {
            apart[meter]?.isResting = false
        } else {
            isHeld = false
        }
    }

    /// A lane that has caught up is none any more.
    private mutating func rejoin(_ meter: String) {
        guard let waiting = apart[meter], waiting.strays.isEmpty, waiting.lane.size == 0, waiting.lane.needsPage,
            waiting.lane.passed >= main.passed
        else { return }
        apart[meter] = nil
    }

    /// The journal is told. Until it has answered, everything counts that it did not know before.
    mutating func recording(_ cursor: OutletCursor) { telling = (cursor, main.count) }

    mutating func recordingDone() {
        if let telling { recorded = telling.cursor }
        concludeTelling()
    }

    /// The journal could not be told.
    mutating func recordingFailed() { concludeTelling() }

    private mutating func concludeTelling() {
        guard let (cursor, count) = telling else { return }
        telling = nil
        told = cursor
        toldCount = count
        untoldApart.removeAll { $0.position <= cursor.apart[$0.meter] ?? cursor.position }
    }

    // MARK: Decisions

    /// What the broker has.
    var acknowledged: OutletCursor {
        OutletCursor(main.acknowledged, apart: apart.mapValues { $0.lane.acknowledged })
    }

    /// The next page that is needed; nil while none is. `through` bounds it, and is nil for all that there is.
    var fetch: (meter: String?, after: Int64, through: Int64?)? {
        guard canSend else { return nil }
        if main.needsPage, newest > main.fetched { return (nil, main.fetched, nil) }
        for (meter, waiting) in apart
        where waiting.isReady && waiting.lane.needsPage && main.passed > waiting.lane.fetched {
            return (meter, waiting.lane.fetched, main.passed)
        }
        return nil
    }

    /// The next entry to send; nil when none may be sent now.
    mutating func next() -> JournalEntry? {
        guard canSend else { return nil }
        // Half of the window for those that catch up, so that neither waits for the other.
        if main.size <= window / 2, let entry = main.next(isElsewhere: { apart[$0] != nil }) { return entry }
        for (meter, waiting) in apart where waiting.isReady && (waiting.lane.size == 0 || !waiting.isProving) {
            if let entry = apart[meter]?.lane.next(isElsewhere: { _ in false }) { return entry }
        }
        return main.next { apart[$0] != nil }
    }

    /// What is under way, as it was taken.
    func entry(at position: Int64, of meter: String) -> JournalEntry? {
        apart[meter]?.lane.entry(at: position) ?? main.entry(at: position)
    }

    /// What the journal should know by now.
    var mustRecord: OutletCursor? {
        guard telling == nil else { return nil }
        let acknowledged = acknowledged
        return untold >= Self.batch || acknowledged.apart.keys != told.apart.keys ? acknowledged : nil
    }

    /// What the journal does not know yet.
    var unrecorded: OutletCursor? {
        acknowledged != recorded ? acknowledged : nil
    }

    var isHolding: Bool { isHeld }

    /// Whom the broker refuses at present.
    var metersApart: Set<String> { Set(apart.keys) }

    /// Everything that the journal has was sent, and no meter waits apart.
    var isCaughtUp: Bool { apart.isEmpty && main.needsPage && newest <= main.fetched }

    /// Nothing is under way.
    var isQuiet: Bool { underWay == 0 }

    private var underWay: Int { apart.values.reduce(main.size) { $0 + $1.lane.size + $1.strays.count } }

    private var untold: Int64 { main.count - toldCount + Int64(untoldApart.count) }

    private var canSend: Bool {
        window > 0 && main.isRewound && !isHeld && underWay < window
            && Int64(underWay) + untold < Self.unrecordedLimit
    }
}
