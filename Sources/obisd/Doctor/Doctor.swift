import ArgumentParser
import Configuration
import Daemon
import Foundation
import Metering

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at everything that can be wrong: configuration, ports, disk, clock, broker, daemon and links.",
        discussion: """
            Nothing is changed, and nothing is sent to a meter. As root, the rights of ports and folders are those of the user \
            obisd. Ends with 0 where no problem was found, else with the exit code of the first one.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: "How the report is printed.")
    var format = Format.text

    func run() async throws {
        let report = await examine()
        switch format {
        case .text: report.lines.forEach(Output.line)
        case .json: Output.data(report.json)
        }
        if let code = report.problems.first?.exitCode { throw code }
    }

    private func examine() async -> DoctorReport {
        let clock = SystemClock()
        let head = "obisd \(DaemonService.version), \(Surroundings.system), \(clock.now)"
        let loader = ConfigurationLoader(protocols: ProtocolRegistry.all, requiresCredentials: false)
        do throws(ConfigurationError) {
            let loaded = try loader.load(path: options.config)
            return DoctorReport(head: head, findings: await findings(loaded, clock))
        } catch {
            let mistakes = error.diagnostics.map { Finding.problem("configuration", "\($0)", Exit.configuration) }
            return DoctorReport(head: head, findings: mistakes)
        }
    }

    private func findings(_ loaded: Configuration, _ clock: any HostClock) async -> [Finding] {
        let installation = Installation(configuration: loaded, account: .ofService)
        let surroundings = Surroundings(configuration: loaded, clock: clock)
        return describe(loaded) + installation.ports() + storage(installation, surroundings) + [surroundings.time()]
            + [await BrokerTrial.connect(to: loaded.broker)] + examineDaemon(loaded, clock)
    }

    private func storage(_ installation: Installation, _ surroundings: Surroundings) -> [Finding] {
        let folder = installation.journalFolder()
        guard folder.level == .good else { return [folder] }
        return [folder, surroundings.journal(), surroundings.disk(folder: installation.journalFolderPath)]
    }

    private func describe(_ loaded: Configuration) -> [Finding] {
        let enabled = loaded.meters.count { $0.isEnabled }
        let summary = "\(options.config): \(enabled) of \(loaded.meters.count) meters are enabled"
        return [enabled > 0 ? .good("configuration", summary) : .warning("configuration", summary)]
            + loaded.warnings.map { .warning("configuration", "\($0.place): \($0.text)") }
    }

    private func examineDaemon(_ loaded: Configuration, _ clock: any HostClock) -> [Finding] {
        do {
            let bytes = try ControlSocket(journal: loaded.journal.path).ask(ControlRequest(.status).bytes)
            guard let answer = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any],
                let status = answer["status"] as? [String: Any]
            else { return [.problem("daemon", "its answer cannot be read; is it another version?")] }
            return DaemonExamination(status: status, configuration: loaded, now: clock.now).findings()
        } catch {
            return [.problem("daemon", error.sentence(journal: loaded.journal.path))]
        }
    }
}
