import IEC62056
import OBIS
import Wire

/// Gives a meter's optical port to a session that speaks HDLC: before each of its conversations the meter is signed on to
/// and led into mode E (IEC 62056-21, annex E); behind each of them the line goes back to that of the sign-on.
///
/// The inner session gets every event and says everything, but it neither waits for the sign-on nor hears of it.
public struct HandoverSession: Session {
    private enum State {
        case idle
        /// The sign-on goes on; this is what the inner session is asked for behind it.
        case signingOn(SessionEvent)
        /// The inner session has the line.
        case inner
    }

    private var handover: BinaryHandover
    private var inner: any Session<Telegram>
    private var state = State.idle

    /// - Parameter inner: speaks HDLC over a line that has its speed and `8N1` already.
    public init(settings: BinaryHandover.Settings, inner: any Session<Telegram>) {
        handover = BinaryHandover(settings: settings)
        self.inner = inner
    }

    public mutating func handle(_ event: SessionEvent) -> [SessionAction<Telegram>] {
        switch (state, event) {
        case (.idle, .poll), (.idle, .readProfile):
            state = .signingOn(event)
            return signOn(.poll)
        case (.signingOn, .recalled), (.signingOn, .kept), (.inner, _), (.idle, .recalled), (.idle, .kept):
            return passOn(event)
        case (_, .opened):
            state = .idle
            return signOn(.opened) + passOn(.opened)
        case (.signingOn, _):
            return signOn(event)
        case (.idle, .closed):
            return passOn(.closed)
        case (.idle, _):
            // Between conversations the line belongs to the sign-on, which tells what it hears.
            return signOn(event)
        }
    }

    private mutating func signOn(_ event: SessionEvent) -> [SessionAction<Telegram>] {
        let (actions, outcome) = handover.handle(event)
        guard case .signingOn(let wanted) = state, let outcome else { return actions }
        switch outcome {
        case .ready:
            state = .inner
            return actions + passOn(wanted)
        case .failed(let error):
            state = .idle
            return actions + [.finished(error)]
        }
    }

    private mutating func passOn(_ event: SessionEvent) -> [SessionAction<Telegram>] {
        var actions: [SessionAction<Telegram>] = []
        for action in inner.handle(event) {
            if case .finished = action, case .inner = state {
                state = .idle
                // The line of a link that is gone cannot be set.
                if event != .closed { actions += handover.release() }
            }
            actions.append(action)
        }
        // A link that opens or closes ends the conversation of both.
        if event == .opened || event == .closed {
            state = .idle
            _ = handover.handle(.opened)
        }
        return actions
    }
}
