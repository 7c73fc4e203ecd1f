import LogMessages
import Logging
import NIOCore
import Synchronization

/// Counts what a stranger can cause at will, and warns of the first at once, of later ones ever more rarely.
final class PacedWarning: Sendable {
    private struct State {
        var total = 0
        var limiter = LogLimiter()
    }

    private let logger: Logger
    private let sentence: Logger.Message
    private let endpoint: String
    private let start = ContinuousClock.now
    private let state = Mutex(State())

    init(_ sentence: Logger.Message, endpoint: String, logger: Logger) {
        self.sentence = sentence
        self.endpoint = endpoint
        self.logger = logger
    }

    /// How often it happened.
    var total: Int { state.withLock { $0.total } }

    /// - Parameter source: whose fault it was.
    func count(_ source: SocketAddress?, at now: ContinuousClock.Instant = .now) {
        let total: Int? = state.withLock { state in
            state.total += 1
            return state.limiter.admit(endpoint, now: start.duration(to: now)) == nil ? nil : state.total
        }
        guard let total else { return }
        logger.warning(
            .strangerRefused, sentence,
            metadata: ["endpoint": "\(endpoint)", "source": "\(source?.text ?? "unknown")", "total": "\(total)"])
    }
}
