import Synchronization

/// Tells any number of listeners the newest position, and only the newest.
final class CommitSignal: Sendable {
    private struct State {
        /// Nil while the file is not open.
        var newest: Int64?
        var listeners: [Int: AsyncStream<Int64>.Continuation] = [:]
        var nextID = 0
        var isFinished = false
    }

    private let state = Mutex(State())

    var newest: Int64? { state.withLock { $0.newest } }

    /// Starts with the present position, if there is one, so that a listener needs no first look of its own.
    func listen() -> AsyncStream<Int64> {
        let (stream, continuation) = AsyncStream.makeStream(of: Int64.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state -> Int? in
            guard !state.isFinished else { return nil }
            state.nextID += 1
            state.listeners[state.nextID] = continuation
            if let newest = state.newest { continuation.yield(newest) }
            return state.nextID
        }
        guard let id else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.listeners.removeValue(forKey: id) }
        }
        return stream
    }

    func send(_ newest: Int64) {
        state.withLock { state in
            guard state.newest.map({ newest > $0 }) ?? true else { return }
            state.newest = newest
            for listener in state.listeners.values { listener.yield(newest) }
        }
    }

    func finish() {
        let listeners = state.withLock { state in
            state.isFinished = true
            defer { state.listeners = [:] }
            return state.listeners
        }
        // Outside the lock, since the end of a stream comes back to take it.
        for listener in listeners.values { listener.finish() }
    }
}
