/// One write that waits for its transaction.
struct PendingWrite: Sendable {
    enum Kind {
        /// The queue grows by it; the others take no room of their own.
        case entry
        case value
        /// A value that does not wait for what gathers.
        case urgent
        /// Need not be synced with its transaction.
        case cursor
    }

    let kind: Kind
    /// Called inside the transaction. What it returns is called when the transaction is synced.
    let perform: @Sendable (inout WriteBatch) throws -> @Sendable () -> Void
    /// Called instead when it is not.
    let fail: @Sendable (JournalError) -> Void
}

/// Collects writes while a transaction is being synced, so that they share the next one.
struct Inbox {
    enum Arrival {
        /// The journal is closed.
        case refused
        /// A transaction is under way or arranged; the write goes with the next.
        case waits
        /// The caller arranges a transaction.
        case first
        /// As many wait as one transaction takes: nothing is gained by waiting for more.
        case enough
    }

    private var waiting: [PendingWrite] = []
    private var isArranged = false
    private(set) var isClosed = false

    var count: Int { waiting.count }

    mutating func add(_ write: PendingWrite) -> Arrival {
        guard !isClosed else { return .refused }
        waiting.append(write)
        guard !isArranged else { return waiting.count == JournalLimits.batch ? .enough : .waits }
        isArranged = true
        return .first
    }

    mutating func takeBatch() -> [PendingWrite] {
        let batch = Array(waiting.prefix(JournalLimits.batch))
        waiting.removeFirst(batch.count)
        return batch
    }

    /// - Returns: whether more have arrived, for which the caller arranges the next transaction.
    mutating func finishBatch() -> Bool {
        isArranged = !waiting.isEmpty
        return isArranged
    }

    /// From now on nothing is taken in; what waits is still written.
    ///
    /// - Returns: whether it was open.
    mutating func close() -> Bool {
        defer { isClosed = true }
        return !isClosed
    }
}
