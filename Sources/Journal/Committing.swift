import Dispatch
import GRDB
import OBIS
import Synchronization

/// The way of writes into the file: together in one transaction, on the queue.
extension Journal {
    func onQueue<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: body()) }
        }
    }

    func read<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(JournalError) -> Value {
        let result = await onQueue {
            Result { () throws(JournalError) in try self.store.access(body) }
        }
        return try result.get()
    }

    func write<Value: Sendable>(
        _ kind: PendingWrite.Kind, _ body: @escaping @Sendable (inout WriteBatch) throws -> Value
    ) async throws(JournalError) -> Value {
        let result: Result<Value, JournalError> = await withCheckedContinuation { continuation in
            submit(kind, body) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    func submit<Value: Sendable>(
        _ kind: PendingWrite.Kind, _ body: @escaping @Sendable (inout WriteBatch) throws -> Value,
        _ finish: @escaping @Sendable (Result<Value, JournalError>) -> Void
    ) {
        let write = PendingWrite(
            kind: kind,
            perform: { batch in
                let value = try body(&batch)
                return { finish(.success(value)) }
            },
            fail: { error in finish(.failure(error)) })
        // What is not synced need not wait for a sync, nor these for what gathers: little is published meanwhile, or a
        // meter is not asked.
        if kind == .cursor || kind == .urgent && gathers, !inbox.withLock({ $0.isClosed }) {
            return queue.async { self.commit([write]) }
        }
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
            queue.asyncAfter(deadline: .now() + .milliseconds(Int(clamping: time.wholeMilliseconds))) {
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
    func commitBatch() -> Bool {
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

    /// One transaction, synced unless only cursors move; who waits is told when it is.
    private func perform(_ writes: [PendingWrite], isRecovered: Bool = true) throws(JournalError) {
        var done: [@Sendable () -> Void] = []
        let store = try store
        let isSynced = writes.contains { $0.kind != .cursor }
        let batch = try store.commit(isSynced: isSynced) { [stream = store.stream] db -> WriteBatch in
            var batch = WriteBatch(db, stream: stream, end: try store.end.take(db))
            for write in writes {
                do {
                    done.append(try write.perform(&batch))
                } catch let refusal as JournalError where refusal.code == .limit {
                    // It has changed nothing, so the others go on.
                    done.append { write.fail(refusal) }
                }
            }
            return batch
        }
        seams.reached(.committed)
        store.end.giveBack(batch.end)
        recent.withLock { $0.append(batch.entries) }
        if isSynced {
            hasUnsyncedCursor.store(false, ordering: .relaxed)
        } else if batch.hasMovedCursor {
            syncCursorLater()
        }
        let isDue = condition.succeeded(appended: batch.appended, isRecovered: isRecovered)
        signal.send(batch.end.newest)
        if let newestEvent = batch.newestEvent { eventSignal.send(newestEvent) }
        for finish in done { finish() }
        if isDue { startRetention() }
    }

    private func fail(_ writes: [PendingWrite], _ error: JournalError) {
        condition.failed(error)
        for write in writes { write.fail(error) }
    }

    // MARK: Cursors

    /// A power cut takes at most a second of acknowledgements.
    private func syncCursorLater() {
        guard !hasUnsyncedCursor.exchange(true, ordering: .relaxed) else { return }
        queue.asyncAfter(deadline: .now() + cursorSync) {
            guard self.hasUnsyncedCursor.exchange(false, ordering: .relaxed) else { return }
            // What fails here costs repeats after a power cut, and is told with the next reading.
            try? self.store.commit { db in try db.touchOutlets() }
        }
    }

    /// - Returns: false where the database has to have it at once: nothing noted it, or there is more to say than how far
    ///   everything is.
    func note(_ cursor: OutletCursor, of outlet: String) -> Bool {
        guard cursor.apart.isEmpty, cursor.position <= signal.newest ?? 0, !inbox.withLock({ $0.isClosed }),
            mark.note(cursor.position, of: outlet)
        else { return false }
        storeMarkLater()
        return true
    }

    func storeMarkLater() {
        guard !isMarkDue.exchange(true, ordering: .relaxed) else { return }
        queue.asyncAfter(deadline: .now() + cursorSync) {
            self.isMarkDue.store(false, ordering: .relaxed)
            self.storeMark()
        }
    }

    private var cursorSync: DispatchTimeInterval { .milliseconds(Int(clamping: seams.cursorSync.wholeMilliseconds)) }

    /// Brings what was noted into the database, synced. What fails stays noted, and is tried again with the next.
    func storeMark() {
        guard let noted = mark.waiting else { return }
        let mark = mark
        commit([
            PendingWrite(
                kind: .value,
                perform: { batch in
                    try batch.advance(noted.outlet, to: OutletCursor(noted.position))
                    return { mark.stored(noted.position) }
                },
                fail: { _ in })
        ])
    }

    // MARK: A full disk

    func hasRoomAgain() -> Bool {
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
        let refused = hasRoom ? [] : writes.filter { $0.kind == .entry }
        let others = hasRoom ? writes : writes.filter { $0.kind != .entry }
        do {
            if !others.isEmpty { try perform(others, isRecovered: hasRoom) }
            emptyLog()
        } catch {
            fail(others, error)
        }
        if !refused.isEmpty { fail(refused, .full(files, "no room is left on the disk")) }
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
            dropped(try store.commit { db in try db.drop(chunk) })
            emptyLog()
            return true
        } catch {
            return false
        }
    }
}
