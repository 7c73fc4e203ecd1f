import Journal
import LogMessages
import Logging
import ServiceLifecycle
import Transport

/// Tells the service manager that the daemon is alive, as long as every loop makes progress. When one hangs, it falls
/// silent, and the manager starts the daemon anew.
struct Watchdog: Service {
    let manager: ServiceManager
    let pulses: Pulses
    let journal: Journal
    let logger: Logger

    /// Often enough for the manager, and where nobody asks, for the log.
    private var interval: Duration { manager.watchdogTime.map { $0 / 4 } ?? .seconds(5) }

    func run() async throws {
        let journalPulse = pulses.add("the journal")
        await cancelWhenGracefulShutdown {
            var told: [String] = []
            repeat {
                look(at: journalPulse)
                let standstills = pulses.standstills
                if standstills.isEmpty { manager.isAlive() }
                let names = standstills.map(\.name)
                if names != told, !names.isEmpty { tell(standstills) }
                told = names
            } while (try? await Task.pause(for: interval)) != nil
        }
        pulses.remove(journalPulse)
    }

    /// The journal has no turns: whether it still does what it is given is asked. One that is being opened, which may
    /// mean repaired, takes its time.
    private func look(at pulse: Pulse) {
        guard journal.stream != nil else { return pulse.rest() }
        journal.echo { pulse.beat() }
    }

    private func tell(_ standstills: [(name: String, time: Duration)]) {
        let text = standstills.map { "\($0.name) for \($0.time.components.seconds) s" }.joined(separator: ", ")
        logger.log(
            level: .critical, .watchdog, "No progress: \(text). The service manager is told nothing until it goes on.")
    }
}
