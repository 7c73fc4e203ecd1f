import ArgumentParser
import Daemon
import Journal
import Logging

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the daemon in the foreground.")

    @OptionGroup var options: ConfigurationOptions

    @Option(
        name: .long, help: "The least important messages that are logged: trace, debug, info, notice, warning, error.")
    var logLevel: Logger.Level = .info

    func run() async throws {
        let loaded = try options.load(isService: true)
        let logger = Logger(label: "obisd") { _ in StandardErrorLog(level: logLevel) }
        do {
            try await DaemonService(configuration: loaded, logger: logger).run()
        } catch let error as JournalError {
            logger.critical("\(error.message)")
            throw Exit.inputOutput
        }
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
