import Configuration
import Daemon
import Foundation
import Metering

/// Everything that was looked at, and what was seen.
struct Examination {
    let report: DoctorReport
    /// Nil where it has mistakes.
    var configuration: Configuration?
    /// What the daemon says of itself, as it wrote it; nil where none answers.
    var status: String?
    /// The meters of the status.
    var meters: [(id: String, device: String?)] = []

    /// - Parameter path: of the configuration.
    static func make(_ path: String) async -> Examination {
        let clock = SystemClock()
        let head = "obisd \(DaemonService.version), \(Surroundings.system), \(clock.now)"
        let loader = ConfigurationLoader(protocols: ProtocolRegistry.all, secrets: .allButCredentials)
        do throws(ConfigurationError) {
            return await Round(path: path, loaded: try loader.load(path: path), clock: clock).examination(head)
        } catch {
            let mistakes = error.diagnostics.map { Finding.problem("configuration", "\($0)", Exit.configuration) }
            return Examination(report: DoctorReport(head: head, findings: mistakes))
        }
    }
}

/// One round through an installation with a good configuration.
private struct Round {
    let path: String
    let loaded: Configuration
    let clock: any HostClock

    func examination(_ head: String) async -> Examination {
        let installation = Installation(configuration: loaded, account: .ofService)
        let surroundings = Surroundings(configuration: loaded, clock: clock)
        let (daemon, answer) = askDaemon()
        let findings =
            describe() + installation.ports() + storage(installation, surroundings) + [surroundings.time()]
            + [await BrokerTrial.connect(to: loaded.broker)] + daemon
        let status = answer?.object["status"] as? [String: Any]
        let meters = status?["meters"] as? [[String: Any]] ?? []
        return Examination(
            report: DoctorReport(head: head, findings: findings), configuration: loaded,
            status: answer.map { String(decoding: $0.member("status"), as: UTF8.self) },
            meters: meters.map { ($0["id"] as? String ?? "", $0["device"] as? String) })
    }

    private func describe() -> [Finding] {
        let enabled = loaded.meters.count { $0.isEnabled }
        let summary = "\(path): \(enabled) of \(loaded.meters.count) meters are enabled"
        return [enabled > 0 ? .good("configuration", summary) : .warning("configuration", summary)]
            + loaded.warnings.map { .warning("configuration", "\($0.place): \($0.text)") }
    }

    private func storage(_ installation: Installation, _ surroundings: Surroundings) -> [Finding] {
        let folders = installation.folders()
        guard installation.journalFolder().level == .good else { return folders }
        let folder = Installation.folder(of: loaded.journal.path)
        return folders + [surroundings.journal(), surroundings.disk(folder: folder)]
    }

    private func askDaemon() -> ([Finding], RunningDaemon.Answer?) {
        do throws(RunningDaemon.Silence) {
            let answer = try RunningDaemon.answer(to: ControlRequest(.status), journal: loaded.journal.path)
            let status = answer.object["status"] as? [String: Any] ?? [:]
            let findings = DaemonExamination(status: status, configuration: loaded, now: clock.now).findings()
            return (findings, answer)
        } catch {
            return ([.problem("daemon", error.sentence)], nil)
        }
    }
}
