import LogMessages
import Logging
import MQTT
import Synchronization

/// Keeps the retained topics at the broker as they should be, past any backlog.
final class LiveTopics: Sendable {
    private let board = Mutex(LiveBoard())
    /// Topics that the broker does not take, so that each is said once.
    private let refused = Mutex<Set<String>>([])
    private let client: MQTTClient
    private let log: PacedLog

    init(client: MQTTClient, logger: Logger) {
        self.client = client
        log = PacedLog(logger)
    }

    func set(_ topic: String, _ text: String) {
        set(topic, Array(text.utf8))
    }

    func set(_ topic: String, _ payload: [UInt8]) {
        board.withLock { $0.set(topic, payload) }
        pump()
    }

    /// Clears what is retained there.
    func end(_ topics: [String]) {
        board.withLock { board in for topic in topics { board.end(topic) } }
        pump()
    }

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
            guard refused.withLock({ $0.insert(topic).inserted }) else { return }
            log.say(
                topic, .error, .brokerRefused, "\(error) It is tried again.", metadata: ["topic": "\(topic)"])
        }
    }
}
