import Synchronization
import Transport

/// What a conversation hears beside the bytes of its line: that it is time to read the meter, a timer, that somebody
/// should look whether the meter still talks. It wakes the conversation, which waits in one place.
///
/// Lives as long as the reader of a meter, whose conversations come and go.
final class Bell: Sendable {
    /// What has been rung for and not been taken.
    struct Rung: Sendable, Equatable {
        /// It is time to read a polled meter.
        var isPollDue = false
        /// An armed timer; the number tells an old one.
        var timer: Int?
        var isLookDue = false
    }

    private struct State {
        /// Of the conversation that goes on.
        var inbound: LinkInbound?
        var rung = Rung()
        /// Monotonic; nil while nobody wants to be woken for a look.
        var nextLook: Duration?
    }

    private let state = Mutex(State())

    // MARK: Who is woken

    func attach(to inbound: LinkInbound) {
        state.withLock { $0 = State(inbound: inbound) }
    }

    func detach() {
        state.withLock { $0 = State() }
    }

    func take() -> Rung {
        state.withLock { state in
            defer { state.rung = Rung() }
            return state.rung
        }
    }

    func lookAgain(at time: Duration) {
        state.withLock { $0.nextLook = time }
    }

    // MARK: Who wakes

    /// Asks for a poll.
    ///
    /// - Returns: whether a conversation goes on that hears it.
    @discardableResult
    func ring() -> Bool { wake { $0.rung.isPollDue = true } }

    func ring(timer number: Int) { wake { $0.rung.timer = number } }

    /// Called from time to time, for all meters by one.
    func look(at now: Duration) {
        let isDue = state.withLock { $0.nextLook.map { $0 <= now } ?? false }
        guard isDue else { return }
        wake { state in
            state.nextLook = nil
            state.rung.isLookDue = true
        }
    }

    @discardableResult
    private func wake(_ change: (inout State) -> Void) -> Bool {
        let inbound = state.withLock { state in
            if state.inbound != nil { change(&state) }
            return state.inbound
        }
        inbound?.knock()
        return inbound != nil
    }
}
