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
    /// Entries of the meter's load profile are wanted. Ends with `finished` as a poll does; the entries come as messages of
    /// their own.
    case readProfile(ProfileSpan)
    /// What the session had kept of this meter, before the link is opened.
    case recalled([UInt8])
    /// What was to be kept is safe, or cannot be kept.
    case kept(Bool)
    /// The link is gone.
    case closed
}

/// Which entries of a load profile are wanted: those whose intervals end after `start` and not after `end`.
///
/// Both are civil times of the meter's clock, in seconds since 1970 as if they were UTC.
public struct ProfileSpan: Sendable, Hashable {
    public var start: Int64
    public var end: Int64

    public init(after start: Int64, through end: Int64) {
        self.start = start
        self.end = end
    }
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
    /// Keep this for the next `recalled`, in place of what was kept before: `kept` is reported when a crash cannot undo it.
    case keep([UInt8])
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
