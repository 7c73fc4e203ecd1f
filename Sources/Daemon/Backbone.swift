import Configuration
import Journal
import Logging
import MQTT

/// What every meter's readings go to: the journal, and the publisher behind it.
struct Backbone: Sendable {
    let journal: Journal
    let waiting: WaitingRoom
    /// The name of this machine in topics.
    let node: String
    let topics: Topics
    let client: MQTTClient
    let live: LiveTopics
    let publisher: Publisher
    /// Nil where there is no daemon to tell of.
    let discovery: DiscoveryDesk?

    /// - Parameters:
    ///   - path: of the journal; nil for the configured one.
    ///   - isDaemon: whether subscribers are told that the daemon is there.
    /// - Throws: `JournalError` when there is no journal to begin with.
    init(
        _ configuration: Configuration, journalPath path: String? = nil, isDaemon: Bool = true,
        clock: any HostClock, pulses: Pulses, logger: Logger
    ) async throws {
        journal = try await Journal.open(
            path: path ?? configuration.journal.path, settings: JournalSettings(configuration.journal), waits: isDaemon,
            logger: logger)
        waiting = WaitingRoom(journal)
        node = await NodeIdentity.node(configured: configuration.node, journal: journal)
        topics = Topics(base: configuration.broker.baseTopic, node: node)
        client = MQTTClient(
            settings: Self.settings(configuration.broker, node: node, topics: topics), logger: logger)
        live = LiveTopics(client: client, logger: logger)
        publisher = Publisher(
            client: client, journal: journal, live: live, topics: topics, drainRate: configuration.broker.drainRate,
            announcesDaemon: isDaemon, clock: clock, pulse: pulses.add("the publisher"), logger: logger)
        discovery =
            isDaemon
            ? DiscoveryDesk(
                configuration, node: node, topics: topics, journal: journal, live: live, client: client, logger: logger)
            : nil
        await discovery?.begin()
    }

    /// Connects with other settings; the broker before is told that the daemon is gone.
    func reconnect(_ broker: Broker) {
        client.change(to: Self.settings(broker, node: node, topics: topics), farewell: Self.farewell(topics))
    }

    private static func settings(_ broker: Broker, node: String, topics: Topics) -> BrokerSettings {
        var settings = BrokerSettings(
            broker, clientID: NodeIdentity.clientID(configured: broker.clientID, node: node))
        settings.will = farewell(topics)
        settings.properties = MessageProperties(user: ["schema": "\(ReadingPayload.schema)", "node": node])
        return settings
    }

    /// What subscribers are told when the daemon goes, whether or not it can say so itself.
    static func farewell(_ topics: Topics) -> MQTTMessage {
        MQTTMessage(topic: topics.status, payload: Array("offline".utf8), qos: 1, retain: true)
    }
}
