import Configuration
import Daemon
import Logging
import MQTT

/// One connection to the broker, under a name of its own: the daemon's goes on.
enum BrokerTrial {
    private static let patience = Duration.seconds(20)

    static func connect(to broker: Broker) async -> Finding {
        let logger = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        let settings = BrokerSettings(broker, clientID: "obisd-check-\(UInt32.random(in: 0 ... .max))")
        let client = MQTTClient(settings: settings, logger: logger)
        do {
            try client.start()
        } catch {
            return .problem("broker", "\(error)", Exit.configuration)
        }
        let problem = await firstAnswer(of: client, broker)
        await client.stop()
        if let problem { return .problem("broker", problem) }
        return .good("broker", "the broker \(broker.host):\(broker.port) accepts the connection")
    }

    /// - Returns: nil where it is a good one.
    private static func firstAnswer(of client: MQTTClient, _ broker: Broker) async -> String? {
        await withTaskGroup(of: String?.self) { group in
            group.addTask {
                for await event in client.events {
                    if case .disconnected(let reason) = event { return reason.sentence }
                    return nil
                }
                return nil
            }
            group.addTask {
                guard (try? await Task.sleep(for: patience)) != nil else { return nil }
                return "the broker \(broker.host):\(broker.port) does not answer within 20 s"
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }
}
