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
    /// 32 lower-case hexadecimal digits, made together with the file.
    public let stream: String
    /// Sentences for the log and for `info`: what was found when the file was opened, if it was not in order.
    public let openingNotes: [String]

    private let store: JournalStore
    private let settings: JournalSettings
    private let clock: @Sendable () -> Timestamp
    private let seams: JournalSeams
    private let lock: FileLock
    private let ballast: Ballast
    private let queue: DispatchQueue
    private let inbox = Mutex(Inbox())
    private let isClosed = Atomic(false)
    private let isRetaining = Atomic(false)
    private let ageClock = Mutex(AgeClock())
    /// From the first write that found no room until there is some for the ballast.
    private let isDiskFull = Atomic(false)
    private let condition: JournalCondition
    private let signal: CommitSignal

    // MARK: Opening and closing

    /// Opens the journal or makes a new one.
    ///
    /// A damaged file is renamed, and what is whole in it goes on in a new one, where that can be told with the same
    /// stream; `openingNotes` says so. A newer version's file, another program's database, a folder and a file that cannot be
    /// written are errors, and are left as they are.
    ///
    /// - Parameter clock: what retention by age goes by.
    public static func open(
        path: String, settings: JournalSettings, logger: Logger, clock: (@Sendable () -> Timestamp)? = nil
    ) async throws(JournalError) -> Journal {
        try await open(path: path, settings: settings, logger: logger, clock: clock, seams: JournalSeams())
    }

    package static func open(
        path: String, settings: JournalSettings, logger: Logger, clock: (@Sendable () -> Timestamp)? = nil,
        seams: JournalSeams
    ) async throws(JournalError) -> Journal {
        let queue = DispatchQueue(label: "obisd.journal")
        let clock = clock ?? { .now }
        let opened = await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: Opening.result(JournalFiles(path: path), at: clock(), seams)) }
        }
        let journal = Journal(
            try opened.get(), settings: settings, logger: logger, clock: clock, queue: queue, seams: seams)
        for note in journal.openingNotes { journal.condition.note(note) }
        journal.startRetention()
        return journal
    }

    private init(
        _ opening: Opening, settings: JournalSettings, logger: Logger, clock: @escaping @Sendable () -> Timestamp,
        queue: DispatchQueue, seams: JournalSeams
    ) {
        stream = opening.store.stream
        openingNotes = opening.notes
        store = opening.store
        lock = opening.lock
        signal = CommitSignal(newest: opening.store.newest)
        condition = JournalCondition(path: opening.store.files.path, logger: logger)
        self.settings = settings
        self.clock = clock
        self.queue = queue
        self.seams = seams
        ballast = Ballast(opening.store.files, seams)
    }

    /// Writes what waits, then closes the file. Calls that come later fail with `closed`.
    public func close() async {
        guard inbox.withLock({ $0.close() }) else { return await onQueue {} }
        await onQueue {
            while self.commitBatch() {}
            self.isClosed.store(true, ordering: .relaxed)
            do {
                try self.store.database.close()
            } catch {
                self.condition.failed(JournalError(error, at: self.store.files))
            }
            self.lock.release()
        }
        signal.finish()
    }

    // MARK: Writing

    /// Takes a reading in. When this returns, the reading is committed and synced: it survives a crash and a power cut.
    ///
    /// When it throws, no `seq` has been used.
    public func append(_ draft: ReadingDraft) async throws(JournalError) -> JournaledReading {
        try await write(isEntry: true) { batch in try batch.append(draft) }
    }

    /// Hands a reading over without waiting. Readings are taken in in the order of these calls.
    ///
    /// - Parameter finish: told what `append` would return or throw, on the journal's queue: it must be short.
    public func append(
        _ draft: ReadingDraft, finish: @escaping @Sendable (Result<JournaledReading, JournalError>) -> Void
    ) {
        submit(isEntry: true, { batch in try batch.append(draft) }, finish)
    }

    /// Tells the outlets, in queue order, of readings that could not be journaled.
    public func record(_ gap: GapDraft) async throws(JournalError) {
        try await write(isEntry: true) { batch in try batch.record(gap) }
    }

    /// Hands a gap over without waiting, as a reading.
    public func record(_ gap: GapDraft, finish: @escaping @Sendable (Result<Void, JournalError>) -> Void) {
        submit(isEntry: true, { batch in try batch.record(gap) }, finish)
    }

    /// Whether writes are held back to be synced together.
    public var gathers: Bool { settings.sync != .full }

    /// The outlet has everything up to `position`. Never goes backwards, nor beyond the newest entry.
    ///
    /// Costs a sync unless it shares one with a reading: call it once for many acknowledgements.
    public func advance(outlet: String, to position: Int64) async throws(JournalError) {
        try await write { batch in try batch.advance(outlet, to: position) }
    }

    /// Keeps a small value of a meter; nil removes it.
    public func set(_ value: [UInt8]?, forKey key: String, meter: String) async throws(JournalError) {
        try await write { batch in try batch.set(value, forKey: key, meter: meter) }
    }

    // MARK: Reading

    /// What comes after `position`, in order. Less than `limit` may also mean that the entries are large; nothing
    /// means that there is no more.
    public func entries(after position: Int64, limit: Int) async throws(JournalError) -> [JournalEntry] {
        try await read { db in try db.entries(after: position, limit: limit) }
    }

    /// Up to where the outlet has everything. An outlet that is new starts at 0 and is known from then on: nothing is
    /// dropped for its age before it has it.
    public func cursor(of outlet: String) async throws(JournalError) -> Int64 {
        if let position = try await read({ db in try db.cursor(of: outlet) }) { return position }
        try await write { batch in try batch.register(outlet) }
        return 0
    }

    public func value(forKey key: String, meter: String) async throws(JournalError) -> [UInt8]? {
        try await read { db in try db.value(forKey: key, meter: meter) }
    }

    /// The position of the newest entry: first the present one, then whenever it has grown; in between only the last
    /// counts. Ends when the journal is closed.
    public func commits() -> AsyncStream<Int64> {
        signal.listen()
    }

    /// Why the newest attempt to write failed; nil if it did not. Costs nothing to ask.
    public var lastError: JournalError? { condition.figures.lastError }

    public func figures() async -> JournalFigures {
        let stored = await onQueue { self.storedFigures() }
        var figures = condition.figures
        figures.newest = signal.newest
        figures.readings = stored?.readings ?? 0
        figures.backlog = stored?.backlog ?? [:]
        figures.oldestWaiting = stored?.oldestWaiting
        figures.fileBytes = (store.files.databaseBytes ?? 0) + store.files.logBytes
        return figures
    }

    /// Drops what is too old or too much, now. It also happens by itself, after so many readings; call this now and then
    /// for a journal that gets none.
    public func retain() async {
        while await onQueue({ self.retainChunk() }) {}
    }
}

