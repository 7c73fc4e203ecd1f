import ArgumentParser
import Configuration
import Daemon
import Foundation
import Journal
import Logging
import Transport

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the daemon in the foreground.")

    @OptionGroup var options: ConfigurationOptions

    @Option(
        name: .long, help: "The least important messages that are logged: trace, debug, info, notice, warning, error.")
    var logLevel: Logger.Level = .info

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Write what passes on each meter's line into a file of this folder, to be replayed or sent to somebody.",
            valueName: "folder"))
    var capture: String?

    @Option(name: .long, help: .hidden)
    var journalSocket = JournaldLog.standardPath

    func validate() throws {
        guard let capture else { return }
        guard (try? FileManager.default.contentsOfDirectory(atPath: capture)) != nil else {
            throw ValidationError("--capture: there is no folder \(capture)")
        }
    }

    func run() async throws {
        let loaded = try options.load(.all)
        ProcessBounds.set()
        let logger = Logger.daemon(level: logLevel, journal: journalSocket)
        do {
            try await DaemonService(
                configuration: loaded, load: options.reload, opener: opener, logger: logger
            ).run()
        } catch let error as JournalError {
            logger.critical("\(error.message)")
            throw Exit.inputOutput
        }
    }
}

extension Run {
    private var opener: any LinkOpening {
        guard let capture else { return LinkOpener() }
        return CapturingOpener(LinkOpener(), to: CaptureFolder(capture)) { SystemClock().now }
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
