import Journal
import OBIS
import Wire

/// The holes of one meter, and the answer of its load profile that is under way. A part of the meter's pipeline, which does
/// the journaling: what is handed out here counts when it is synced, and only then.
struct BackfillDesk {
    static let stateKey = "backfill"
    /// Entries that wait to be journaled together. A line that is lost costs no more than these.
    private static let mostWaiting = 64

    /// What one transaction is to hold.
    struct Batch {
        /// In the order of their times; the last one carries the state.
        let drafts: [ReadingDraft]
        /// The state that is true with them.
        let backfill: Backfill
    }

    private(set) var backfill: Backfill
    /// Nil while nothing is asked.
    private var answer: ProfileAnswer?
    private var waiting: [ReadingDraft] = []
    /// The end of the last interval that waits.
    private var taken: Timestamp?
    /// Whether the rest of the answer is worth nothing: an entry before it was refused.
    private(set) var isBroken = false
    /// Whether a batch is on its way: what else is journaled meanwhile must not carry an older state past it.
    private(set) var isJournaling = false

    init(_ backfill: Backfill) {
        self.backfill = backfill
    }

    var isAsking: Bool { answer != nil }
    var isFull: Bool { waiting.count >= Self.mostWaiting }
    /// Entries of the answer that were left out because the meter's clock had been set back.
    var setBack: Int { answer?.setBack ?? 0 }

    /// What a live reading carries into the journal; nil where it must carry nothing.
    var carried: [UInt8]? { isJournaling ? nil : backfill.stored }

    // MARK: Holes

    mutating func read(_ reading: Reading, monotonic: Duration, patience: Duration) -> Backfill.Finding? {
        backfill.read(
            at: reading.capturedAt, monotonic: monotonic, isSynchronized: Self.isRight(reading),
            epoch: reading.epoch, patience: patience)
    }

    private static let agreement: Int64 = 300_000

    /// A clock of the host that nobody keeps right is believed where the meter's clock says the same.
    private static func isRight(_ reading: Reading) -> Bool {
        if reading.isClockSynchronized { return true }
        guard let time = reading.meterTime, !time.isDoubtful, let offset = time.utcOffset else { return false }
        let apart = Timestamp.milliseconds(from: time.timestamp(utcOffset: offset), to: reading.capturedAt)
        return (-agreement...agreement).contains(apart)
    }

    /// Another physical meter: what is still answered is of the one before.
    mutating func begin(_ epoch: Int) {
        backfill.begin(epoch)
        close()
    }

    // MARK: An answer

    /// - Parameter offset: how far the meter's clock is ahead of UTC by its own word, in minutes; nil: `clock` says it.
    /// - Returns: what to ask for; nil where there is nothing, or no way to say it to this meter.
    mutating func ask(at now: Timestamp, monotonic: Duration, clock: MeterClock, offset: Int?) -> ProfileSpan? {
        guard answer == nil, let chunk = backfill.nextChunk(at: now, monotonic: monotonic),
            let start = clock.civilSeconds(at: chunk.after, utcOffset: offset),
            let end = clock.civilSeconds(at: chunk.through, utcOffset: offset)
        else { return nil }
        answer = ProfileAnswer(chunk)
        // A zone that is wrong by an hour, or a change of time, loses nothing.
        return ProfileSpan(after: start - 3600, through: end + 3600)
    }

    /// - Returns: when the interval ended; nil for an entry that is not taken.
    mutating func time(of end: MeterTime, by clock: MeterClock) -> Timestamp? {
        isBroken ? nil : answer?.time(of: end, by: clock)
    }

    mutating func take(_ draft: ReadingDraft, at time: Timestamp) {
        waiting.append(draft)
        taken = time
    }

    /// The entry cannot be taken, and so nothing behind it: the cursor must not pass it.
    mutating func refuse() { isBroken = true }

    /// What is to be journaled now.
    ///
    /// - Parameter end: the time, where the whole chunk was answered.
    mutating func batch(end: Timestamp? = nil) -> Batch? {
        guard let chunk = answer?.chunk, end != nil || !waiting.isEmpty else { return nil }
        var next = backfill
        if let taken { next.took(through: taken, of: chunk) }
        if let end { next.finished(chunk, at: end) }
        var drafts = waiting
        if let last = drafts.indices.last { drafts[last].values[Self.stateKey] = next.stored }
        (waiting, taken, isJournaling) = ([], nil, true)
        return Batch(drafts: drafts, backfill: next)
    }

    /// The batch is synced, or cannot be.
    mutating func journaled(_ batch: Batch, isDone: Bool) {
        isJournaling = false
        guard isDone else { return refuse() }
        // Unless the meter was exchanged meanwhile.
        if backfill.epoch == batch.backfill.epoch, isAsking { backfill = batch.backfill }
    }

    /// The answer is over, and was not all of it.
    ///
    /// - Returns: whether the hole rests now.
    mutating func failed(monotonic: Duration) -> Bool {
        defer { close() }
        return answer.map { backfill.failed($0.chunk, monotonic: monotonic) } ?? false
    }

    /// The meter has no load profile.
    mutating func giveUp() {
        backfill.giveUp()
        close()
    }

    mutating func close() {
        (answer, waiting, taken, isBroken) = (nil, [], nil, false)
    }
}
