import LogMessages
import Logging
import MQTT
import Synchronization

/// Keeps the retained topics at the broker as they should be, past any backlog.
final class LiveTopics: Sendable {
    private let board = Mutex(LiveBoard())
    /// Topics that the broker does not take, so that each is said once.
    private let refused = Mutex<Set<String>>([])
    /// Topics of discovery: of those that the broker does not take one is named.
    private let discovery = Mutex<Set<String>>([])
    private let client: MQTTClient
    private let log: PacedLog

    init(client: MQTTClient, logger: Logger) {
        self.client = client
        log = PacedLog(logger)
    }

    func set(_ topic: String, _ text: String, urgency: LiveBoard.Urgency = .usual) {
        set(topic, Array(text.utf8), urgency: urgency)
    }

    func set(_ topic: String, _ payload: [UInt8], urgency: LiveBoard.Urgency = .usual) {
        board.withLock { $0.set(topic, payload, urgency: urgency) }
        pump()
    }

    /// Clears what is retained there.
    func end(_ topics: [String]) {
        board.withLock { board in for topic in topics { board.end(topic) } }
        pump()
    }

    // MARK: Discovery

    /// Publishes discovery messages.
    ///
    /// - Parameters:
    ///   - old: topics that are to be cleared.
    ///   - migration: what those hold until the broker has the messages.
    func announce(_ messages: [(topic: String, payload: [UInt8])], inPlaceOf old: [String], migration: [UInt8]?) {
        discovery.withLock { $0.formUnion(messages.map(\.topic) + old) }
        // In one go, so that nothing is cleared before the messages are on their way.
        board.withLock { board in
            if let migration { for topic in old { board.set(topic, migration, following: []) } }
            for message in messages where !board.holds(message.topic, message.payload) {
                board.set(message.topic, message.payload)
            }
            if migration == nil { for topic in old { board.end(topic) } }
        }
        pump()
    }

    /// Takes discovery messages back.
    func clear(_ topics: [String]) {
        discovery.withLock { $0.formUnion(topics) }
        end(topics)
    }

    /// Those that the broker is not known to have cleared.
    func waiting(of topics: [String]) -> [String] {
        board.withLock { board in topics.filter(board.isWaiting) }
    }

    /// Sends everything again: a subscriber has lost what it knew.
    func sendAgain() {
        board.withLock { $0.sendAgain() }
        pump()
    }

    // MARK: The connection

    /// What each topic is to hold; empty where it is to be cleared.
    var payloads: [String: [UInt8]] { board.withLock { $0.payloads } }

    func connected() {
        board.withLock { $0.connected() }
        pump()
    }

    func disconnected() {
        board.withLock { $0.disconnected() }
    }

    /// Sends again what the broker did not take.
    func retry() {
        board.withLock { $0.retry() }
        pump()
    }

    private func pump() {
        while let message = board.withLock({ $0.next() }) {
            client.publish(message) { [weak self] result in
                self?.completed(message.topic, result)
            }
        }
    }

    private func completed(_ topic: String, _ result: Result<UInt8, PublishError>) {
        let succeeded = (try? result.get()) != nil
        say(topic, result)
        board.withLock { $0.completed(topic, succeeded: succeeded) }
        // Without a connection every answer comes at once, and would be asked for again from within.
        switch result {
        case .failure(.notConnected), .failure(.connectionLost): break
        case .success, .failure: pump()
        }
    }

    private func say(_ topic: String, _ result: Result<UInt8, PublishError>) {
        switch result {
        case .success, .failure(.notConnected), .failure(.connectionLost):
            _ = refused.withLock { $0.remove(topic) }
        case .failure(let error):
            let discovery = discovery.withLock { $0 }
            let isAlone = refused.withLock { !discovery.contains(topic) || $0.isDisjoint(with: discovery) }
            guard refused.withLock({ $0.insert(topic).inserted }), isAlone else { return }
            if discovery.contains(topic) { return sayUndiscovered(topic, error) }
            // What does not lie in the topic is said once for all.
            log.say(
                error.isOfTopic ? topic : "\(error)", .error, .brokerRefused, "\(error) It is tried again.",
                metadata: ["topic": "\(topic)"])
        }
    }

    /// Once for all of them: there are many, and the reason is one.
    private func sayUndiscovered(_ topic: String, _ error: PublishError) {
        log.say(
            "discovery", .error, .brokerRefused,
            """
            \(error) Home Assistant does not learn of the meters; everything else goes on. It is tried again; without Home \
            Assistant, set `home_assistant: {discovery: off}`.
            """, metadata: ["topic": "\(topic)"])
    }
}
