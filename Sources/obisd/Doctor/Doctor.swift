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
        let examination = await Examination.make(options.config)
        switch format {
        case .text: examination.report.lines.forEach(Output.line)
        case .json: Output.data(examination.report.json)
        }
        if let code = examination.report.problems.first?.exitCode { throw code }
    }
}
