import Synchronization

/// What happens, for the one loop that decides: it takes everything that waits at once, so that many events cost little more
/// than one. Whoever puts something in does not wait.
final class EventQueue<Event: Sendable>: Sendable {
    private struct State {
        var waiting: [Event] = []
        var reader: CheckedContinuation<[Event], Never>?
    }

    private let state = Mutex(State())

    func put(_ event: Event) {
        let reader = state.withLock { state -> CheckedContinuation<[Event], Never>? in
            guard let reader = state.reader else {
                state.waiting.append(event)
                return nil
            }
            state.reader = nil
            return reader
        }
        reader?.resume(returning: [event])
    }

    /// - Returns: what has happened since, in its order: at least one event. There is one reader.
    func next() async -> [Event] {
        await withCheckedContinuation { reader in
            let ready = state.withLock { state -> [Event] in
                guard !state.waiting.isEmpty else {
                    state.reader = reader
                    return []
                }
                defer { state.waiting = [] }
                return state.waiting
            }
            if !ready.isEmpty { reader.resume(returning: ready) }
        }
    }
}
