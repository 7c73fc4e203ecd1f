import Dispatch
import GRDB
import Logging
import OBIS
import Synchronization

/// The store of accepted readings: each stays here until every outlet has it. `docs/journal.md` has the promises.
///
/// All work on the file is done on one queue of its own, since it blocks for as long as the disk takes. Writes that
/// arrive meanwhile share the next transaction. Cancelling a caller changes nothing: what was handed over is written.
public final class Journal: Sendable {
    let files: JournalFiles
    let settings: JournalSettings
    let clock: @Sendable () -> Timestamp
    let seams: JournalSeams
    let queue: DispatchQueue
    let ballast: Ballast
    let mark: AcknowledgedMark
    let condition: JournalCondition
    let signal = CommitSignal()
    let eventSignal = CommitSignal()
    let inbox = Mutex(Inbox())
    let recent = Mutex(RecentEntries())
    /// The file, or why it is not open.
    let opened: Mutex<Result<Opening, JournalError>>
    /// What opening it has shown; nil until then.
    let found = Mutex<(stream: String, notes: [String])?>(nil)
    let isRetaining = Atomic(false)
    let ageClock = Mutex(AgeClock())
    /// From the first write that found no room until there is some for the ballast.
    let isDiskFull = Atomic(false)
    /// Whether a cursor is committed that a power cut would set back.
    let hasUnsyncedCursor = Atomic(false)
    /// Whether it is arranged that the database gets what was noted.
    let isMarkDue = Atomic(false)

    // MARK: Opening and closing

    /// Opens the journal or makes a new one.
    ///
    /// A damaged file is renamed, and what is whole in it goes on in a new one, where that can be told with the same
    /// stream; `openingNotes` says so. A newer version's file, another program's database, a folder and a file that cannot be
    /// written are errors, and are left as they are.
    ///
    /// - Parameters:
    ///   - waits: whether a disk that is full or broken is no error: then the journal refuses everything with that
    ///     reason until it can be opened, which it tries by itself.
    ///   - clock: what retention by age goes by.
    public static func open(
        path: String, settings: JournalSettings, waits: Bool = false, logger: Logger,
        clock: (@Sendable () -> Timestamp)? = nil
    ) async throws(JournalError) -> Journal {
        try await open(
            path: path, settings: settings, waits: waits, logger: logger, clock: clock, seams: JournalSeams())
    }

    package static func open(
        path: String, settings: JournalSettings, waits: Bool = false, logger: Logger,
        clock: (@Sendable () -> Timestamp)? = nil, seams: JournalSeams
    ) async throws(JournalError) -> Journal {
        let journal = Journal(
            JournalFiles(path: path), settings: settings, logger: logger, clock: clock ?? { .now }, seams: seams)
        let result = await journal.onQueue { journal.open() }
        guard case .failure(let error) = result else { return journal }
        guard waits, error.mayPass || error.code == .corrupt, error.code != .inUse else { throw error }
        journal.condition.failed(error)
        journal.openLater()
        return journal
    }

    private init(
        _ files: JournalFiles, settings: JournalSettings, logger: Logger, clock: @escaping @Sendable () -> Timestamp,
        seams: JournalSeams
    ) {
        self.files = files
        self.settings = settings
        self.clock = clock
        self.seams = seams
        queue = DispatchQueue(label: "obisd.journal")
        ballast = Ballast(files, seams)
        mark = AcknowledgedMark(files)
        condition = JournalCondition(path: files.path, logger: logger)
        opened = Mutex(.failure(.closed))
    }

    /// Writes what waits, then closes the file. Calls that come later fail with `closed`.
    public func close() async {
        guard inbox.withLock({ $0.close() }) else { return await onQueue {} }
        await onQueue {
            while self.commitBatch() {}
            self.mark.queue.sync {}
            self.storeMark()
            self.closeFile()
        }
        signal.finish()
        eventSignal.finish()
    }

    /// 32 lower-case hexadecimal digits, made together with the file; nil while that cannot be opened.
    public var stream: String? { found.withLock { $0?.stream } }

    /// Sentences for the log and for `info`: what was found when the file was opened, if it was not in order.
    public var openingNotes: [String] { found.withLock { $0?.notes ?? [] } }

    // MARK: Writing

