import LogMessages
import Logging
import Synchronization
import Transport
import Wire

/// The log lines of one reader.
final class ReaderLog: Sendable {
    private let log: PacedLog
    private let wasHeard = Mutex(false)

    init(_ log: PacedLog) {
        self.log = log
    }

    /// When it is lost again, that is news.
    func opened(_ endpoint: Endpoint) {
        log.say("opened", .info, .lineOpened, "The line is open: \(endpoint).")
        log.over(beginning: Self.linkPrefix)
    }

    /// When it opens again, that is news.
    func lost(_ error: TransportError) {
        log.say(
            Self.linkPrefix + error.code.rawValue, .warning, .lineLost,
            "The line is not open: \(error.message). It is tried again.", metadata: ["error": "\(error.code.rawValue)"])
        log.over("opened")
    }

    func silent(for duration: Duration) {
        log.say(
            "silent", .warning, .lineSilent,
            "Nothing was heard for \(duration.components.seconds) s: the port is opened anew.")
    }

    func unanswered() {
        log.say("unanswered", .warning, .lineSilent, "The meter does not answer: the port is opened anew.")
    }

    /// The first telegram of a line is worth a sentence: everything is wired right. What ends with it may come again.
    func telegram() {
        let isFirst = wasHeard.withLock { heard in
            defer { heard = true }
            return !heard
        }
        if isFirst { log.say("first", .notice, .firstMessage, "The first message arrived.") }
        log.over("silent")
        log.over("unanswered")
        log.over(beginning: Self.pollPrefix)
    }

    func rejected(_ error: WireError) {
        let isOfKeys =
            switch error.code {
            case .decryption, .authentication, .keyMissing: true
            default: false
            }
        log.say(
            "rejected \(error.code.rawValue)", .warning, isOfKeys ? .decryptionFailed : .messageDropped,
            "A message was dropped: \(error.message).", metadata: ["error": "\(error.code.rawValue)"])
    }

    func pollFailed(_ error: WireError) {
        log.say(
            Self.pollPrefix + error.code.rawValue, .warning, .meterNotRead,
            "The meter could not be read: \(error.message).", metadata: ["error": "\(error.code.rawValue)"])
    }

    func noise(_ count: Int) {
        log.say(
            "noise", .info, .noise,
            "\(count == 1 ? "1 byte belongs" : "\(count) bytes belong") to no message: noise, or the wrong speed or parity."
        )
    }

    private static let linkPrefix = "link "
    private static let pollPrefix = "poll "
}
