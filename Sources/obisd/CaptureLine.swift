import ArgumentParser
import Daemon

struct CaptureLine: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "capture",
        abstract: "Print what passed on a meter's line lately, byte for byte.",
        discussion: """
            The running daemon remembers the newest 64 KiB of each line. What is printed can be read by `obisd replay` and \
            `obisd decode`. It holds the meter's serial number: `obisd doctor --bundle` packs captures without it.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "The id of the meter in the configuration.")
    var meter: String

    func run() throws {
        let answer = try RunningDaemon.ask(ControlRequest(.capture, meter: meter), options)
        guard let text = answer.object["capture"] as? String else {
            Output.note("nothing has passed on the line of \(meter) since the daemon started")
            throw Exit.unavailable
        }
        Output.data(Array(text.utf8))
    }
}
