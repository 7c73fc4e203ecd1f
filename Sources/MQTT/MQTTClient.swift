public import Logging

/// A connection to one broker, for ever: it is made again whenever it is lost, also when the broker was never there.
///
/// Each connection starts clean, nothing is carried over to the next one: whoever publishes keeps what was not
/// acknowledged and publishes it again. One thread of the client's own makes every call of the MQTT library.
public final class MQTTClient: Sendable {
    public enum Event: Sendable, Hashable {
        case connected(BrokerProperties)
        /// The connection has ended, or an attempt has failed. Every message has had its outcome.
        case disconnected(Disconnection)
        case subscribed(filter: String, qos: Int)
        case subscriptionRefused(filter: String, reason: UInt8)
    }

    /// What arrives with more than this many bytes is dropped.
    public static let largestIncomingPayload = 65_536

    /// What happens to the connection; for one reader. Of a reader that does not read, the newest 256 are kept.
    public let events: AsyncStream<Event>
    /// What arrives on the subscriptions; for one reader. What it leaves unread beyond 256 messages is dropped.
    public let messages: AsyncStream<MQTTMessage>

    private let settings: BrokerSettings
    private let logger: Logger
    private let backoff: ReconnectBackoff
    private let mailbox = Mailbox()
    private let eventSink: AsyncStream<Event>.Continuation
    private let messageSink: AsyncStream<MQTTMessage>.Continuation

    public init(settings: BrokerSettings, logger: Logger, backoff: ReconnectBackoff = ReconnectBackoff()) {
        self.settings = settings
        self.logger = logger
        self.backoff = backoff
        (events, eventSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(256))
        (messages, messageSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(256))
    }

    deinit { mailbox.requestStop(farewell: nil) }

    /// Begins to connect, in the client's own thread. A second call does nothing.
    public func start() throws(MQTTStartError) {
        let wakeUp = try WakeUp()
        guard mailbox.begin(wakeUp) else { return }
        let thread = ConnectionThread(
            settings: settings, mailbox: mailbox, wakeUp: wakeUp, backoff: backoff, logger: logger,
            events: eventSink, messages: messageSink)
        do {
            try OwnThread.start(name: "mqtt") { thread.run() }
        } catch {
            mailbox.abandon()
            finish()
            throw error
        }
    }

    /// Whether messages are accepted.
    public var isConnected: Bool { mailbox.isConnected }

    /// Publishes a message and returns what became of it: the broker's positive reason code after its
    /// acknowledgement (16: nobody has subscribed), or 0 after sending for QoS 0.
    ///
    /// Messages go out in the order of the calls. Under 3.1.1 every acknowledgement is 0.
    @discardableResult
    public func publish(_ message: MQTTMessage) async throws(PublishError) -> UInt8 {
        try await withCheckedContinuation { continuation in
            publish(message) { continuation.resume(returning: $0) }
        }.get()
    }

    /// Publishes a message.
    ///
    /// - Parameter completion: called exactly once: at once where the message is not accepted, else on the client's
    ///   thread, which must not be held up. It may publish again.
    public func publish(
        _ message: MQTTMessage, completion: @escaping @Sendable (Result<UInt8, PublishError>) -> Void
    ) {
        if let error = mailbox.post(Outgoing(message: message, completion: completion)) { completion(.failure(error)) }
    }

    /// Subscribes now, and again with each new connection. The broker's answer is an event.
    public func subscribe(_ filter: String, qos: Int = 1) {
        mailbox.subscribe(filter, qos: min(max(qos, 0), 2))
    }

    public func unsubscribe(_ filter: String) {
        mailbox.unsubscribe(filter)
    }

    /// Goes on with other settings: says goodbye to the present broker as `stop` does, and connects to the next one at
    /// once, also when the present one could not be reached.
    public func change(to settings: BrokerSettings, farewell: MQTTMessage? = nil) {
        mailbox.requestChange(to: settings, farewell: farewell)
    }

    /// Ends the connection: publishes the farewell, waits up to a second for the acknowledgements and disconnects
    /// cleanly, so that the will is not published. Messages that were not sent yet are not sent any more.
    ///
    /// Returns when the thread has ended; after 1.3 s at the latest, when the thread hangs in the name service
    /// and ends by itself later.
    public func stop(farewell: MQTTMessage? = nil) async {
        mailbox.requestStop(farewell: farewell)
        let mailbox = mailbox
        let limit = Task {
            try await Task.sleep(for: .milliseconds(1300))
            mailbox.abandonStopWaiters()
        }
        await mailbox.awaitEnd()
        limit.cancel()
        finish()
    }

    /// Nobody waits for events or messages any more.
    private func finish() {
        eventSink.finish()
        messageSink.finish()
    }
}
