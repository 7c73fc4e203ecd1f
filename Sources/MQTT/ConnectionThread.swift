import Glibc
import Logging

/// What the thread does: connect, serve the connection, wait, and again, until it is told to stop.
struct ConnectionThread: Sendable {
    let settings: BrokerSettings
    let mailbox: Mailbox
    let wakeUp: WakeUp
    let backoff: ReconnectBackoff
    let logger: Logger
    let events: AsyncStream<MQTTClient.Event>.Continuation
    let messages: AsyncStream<MQTTMessage>.Continuation

    private let clock = ContinuousClock()

    init(
        settings: BrokerSettings, mailbox: Mailbox, wakeUp: WakeUp, backoff: ReconnectBackoff, logger: Logger,
        events: AsyncStream<MQTTClient.Event>.Continuation, messages: AsyncStream<MQTTMessage>.Continuation
    ) {
        self.settings = settings
        self.mailbox = mailbox
        self.wakeUp = wakeUp
        self.backoff = backoff
        self.logger = logger
        self.events = events
        self.messages = messages
    }

    func run() {
        var settings = settings
        var log = ConnectionLog(logger, settings: settings)
        var attempts = 0
        var onlyIPv4 = false
        while !mailbox.isStopping {
            if let changed = mailbox.takeNewSettings() {
                (settings, attempts, onlyIPv4) = (changed, 0, false)
                log = ConnectionLog(logger, settings: changed)
            }
            let attempt = connectOnce(settings, log, onlyIPv4: onlyIPv4)
            attempts = attempt.wasStable ? 1 : attempts + 1
            // A dead IPv6 address would hide a living IPv4 one for ever.
            onlyIPv4 = attempt.neverReached && !onlyIPv4
            let isOver = mailbox.isStopping || mailbox.isChanging
            let delay = isOver ? nil : backoff.delay(attempt: attempts, refused: attempt.end.isRefusal)
            log.disconnected(attempt.end, wasStable: attempt.wasStable, retryIn: delay)
            events.yield(.disconnected(attempt.end))
            if let delay { pause(delay) }
        }
        events.finish()
        messages.finish()
        mailbox.ended()
    }

    private struct Attempt {
        var end: Disconnection
        /// It lasted long enough to call the next failure a new one.
        var wasStable = false
        var neverReached = false
    }

    private func connectOnce(_ settings: BrokerSettings, _ log: ConnectionLog, onlyIPv4: Bool) -> Attempt {
        do {
            let session = try BrokerSession(
                settings: settings, mailbox: mailbox, wakeUp: wakeUp, log: log, events: events, messages: messages)
            let end = session.run(onlyIPv4: onlyIPv4)
            let wasStable = session.opened.map { clock.now - $0 >= .seconds(30) } ?? false
            return Attempt(end: end, wasStable: wasStable, neverReached: session.neverReached)
        } catch {
            return Attempt(end: error)
        }
    }

    /// Until the time has passed, or the client is stopped or gets other settings.
    private func pause(_ delay: Duration) {
        let deadline = clock.now + delay
        while !mailbox.isStopping, !mailbox.isChanging, case let left = deadline - clock.now, left > .zero {
            var descriptor = pollfd(fd: wakeUp.descriptor, events: Int16(POLLIN), revents: 0)
            // One descriptor.
            _ = unsafe poll(&descriptor, 1, left.pollTimeout)
            // Nothing is accepted while there is no connection; new subscriptions stay for the next one.
            if descriptor.revents != 0 {
                wakeUp.clear()
                _ = mailbox.take()
            }
        }
    }
}
