import Journal

/// Entries of the journal in their order, some of them under way to the broker. Decides nothing about connections.
struct PublishLane {
    /// Everything up to here is acknowledged, or is no matter of this lane.
    private(set) var acknowledged: Int64
    /// Entries up to here are waiting, under way or done.
    private(set) var fetched: Int64
    /// How many entries were acknowledged, of those up to `acknowledged`.
    private(set) var count: Int64 = 0
    private var waiting: [JournalEntry] = []
    private var firstWaiting = 0
    private var underWay: [(entry: JournalEntry, outcome: Outcome?)] = []
    /// After a failure nothing is sent until everything under way has its outcome; then from the last acknowledged
    /// entry on.
    private var isRewinding = false

    private enum Outcome {
        case accepted, failed
        /// Another lane sees to it.
        case elsewhere
    }

    init(after position: Int64) {
        acknowledged = position
        fetched = position
    }

    // MARK: Events

    /// Takes a page that begins behind `fetched` and is complete up to `through`.
    mutating func loaded(_ entries: [JournalEntry], through: Int64) {
        waiting = entries
        firstWaiting = 0
        fetched = max(fetched, through)
        finishEmpty()
    }

    /// - Returns: false for an entry that is not under way here.
    mutating func accepted(_ position: Int64) -> Bool { conclude(position, .accepted) }

    mutating func failed(_ position: Int64) -> Bool { conclude(position, .failed) }

    private mutating func conclude(_ position: Int64, _ outcome: Outcome) -> Bool {
        guard let index = underWay.firstIndex(where: { $0.entry.position == position && $0.outcome == nil }) else {
            return false
        }
        underWay[index].outcome = outcome
        if outcome == .failed { isRewinding = true }
        advance()
        return true
    }

    /// What is under way will never have an outcome that counts.
    mutating func rewind() {
        isRewinding = true
        advance()
    }

    /// Hands a meter over to a lane of its own.
    ///
    /// - Returns: up to where this lane has everything of it; what is under way behind that, and what is acknowledged.
    mutating func release(_ meter: String) -> (Int64, underWay: Set<Int64>, acknowledged: [Int64]) {
        let first = underWay.first { $0.entry.meter == meter && $0.outcome != .accepted && $0.outcome != .elsewhere }?
            .entry.position
        let position = first.map { $0 - 1 } ?? passed
        var left: Set<Int64> = []
        var done: [Int64] = []
        for index in underWay.indices where underWay[index].entry.meter == meter {
            let place = underWay[index].entry.position
            if underWay[index].outcome == nil { left.insert(place) }
            if underWay[index].outcome == .accepted, place > position { done.append(place) }
            underWay[index].outcome = .elsewhere
        }
        isRewinding = isRewinding && underWay.contains { $0.outcome == .failed }
        advance()
        return (position, left, done)
    }

    private mutating func advance() {
        while let first = underWay.first, first.outcome == .accepted || first.outcome == .elsewhere {
            acknowledged = first.entry.position
            if first.outcome == .accepted { count += 1 }
            underWay.removeFirst()
        }
        if isRewinding, underWay.allSatisfy({ $0.outcome != nil }) {
            isRewinding = false
            underWay = []
            waiting = []
            firstWaiting = 0
            fetched = acknowledged
        }
        finishEmpty()
    }

    /// Where nothing is left, what was looked at is done.
    private mutating func finishEmpty() {
        if underWay.isEmpty, firstWaiting == waiting.count, !isRewinding { acknowledged = max(acknowledged, fetched) }
    }

    // MARK: Decisions

    /// Everything up to here was sent, or was no matter of this lane.
    var passed: Int64 { firstWaiting < waiting.count ? waiting[firstWaiting].position - 1 : fetched }

    var isRewound: Bool { !isRewinding }

    /// How many entries have no outcome yet, or one that cannot count before those of others.
    var size: Int { underWay.count { $0.outcome != .elsewhere } }

    var needsPage: Bool { !isRewinding && firstWaiting == waiting.count }

    /// Takes the next entry, which is then under way.
    ///
    /// - Parameter isElsewhere: whether a meter has a lane of its own; its entries are passed over.
    mutating func next(isElsewhere: (String) -> Bool) -> JournalEntry? {
        while !isRewinding, firstWaiting < waiting.count {
            let entry = waiting[firstWaiting]
            firstWaiting += 1
            guard isElsewhere(entry.meter) else {
                underWay.append((entry, nil))
                return entry
            }
            underWay.append((entry, .elsewhere))
            advance()
        }
        return nil
    }

    func entry(at position: Int64) -> JournalEntry? {
        underWay.first { $0.entry.position == position && $0.outcome == nil }?.entry
    }
}
