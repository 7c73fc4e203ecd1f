/// A frame of another protocol's link layer that carries a piece of a message.
public struct CarrierFrame: Sendable, Hashable {
    /// The piece, without any header.
    public var payload: [UInt8]
    /// The place of the piece in its message, from 0.
    public var sequence: Int
    public var isLast: Bool

    public init(payload: [UInt8], sequence: Int, isLast: Bool) {
        self.payload = payload
        self.sequence = sequence
        self.isLast = isLast
    }
}

/// What stands at one place of a buffer, judged as a carrier's frame.
public enum CarrierCandidate: Sendable {
    /// A whole frame of `length` bytes that passed its check.
    case frame(CarrierFrame, length: Int)
    /// A whole frame that carries something else.
    case foreign(WireError, length: Int)
    /// A beginning that more bytes will decide. `isHeader`: everything that tells a header is there.
    case incomplete(isHeader: Bool)
    /// A header whose frame is damaged. `length` is what the header claims.
    case damaged(WireError, length: Int)
    /// Not the beginning of a frame.
    case none
}

/// Finds the frames of one kind of carrier. So one protocol's framer can look for frames that another module knows.
public protocol CarrierFrames: Sendable {
    /// The byte that every frame begins with.
    var start: UInt8 { get }

    /// Judges the bytes from `offset` on.
    func candidate(at offset: Int, in bytes: RawSpan) -> CarrierCandidate
}
