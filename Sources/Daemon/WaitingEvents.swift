import Journal
import Synchronization

/// Events of one meter on their way into the journal, each with the state that they leave behind. What the journal does
/// not take waits for it, in order.
final class WaitingEvents: Sendable {
    /// More than so many do not wait for a journal that cannot be written.
    private static let limit = 256

    /// Under which the state is kept with them.
    private let stateKey: String
    private let meter: String
    private let journal: Journal
    private let drafts = Mutex<[EventDraft]>([])

    init(meter: String, stateKey: String, journal: Journal) {
        self.meter = meter
        self.stateKey = stateKey
        self.journal = journal
    }

    /// Behind those that wait: whoever sees the end of something before its beginning takes it for open.
    func handIn(_ draft: EventDraft, state: [UInt8]) {
        let mustWait = drafts.withLock { drafts in
            guard !drafts.isEmpty else { return false }
            if drafts.count < Self.limit { drafts.append(draft) }
            return true
        }
        if !mustWait { append(draft, state) }
    }

    /// Tries again what the journal did not take.
    ///
    /// - Parameter isLast: whether to try although the journal could not be written when it was last tried.
    func retry(state: @autoclosure () -> [UInt8], isLast: Bool = false) {
        guard isLast || journal.lastError == nil, journal.stream != nil else { return }
        let waiting = drafts.withLock { drafts in
            defer { drafts = [] }
            return drafts
        }
        for draft in waiting { append(draft, state()) }
    }

    /// What waits is of a state that is given up.
    func forget() { drafts.withLock { $0 = [] } }

    /// Keeps the state by itself.
    func keep(_ state: [UInt8]) {
        journal.set(state, forKey: stateKey, meter: meter) { _ in }
    }

    private func append(_ draft: EventDraft, _ state: [UInt8]) {
        journal.append(draft, values: [stateKey: state]) { [self] result in
            guard case .failure = result else { return }
            drafts.withLock { if $0.count < Self.limit { $0.append(draft) } }
        }
    }
}
