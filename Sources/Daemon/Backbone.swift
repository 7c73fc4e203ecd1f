import Configuration
import Journal
import Logging
import MQTT

/// What every meter's readings go to: the journal, and the publisher behind it.
struct Backbone: Sendable {
    let journal: Journal
    /// The name of this machine in topics.
    let node: String
    let topics: Topics
    let client: MQTTClient
    let live: LiveTopics
    let publisher: Publisher

    /// - Parameters:
    ///   - path: of the journal; nil for the configured one.
    ///   - isDaemon: whether subscribers are told that the daemon is there.
    /// - Throws: `JournalError` when there is no journal to begin with.
    init(
        _ configuration: Configuration, journalPath path: String? = nil, isDaemon: Bool = true,
        clock: any HostClock, logger: Logger
    ) async throws {
        journal = try await Journal.open(
            path: path ?? configuration.journal.path, settings: JournalSettings(configuration.journal), waits: isDaemon,
            logger: logger)
        node = await NodeIdentity.node(configured: configuration.node, journal: journal)
        topics = Topics(base: configuration.broker.baseTopic, node: node)
        var settings = BrokerSettings(
            configuration.broker,
            clientID: NodeIdentity.clientID(configured: configuration.broker.clientID, node: node))
        settings.will = MQTTMessage(topic: topics.status, payload: Array("offline".utf8), qos: 1, retain: true)
        client = MQTTClient(settings: settings, logger: logger)
        live = LiveTopics(client: client, logger: logger)
        publisher = Publisher(
            client: client, journal: journal, live: live, topics: topics, drainRate: configuration.broker.drainRate,
            announcesDaemon: isDaemon, clock: clock, logger: logger)
    }
}
