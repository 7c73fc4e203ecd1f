import Dispatch
import OBIS
import Synchronization

/// Retention in the background, on the queue.
extension Journal {
    func startRetention() {
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
    func retainChunk() -> Bool {
        guard let store = try? store else { return false }
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
            dropped.events = try dropEvents(isTrusted ? now : nil, store)
            dropped.shrunk = try store.access { db in try db.shrink(settings) }
            self.dropped(dropped)
            if dropped.isNothing { _ = hasRoomAgain() }
            return !dropped.isNothing
        } catch {
            condition.failed(error)
            return false
        }
    }

    /// What is gone from the file is not to be published from memory either.
    func dropped(_ dropped: Dropped) {
        recent.withLock { $0.forget() }
        condition.dropped(dropped)
    }

    private func dropEvents(_ now: Timestamp?, _ store: JournalStore) throws(JournalError) -> Int64 {
        let limit = now.flatMap { now in
            (settings.keep?.wholeMilliseconds).map { now.milliseconds.subtractingReportingOverflow($0).partialValue }
        }
        guard try store.access({ db in try db.hasEventsToDrop(before: limit) }) else { return 0 }
        return try store.commit { db in try db.dropEvents(before: limit) }
    }
}