    /// Takes a reading in. When this returns, the reading is committed and synced: it survives a crash and a power cut.
    ///
    /// When it throws, no `seq` has been used.
    public func append(_ draft: ReadingDraft) async throws(JournalError) -> JournaledReading {
        try await write(.entry) { batch in try batch.append(draft) }
    }

    /// Hands a reading over without waiting. Readings are taken in in the order of these calls.
    ///
    /// - Parameter finish: told what `append` would return or throw, on the journal's queue: it must be short.
    public func append(
        _ draft: ReadingDraft, finish: @escaping @Sendable (Result<JournaledReading, JournalError>) -> Void
    ) {
        submit(.entry, { batch in try batch.append(draft) }, finish)
    }

    /// Takes readings in that belong together, in their order: all of them in one transaction, or none.
    ///
    /// When it throws, no `seq` has been used.
    public func append(_ drafts: [ReadingDraft]) async throws(JournalError) -> [JournaledReading] {
        try await write(.entry) { batch in try batch.append(drafts) }
    }

    /// Tells the outlets, in queue order, of readings that could not be journaled.
    public func record(_ gap: GapDraft) async throws(JournalError) {
        try await write(.entry) { batch in try batch.record(gap) }
    }

    /// Hands a gap over without waiting, as a reading.
    ///
    /// - Parameter isLast: whether it may take of the room that is kept free for a full disk, as values do.
    public func record(
        _ gap: GapDraft, isLast: Bool = false, finish: @escaping @Sendable (Result<Void, JournalError>) -> Void
    ) {
        submit(isLast ? .value : .entry, { batch in try batch.record(gap) }, finish)
    }

    /// Whether writes are held back to be synced together.
    public var gathers: Bool { settings.sync != .full }

    /// The outlet has what the cursor says. Never goes backwards, nor beyond the newest entry.
    ///
    /// When this returns, the cursor survives the end of the process; it survives a power cut within a second, since a
    /// sync for each would cost as much as a reading.
    public func advance(outlet: String, to cursor: OutletCursor) async throws(JournalError) {
        try await write(.cursor) { batch in try batch.advance(outlet, to: cursor) }
    }

    /// The same without waiting, also for the transaction under way.
    ///
    /// - Parameter finish: told what that would return or throw, on a queue of the journal: it must be short.
    public func advance(
        outlet: String, to cursor: OutletCursor, finish: @escaping @Sendable (Result<Void, JournalError>) -> Void
    ) {
        mark.queue.async {
            guard !self.note(cursor, of: outlet) else { return finish(.success(())) }
            self.submit(.cursor, { batch in try batch.advance(outlet, to: cursor) }, finish)
        }
    }

    /// Keeps a small value of a meter; nil removes it.
    public func set(_ value: [UInt8]?, forKey key: String, meter: String) async throws(JournalError) {
        try await write(.value) { batch in try batch.set(value, forKey: key, meter: meter) }
    }

    /// The same without waiting for what gathers: somebody is held up until this is synced.
    ///
    /// It passes readings that wait, so they must not carry the same key.
    public func setAtOnce(_ value: [UInt8], forKey key: String, meter: String) async throws(JournalError) {
        try await write(.urgent) { batch in try batch.set(value, forKey: key, meter: meter) }
    }

    /// Hands a value over without waiting.
    public func set(
        _ value: [UInt8]?, forKey key: String, meter: String,
        finish: @escaping @Sendable (Result<Void, JournalError>) -> Void
    ) {
        submit(.value, { batch in try batch.set(value, forKey: key, meter: meter) }, finish)
    }

    // MARK: Events

    /// Takes an event in, synced when this returns.
    ///
    /// - Parameter values: small values of the meter that change together with it.
    public func append(
        _ draft: EventDraft, values: [String: [UInt8]?] = [:]
    ) async throws(JournalError) -> JournalEvent {
        try await write(.value) { batch in try batch.append(draft, values: values) }
    }

    /// Hands events of one meter over without waiting: all of them in one transaction with the values, or none.
    public func append(
        _ drafts: [EventDraft], values: [String: [UInt8]] = [:],
        finish: @escaping @Sendable (Result<Void, JournalError>) -> Void
    ) {
        submit(.value, { batch in try batch.append(drafts, values: values) }, finish)
    }

