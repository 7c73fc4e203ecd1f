/// Why a line to a meter could not be opened, or was lost.
///
/// Compared by code, so that a test or a caller does not depend on wording.
public struct TransportError: Error, Sendable {
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// The path or the host name does not exist.
        case notFound = "not-found"
        /// The user may not open it.
        case permission
        /// Another program, or another meter of this one, has the line.
        case busy
        /// It can never work as configured: no serial port, a setting that the port does not have.
        case configuration
        /// The host answers, and nothing listens on the port.
        case refused
        /// The host or its network does not answer.
        case unreachable
        /// Nothing happened in time.
        case timeout
        /// The operating system reported something else.
        case io
        /// The line was open and is gone: unplugged, or closed by the other side.
        case closed
        /// The task that waited was cancelled.
        case cancelled
    }

    public let code: Code
    /// A sentence for a person, with the remedy where there is one.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension TransportError: Equatable {
    public static func == (lhs: TransportError, rhs: TransportError) -> Bool {
        lhs.code == rhs.code
    }
}

extension TransportError: CustomStringConvertible {
    public var description: String { message }
}

extension TransportError {
    static let cancelled = TransportError(.cancelled, "the task was cancelled")
}
