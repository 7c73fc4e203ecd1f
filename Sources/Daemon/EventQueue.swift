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

    /// - Returns: what has happened since, in its order: at least one event, or none where the task is cancelled. There is
    ///   one reader.
    func next() async -> [Event] {
        await withTaskCancellationHandler {
            await withCheckedContinuation { reader in
                let ready = state.withLock { state -> [Event]? in
                    guard state.waiting.isEmpty, !Task.isCancelled else {
                        defer { state.waiting = [] }
                        return state.waiting
                    }
                    state.reader = reader
                    return nil
                }
                if let ready { reader.resume(returning: ready) }
            }
        } onCancel: {
            let reader = state.withLock { state in
                defer { state.reader = nil }
                return state.reader
            }
            reader?.resume(returning: [])
        }
    }
}
