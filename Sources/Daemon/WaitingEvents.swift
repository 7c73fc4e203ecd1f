import Journal
import Synchronization

/// Events of one meter on their way into the journal, with the state that they leave behind. What the journal does not take
/// waits for it, in order; what has come together goes in together, in one transaction with the state that knows of it.
final class WaitingEvents: Sendable {
    private struct Waiting {
        var drafts: [EventDraft] = []
        /// So many of them, from the first on, the journal has been given and has not answered for.
        var underWay = 0
        /// Which they leave behind.
        var state: [UInt8] = []
        /// Whether the journal is to have the state although it has been given an earlier one.
        var isStateNewer = false
        /// The journal takes no state of that size: the events go without it.
        var omitsState = false
        /// What is under way is of a state that is given up.
        var isForgotten = false
    }

    /// More than so many do not wait for a journal that cannot be written.
    private static let limit = 256

    /// Under which the state is kept.
    private let stateKey: String
    private let meter: String
    private let journal: Journal
    private let waiting = Mutex(Waiting())

    init(meter: String, stateKey: String, journal: Journal) {
        self.meter = meter
        self.stateKey = stateKey
        self.journal = journal
    }

    /// Behind those that wait: whoever sees the end of something before its beginning takes it for open.
    func handIn(_ drafts: [EventDraft], state: [UInt8]) {
        waiting.withLock {
            $0.drafts += drafts.prefix(max(0, Self.limit - $0.drafts.count))
            $0.state = state
            $0.isStateNewer = true
        }
        submit()
    }

    /// Tries again what the journal did not take.
    ///
    /// - Parameter isLast: whether to try although the journal could not be written when it was last tried.
    func retry(state: @autoclosure () -> [UInt8], isLast: Bool = false) {
        guard isLast || journal.lastError == nil, journal.stream != nil,
            waiting.withLock({ !$0.drafts.isEmpty && $0.underWay == 0 })
        else { return }
        let state = state()
        waiting.withLock { $0.state = state }
        submit()
    }

    /// What waits is of a state that is given up.
    func forget() {
        waiting.withLock {
            $0.drafts.removeLast($0.drafts.count - $0.underWay)
            $0.isForgotten = $0.underWay > 0
            $0.isStateNewer = false
        }
    }

    /// Keeps the state by itself; behind what waits, since it knows of that.
    func keep(_ state: [UInt8]) {
        let mayGo = waiting.withLock { waiting in
            guard !waiting.drafts.isEmpty else { return true }
            waiting.state = state
            waiting.isStateNewer = true
            return false
        }
        if mayGo { journal.set(state, forKey: stateKey, meter: meter) { _ in } }
    }

    private func submit() {
        let next = waiting.withLock { waiting -> (drafts: [EventDraft], values: [String: [UInt8]])? in
            guard waiting.underWay == 0, !waiting.drafts.isEmpty else { return nil }
            waiting.underWay = waiting.drafts.count
            waiting.isStateNewer = false
            return (waiting.drafts, waiting.omitsState ? [:] : [stateKey: waiting.state])
        }
        guard let next else { return }
        journal.append(next.drafts, values: next.values) { [self] result in concluded(result) }
    }

    private func concluded(_ result: Result<Void, JournalError>) {
        let (goesOn, state) = waiting.withLock { waiting -> (Bool, [UInt8]?) in
            let count = waiting.underWay
            let isForgotten = waiting.isForgotten
            (waiting.underWay, waiting.isForgotten) = (0, false)
            switch result {
            case .success: waiting.drafts.removeFirst(count)
            case .failure(let error) where error.code == .limit && !waiting.omitsState:
                waiting.omitsState = true
                return (true, nil)
            case .failure(let error):
                // What is too large will never be taken.
                if isForgotten || error.code == .limit { waiting.drafts.removeFirst(count) }
                if error.code != .limit { return (false, nil) }
            }
            waiting.omitsState = false
            let isLeft = waiting.drafts.isEmpty && waiting.isStateNewer
            waiting.isStateNewer = waiting.isStateNewer && !isLeft
            return (!waiting.drafts.isEmpty, isLeft ? waiting.state : nil)
        }
        if goesOn { submit() }
        if let state { journal.set(state, forKey: stateKey, meter: meter) { _ in } }
    }
}
