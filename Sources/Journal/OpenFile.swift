import Dispatch
import GRDB
import OBIS
import Synchronization

/// The journal's file: opened, opened later, closed. All on the queue.
extension Journal {
    /// - Returns: nothing, or why it could not be opened.
    func open() -> Result<Void, JournalError> {
        let result = Opening.result(files, at: clock(), seams)
        opened.withLock { $0 = result }
        guard case .success(let opening) = result else { return result.map { _ in } }
        found.withLock { $0 = (opening.store.stream, opening.notes) }
        for note in opening.notes { condition.note(note) }
        openMark(opening.store)
        signal.send(opening.store.newest)
        if let newest = try? opening.store.access({ db in try db.newestEvent() }) { eventSignal.send(newest) }
        startRetention()
        return .success(())
    }

    private func openMark(_ store: JournalStore) {
        let outlets = (try? store.access { db in try db.cursors() }) ?? [:]
        mark.open(stream: store.stream, outlets: outlets.keys, newest: store.newest)
        if mark.waiting != nil { storeMarkLater() }
    }

    func openLater() {
        queue.asyncAfter(deadline: .now() + .milliseconds(Int(clamping: seams.retry.wholeMilliseconds))) {
            guard !self.inbox.withLock({ $0.isClosed }) else { return }
            guard case .failure(let error) = self.open() else { return }
            self.condition.failed(error)
            self.openLater()
        }
    }

    func closeFile() {
        let former = opened.withLock { opened in
            defer { opened = .failure(.closed) }
            return opened
        }
        guard case .success(let opening) = former else { return }
        do {
            try opening.store.database.close()
        } catch {
            condition.failed(JournalError(error, at: files))
        }
        mark.close()
        opening.lock.release()
    }

    /// - Throws: why the file is not open.
    var store: JournalStore {
        get throws(JournalError) { try opened.withLock { $0 }.get().store }
    }
}
