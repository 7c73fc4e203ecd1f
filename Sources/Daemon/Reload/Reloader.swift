import Configuration
import LogMessages
import Logging
import MQTT
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// Reads the configuration again on SIGHUP and brings the running daemon to it. One that is wrong changes nothing.
struct Reloader: Service {
    let initial: Configuration
    let load: @Sendable () throws -> Configuration
    let backbone: Backbone
    let fleet: Fleet
    let commands: CommandGate
    let metrics: MetricsService
    let manager: ServiceManager
    let logger: Logger

    func run() async throws {
        var current = initial
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            manager.reloading()
            current = await reload(from: current)
            manager.ready()
        }
    }

    /// - Returns: what the daemon runs with from now on.
    func reload(from current: Configuration) async -> Configuration {
        let load = load
        do {
            let loaded = try await NIOThreadPool.singleton.runIfActive { try load() }
            for warning in loaded.warnings { logger.warning("\(warning)") }
            return await apply(loaded, over: current)
        } catch let error as ConfigurationError {
            for diagnostic in error.diagnostics { logger.error("\(diagnostic)") }
            logger.error(
                .configurationRefused,
                "The configuration was not reloaded, since it has mistakes. The daemon goes on as before.",
                metadata: ["mistakes": "\(error.diagnostics.count)"])
        } catch {
            logger.error(
                .configurationRefused, "The configuration was not reloaded: \(error). The daemon goes on as before.")
        }
        return current
    }

    private func apply(_ loaded: Configuration, over current: Configuration) async -> Configuration {
        let change = ConfigurationChange(from: current, to: loaded)
        for key in change.needsRestart {
            logger.warning("`\(key)` has changed, which counts from the next start on. Restart the daemon to apply it.")
        }
        let next = loaded.withoutRestart(of: current)
        if change.reconnects { backbone.reconnect(next.broker) }
        if change.hasOtherDrainRate { backbone.publisher.change(drainRate: next.broker.drainRate) }
        if change.hasOtherCommands { commands.set(next.broker.acceptsCommands) }
        if change.hasOtherMetrics { metrics.change(to: next.metrics) }
        if change.hasOtherDiscovery {
            backbone.discovery?.change(to: next.homeAssistant, acceptsCommands: next.broker.acceptsCommands)
        }
        let outcome = await fleet.change(to: next.meters)
        logger.notice(.configurationReloaded, "\(summary(outcome, change))")
        return next
    }

    private func summary(_ outcome: Fleet.Outcome, _ change: ConfigurationChange) -> String {
        let parts = [("new", outcome.added), ("changed", outcome.changed), ("removed", outcome.removed)]
            .filter { !$0.1.isEmpty }.map { "\($0.0): \($0.1.joined(separator: ", "))" }
        let meters = parts.isEmpty ? "no meter has changed" : parts.joined(separator: "; ")
        return "The configuration was reloaded: \(meters)\(change.reconnects ? "; the broker is connected anew" : "")."
    }
}