    /// Events of one kind behind a number, in their order.
    public func events(
        _ kind: String, after number: Int64, limit: Int
    ) async throws(JournalError) -> [JournalEvent] {
        try await read { db in try db.events(kind, after: number, limit: limit) }
    }

    /// 0 where there is none.
    public func newestEvent() async throws(JournalError) -> Int64 { try await read { db in try db.newestEvent() } }

    /// The number of the newest event: first the present one, as soon as the file is open, then whenever it has grown.
    public func eventCommits() -> AsyncStream<Int64> {
        eventSignal.listen()
    }

    // MARK: Reading

    /// What comes after `position`, in order. Less than `limit` may also mean that the entries are large; nothing
    /// means that there is no more.
    public func entries(after position: Int64, limit: Int) async throws(JournalError) -> [JournalEntry] {
        if let recent = recent.withLock({ $0.after(position, limit: limit) }) { return recent }
        return try await read { db in try db.entries(after: position, limit: limit) }
    }

    /// What comes of one meter after `position`, in order.
    ///
    /// - Returns: also up to where it was looked for: a call looks at so many entries of other meters only.
    public func entries(
        of meter: String, after position: Int64, through end: Int64, limit: Int
    ) async throws(JournalError) -> (entries: [JournalEntry], through: Int64) {
        try await read { db in try db.entries(of: meter, after: position, through: end, limit: limit) }
    }

    /// What the outlet has. One that is new starts at 0 and is known from then on: nothing is dropped for its age before
    /// it has it.
    public func cursor(of outlet: String) async throws(JournalError) -> OutletCursor {
        let mark = mark
        // Both on the queue, on which a note moves into the file.
        let known = try await read { db in
            try db.cursor(of: outlet).map { mark.waiting?.adding(to: $0, of: outlet) ?? $0 }
        }
        if let known { return known }
        try await write(.cursor) { batch in try batch.register(outlet) }
        return OutletCursor(0)
    }

    public func value(forKey key: String, meter: String) async throws(JournalError) -> [UInt8]? {
        try await read { db in try db.value(forKey: key, meter: meter) }
    }

    /// All small values of a meter, by their keys.
    public func values(of meter: String) async throws(JournalError) -> [String: [UInt8]] {
        try await read { db in try db.values(of: meter) }
    }

    /// The position of the newest entry: first the present one, as soon as the file is open, then whenever it has grown; in
    /// between only the last counts. Ends when the journal is closed.
    public func commits() -> AsyncStream<Int64> {
        signal.listen()
    }

    /// Why the newest attempt to write failed; nil if it did not. Costs nothing to ask.
    public var lastError: JournalError? { condition.figures.lastError }

    /// Calls back when everything that the journal was given before is done.
    public func echo(_ body: @escaping @Sendable () -> Void) { queue.async(execute: body) }

    /// How long a write may wait to be synced together with others.
    public var gatheringTime: Duration {
        switch settings.sync {
        case .full: .zero
        case .every(let time): time
        }
    }

    /// - Parameter known: what outlets have beyond what was recorded of them, by their names.
    public func figures(known: [String: OutletCursor] = [:]) async -> JournalFigures {
        let stored = try? await read { db in try db.storedFigures(known) }
        var figures = condition.figures
        figures.newest = signal.newest ?? 0
        figures.readings = stored?.readings ?? 0
        figures.backlog = stored?.backlog ?? [:]
        figures.oldestWaiting = stored?.oldestWaiting
        figures.fileBytes = (files.databaseBytes ?? 0) + files.logBytes
        return figures
    }

    /// - Returns: which readings an outlet still has to take; nil while the journal cannot be read.
    public func waiting(after cursor: OutletCursor) async -> WaitingReadings? {
        try? await read { db in try db.waitingReadings(after: cursor) }
    }

    /// Drops what is too old or too much, now. It also happens by itself, after so many readings; call this now and then
    /// for a journal that gets none.
    public func retain() async {
        while await onQueue({ self.retainChunk() }) {}
    }
}

// MARK: - For tests

extension Journal {
    /// Writes that wait for a transaction.
    package var waitingWrites: Int { inbox.withLock { $0.count } }

    /// Works on the connection itself. What is known of the file without looking at it may not be true afterwards.
    package func withConnection<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(JournalError) -> Value {
        defer {
            recent.withLock { $0.forget() }
            if let store = try? store { store.end.forget() }
        }
        return try await read(body)
    }
}