// MARK: - On the queue

extension Journal {
    private func onQueue<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: body()) }
        }
    }

    private func read<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(JournalError) -> Value {
        let result = await onQueue { () -> Result<Value, JournalError> in
            guard !self.isClosed.load(ordering: .relaxed) else { return .failure(.closed) }
            return Result { () throws(JournalError) in try self.store.access(body) }
        }
        return try result.get()
    }

    private func write<Value: Sendable>(
        isEntry: Bool = false, _ body: @escaping @Sendable (inout WriteBatch) throws -> Value
    ) async throws(JournalError) -> Value {
        let result: Result<Value, JournalError> = await withCheckedContinuation { continuation in
            submit(isEntry: isEntry, body) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    private func submit<Value: Sendable>(
        isEntry: Bool, _ body: @escaping @Sendable (inout WriteBatch) throws -> Value,
        _ finish: @escaping @Sendable (Result<Value, JournalError>) -> Void
    ) {
        let write = PendingWrite(
            isEntry: isEntry,
            perform: { batch in
                let value = try body(&batch)
                return { finish(.success(value)) }
            },
            fail: { error in finish(.failure(error)) })
        switch inbox.withLock({ $0.add(write) }) {
        case .refused: write.fail(.closed)
        case .waits: break
        case .first: arrangeCommit()
        case .enough: queue.async { self.commitNext() }
        }
    }

    /// At once, or after the time in which writes gather to be synced together.
    private func arrangeCommit() {
        switch settings.sync {
        case .every(let time) where waitingWrites < JournalLimits.batch:
            queue.asyncAfter(deadline: .now() + .milliseconds(Int(clamping: time.inMilliseconds ?? .max))) {
                self.commitNext()
            }
        case .every, .full: queue.async { self.commitNext() }
        }
    }

    private func commitNext() {
        // What has arrived meanwhile lines up behind the reads that wait.
        if commitBatch() { arrangeCommit() }
    }

    /// Everything that waits, in one synced transaction.
    ///
    /// - Returns: whether more has arrived.
    private func commitBatch() -> Bool {
        let writes = inbox.withLock { $0.takeBatch() }
        if !writes.isEmpty { commit(writes) }
        return inbox.withLock { $0.finishBatch() }
    }

    private func commit(_ writes: [PendingWrite]) {
        guard !isDiskFull.load(ordering: .relaxed) || hasRoomAgain() else { return commitWithoutRoom(writes) }
        do {
            try perform(writes)
        } catch {
            guard error.code == .full else { return fail(writes, error) }
            isDiskFull.store(true, ordering: .relaxed)
            commitWithoutRoom(writes)
        }
    }

    /// One synced transaction; who waits is told when it is.
    private func perform(_ writes: [PendingWrite], isRecovered: Bool = true) throws(JournalError) {
        var done: [@Sendable () -> Void] = []
        let (newest, appended) = try store.commit { db in
            var batch = try WriteBatch(db, stream: stream)
            for write in writes {
                do {
                    done.append(try write.perform(&batch))
                } catch let refusal as JournalError where refusal.code == .limit {
                    // It has changed nothing, so the others go on.
                    done.append { write.fail(refusal) }
                }
            }
            return (batch.newest, batch.appended)
        }
        seams.reached(.committed)
        let isDue = condition.succeeded(appended: appended, isRecovered: isRecovered)
        signal.send(newest)
        for finish in done { finish() }
        if isDue { startRetention() }
    }

    private func fail(_ writes: [PendingWrite], _ error: JournalError) {
        condition.failed(error)
        for write in writes { write.fail(error) }
    }

    // MARK: A full disk

    private func hasRoomAgain() -> Bool {
        guard ballast.takeIn() else { return false }
        isDiskFull.store(false, ordering: .relaxed)
        return true
    }

    /// What every outlet has makes way for what arrives. Where there is nothing of that, entries are refused, and
    /// cursors still move: the room that the ballast left is theirs.
    private func commitWithoutRoom(_ writes: [PendingWrite]) {
        _ = ballast.throwOff()
        emptyLog()
        let hasRoom = makeRoom()
        let refused = hasRoom ? [] : writes.filter(\.isEntry)
        let others = hasRoom ? writes : writes.filter { !$0.isEntry }
        do {
            if !others.isEmpty { try perform(others, isRecovered: hasRoom) }
            emptyLog()
        } catch {
            fail(others, error)
        }
        if !refused.isEmpty { fail(refused, .full(store.files, "no room is left on the disk")) }
    }

    /// What is copied from the log lets it begin again in the room that it has. What fails here fails again later.
    private func emptyLog() {
        _ = try? store.access { db in _ = try db.checkpoint(.passive) }
    }

    /// - Returns: whether there are free pages in the file.
    private func makeRoom() -> Bool {
        do {
            if try store.access({ db in try db.hasFreePages() }) { return true }
            guard let chunk = try store.access({ db in try db.nextAcknowledgedChunk() }) else { return false }
            condition.dropped(try store.commit { db in try db.drop(chunk) })
            emptyLog()
            return true
        } catch {
            return false
        }
    }

    // MARK: Retention

    private func startRetention() {
        guard !isRetaining.exchange(true, ordering: .relaxed) else { return }
        queue.async { self.continueRetention() }
    }

    /// Chunk by chunk, each behind whatever else has lined up.
    private func continueRetention() {
        if retainChunk() {
            queue.async { self.continueRetention() }
        } else {
            isRetaining.store(false, ordering: .relaxed)
        }
    }

    /// - Returns: whether there may be more to do.
    private func retainChunk() -> Bool {
        guard !isClosed.load(ordering: .relaxed) else { return false }
        do {
            let now = clock()
            let uptime = seams.uptime?() ?? AgeClock.uptime
            let isTrusted = ageClock.withLock { $0.isTrusted(now, uptime: uptime) }
            let chunk = try store.access { db in try db.nextChunk(settings, now: isTrusted ? now : nil) }
            var dropped = Dropped()
            if let chunk {
                dropped = try store.commit { db in
                    defer { seams.reached(.retaining) }
                    return try db.drop(chunk)
                }
            }
            dropped.shrunk = try store.access { db in try db.shrink(settings) }
            condition.dropped(dropped)
            if dropped.isNothing { _ = hasRoomAgain() }
            return !dropped.isNothing
        } catch {
            condition.failed(error)
            return false
        }
    }

    private func storedFigures() -> StoredFigures? {
        guard !isClosed.load(ordering: .relaxed) else { return nil }
        return try? store.access { db in try db.storedFigures() }
    }
}

// MARK: - For tests

extension Journal {
    /// Writes that wait for a transaction.
    package var waitingWrites: Int { inbox.withLock { $0.count } }

    /// Works on the connection itself.
    package func withConnection<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(JournalError) -> Value {
        try await read(body)
    }
}
