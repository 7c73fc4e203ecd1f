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

            --bundle packs the report, the configuration, the status, the newest log and what passed on the lines into a \
            file (.tar.gz), without secrets and serial numbers.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: "How the report is printed.")
    var format = Format.text

    @Option(
        name: .long,
        help: ArgumentHelp("Pack everything into this file, safe to be posted; must not exist yet.", valueName: "file"))
    var bundle: String?

    func run() async throws {
        let examination = await Examination.make(options.config)
        switch format {
        case .text: examination.report.lines.forEach(Output.line)
        case .json: Output.data(examination.report.json)
        }
        if let bundle {
            var packed = Bundle(examination, configurationPath: options.config)
            try packed.write(to: bundle)
            Output.note("\(bundle) is safe to be posted; to look at it first: tar -xzf \(bundle)")
        }
        if let code = examination.report.problems.first?.exitCode { throw code }
    }
}
