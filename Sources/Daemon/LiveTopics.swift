import MQTT
import Synchronization

/// Keeps the retained topics at the broker as they should be, past any backlog.
final class LiveTopics: Sendable {
    private let board = Mutex(LiveBoard())
    private let client: MQTTClient

    init(client: MQTTClient) {
        self.client = client
    }

    func set(_ topic: String, _ text: String) {
        set(topic, Array(text.utf8))
    }

    func set(_ topic: String, _ payload: [UInt8]) {
        board.withLock { $0.set(topic, payload) }
        pump()
    }

    func connected() {
        board.withLock { $0.connected() }
        pump()
    }

    func disconnected() {
        board.withLock { $0.disconnected() }
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
        board.withLock { $0.completed(topic, succeeded: succeeded) }
        pump()
    }
}
