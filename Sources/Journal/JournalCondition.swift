import LogMessages
import Logging
import Synchronization

/// How the journal is doing: counted, and said once when it changes.
final class JournalCondition: Sendable {
    private struct State {
        var figures = JournalFigures()
        var appendsUntilCheck = JournalLimits.appendsPerCheck
    }

    private let state = Mutex(State())
    private let logger: Logger
    private let log: PacedLog

    init(path: String, logger: Logger) {
        var logger = logger
        logger[metadataKey: "journal"] = "\(path)"
        self.logger = logger
        log = PacedLog(logger)
    }

    /// The counts since opening and the newest error; the rest stands in the file.
    var figures: JournalFigures { state.withLock { $0.figures } }

    func note(_ text: String) {
        logger.warning(.journalDamaged, "\(text)")
    }

    /// - Parameter isRecovered: false where entries are still refused.
    /// - Returns: whether it is time to look at age and size.
    func succeeded(appended: Int64, isRecovered: Bool) -> Bool {
        let (hasRecovered, isDue) = state.withLock { state in
            let hasRecovered = isRecovered && state.figures.lastError != nil
            if isRecovered { state.figures.lastError = nil }
            state.figures.transactions += 1
            state.figures.appended += appended
            state.appendsUntilCheck -= Int(appended)
            let isDue = state.appendsUntilCheck <= 0
            if isDue { state.appendsUntilCheck = JournalLimits.appendsPerCheck }
            return (hasRecovered, isDue)
        }
        if hasRecovered {
            log.say("recovered", .notice, .journalRecovered, "The journal can be written again.")
            log.over(beginning: Self.failedPrefix)
        }
        return isDue
    }

    /// Logged when it is another error than before, not for every reading that fails.
    func failed(_ error: JournalError) {
        let isNew = state.withLock { state in
            defer { state.figures.lastError = error }
            return state.figures.lastError != error
        }
        guard isNew else { return }
        log.say(
            Self.failedPrefix + error.code.rawValue, .error, .journalUnavailable, error.message,
            metadata: ["error": "\(error.code.rawValue)"])
        log.over("recovered")
    }

    private static let failedPrefix = "failed "

    func dropped(_ dropped: Dropped) {
        let isFirstLoss = state.withLock { state in
            let before = state.figures.givenUp
            state.figures.expired += dropped.expired
            state.figures.givenUp += dropped.givenUp
            return before == 0 && dropped.givenUp > 0
        }
        guard isFirstLoss else { return }
        logger.error(
            .readingsGivenUp,
            """
            The journal has reached its size, and the oldest readings are given up although they have not been delivered \
            everywhere. Restore the connection to the broker, or raise `journal: max_size:`.
            """)
    }
}
