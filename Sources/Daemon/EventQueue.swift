import Synchronization

/// What happens, for the one loop that decides: it takes everything that waits at once, so that many events cost little more
/// than one. Whoever puts something in does not wait.
final class EventQueue<Event: Sendable>: Sendable {
    private struct State {
        var waiting: [Event] = []
        /// Whether one of those that wait should be taken at once.
        var isUrgent = false
        var reader: CheckedContinuation<[Event], Never>?
        /// Whether the reader is woken for what is urgent only.
        var isPatient = false

        /// So many are worth being woken for in any case.
        static var patience: Int { 8 }

        var isReady: Bool {
            !waiting.isEmpty && (isUrgent || !isPatient || waiting.count >= Self.patience)
        }

        mutating func take() -> [Event] {
            isUrgent = false
            defer { waiting = [] }
            return waiting
        }
    }

    private let state = Mutex(State())

    /// - Parameter isUrgent: false where nobody waits for what follows from it.
    func put(_ event: Event, isUrgent: Bool = true) {
        let (reader, events) = state.withLock { state -> (CheckedContinuation<[Event], Never>?, [Event]) in
            state.waiting.append(event)
            if isUrgent { state.isUrgent = true }
            guard let reader = state.reader, state.isReady else { return (nil, []) }
            state.reader = nil
            return (reader, state.take())
        }
        reader?.resume(returning: events)
    }

    /// - Parameter patient: whether events that are not urgent may wait for others.
    /// - Returns: what has happened since, in its order: at least one event, or none where the task is cancelled. There is
    ///   one reader.
    func next(patient: Bool = false) async -> [Event] {
        await withTaskCancellationHandler {
            await withCheckedContinuation { reader in
                let ready = state.withLock { state -> [Event]? in
                    state.isPatient = patient
                    guard !state.isReady, !Task.isCancelled else { return state.take() }
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
