/// What happens to a conversation with a meter.
public enum SessionEvent: Sendable, Equatable {
    /// The link is up. Everything before it is forgotten.
    case opened
    /// Bytes arrived.
    case received([UInt8])
    /// What was received so far was a datagram or a connection of its own.
    case boundary
    /// Everything that was sent has left the port.
    case drained
    /// The timer that the session armed is due.
    case timer
    /// It is time to read the meter (polled protocols).
    case poll
    /// The link is gone.
    case closed
}

/// What a session wants done, in this order.
public enum SessionAction<Message: Sendable>: Sendable {
    /// Send bytes. `drained` must be reported when the last of them has left the port.
    case send([UInt8])
    /// Change the line. Applies to links that have one, others ignore it.
    case setLine(LineSettings)
    /// Arm the one timer of the session, replacing an earlier one.
    case arm(Duration)
    /// Cancel the timer.
    case disarm
    /// A whole message, checked and decoded.
    case emit(Message)
    /// Something that was not a message. The conversation goes on.
    case reject(WireError)
    /// Bytes between messages that belong to none.
    case noise(Int)
    /// A polled conversation ended; the next `poll` starts a new one.
    case finished(WireError?)
}

extension SessionAction: Equatable where Message: Equatable {}

/// One conversation with one meter, without input or output of its own: events in, actions out.
///
/// All decisions are made synchronously inside `handle`. Time passes only through `timer`.
public protocol Session<Message>: Sendable {
    associatedtype Message: Sendable

    mutating func handle(_ event: SessionEvent) -> [SessionAction<Message>]
}
