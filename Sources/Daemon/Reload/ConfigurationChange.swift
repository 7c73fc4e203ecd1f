import Configuration

/// What is different between the configuration that the daemon runs with and another one, beside the meters.
struct ConfigurationChange: Equatable {
    /// Whether the connection to the broker has to be made anew.
    let reconnects: Bool
    let hasOtherDrainRate: Bool
    let hasOtherCommands: Bool
    let hasOtherMetrics: Bool
    /// What Home Assistant is told, or whether it may have meters read.
    let hasOtherDiscovery: Bool
    /// Keys whose new values count from the next start on.
    let needsRestart: [String]

    init(from old: Configuration, to new: Configuration) {
        reconnects = old.broker.connection != new.broker.connection
        hasOtherDrainRate = old.broker.drainRate != new.broker.drainRate
        hasOtherCommands = old.broker.acceptsCommands != new.broker.acceptsCommands
        hasOtherMetrics = old.metrics != new.metrics
        hasOtherDiscovery = hasOtherCommands || old.homeAssistant != new.homeAssistant
        var keys: [String] = []
        if old.node != new.node { keys.append("node") }
        if old.broker.baseTopic != new.broker.baseTopic { keys.append("broker.base_topic") }
        if old.journal.path != new.journal.path { keys.append("journal.path") }
        if old.journal.placed(at: new.journal.path) != new.journal { keys.append("journal") }
        needsRestart = keys
    }
}

extension Configuration {
    /// This configuration with what only a start can change as it is.
    func withoutRestart(of running: Configuration) -> Configuration {
        var configuration = self
        configuration.node = running.node
        configuration.broker.baseTopic = running.broker.baseTopic
        configuration.journal = running.journal
        return configuration
    }
}

extension Broker {
    /// Without what does not concern the connection itself.
    fileprivate var connection: Broker {
        var broker = self
        broker.drainRate = .unlimited
        broker.acceptsCommands = false
        broker.baseTopic = ""
        return broker
    }
}

extension JournalConfiguration {
    fileprivate func placed(at path: String) -> JournalConfiguration {
        var journal = self
        journal.path = path
        return journal
    }
}
