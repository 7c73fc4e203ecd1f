import ArgumentParser
import Configuration
import Daemon
import Foundation
import Journal
import Logging
import OBIS
import Transport
import Wire

struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Feed a raw capture through the whole pipeline.",
        discussion: """
            Captures are printed by `obisd capture METER`, and written by `obisd run --capture FOLDER`. A file of bytes or of \
            hexadecimal digits is taken as one piece that arrives now.

            With --dry-run the readings are printed as they would be published, and nothing else happens. Otherwise they \
            go into the journal and to the broker, as `source` `replay`; the daemon must not run meanwhile. The retained \
            state of the meter does not follow: it is the present.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(
        name: .long, help: "The id of the meter whose line was captured; by default the only one, or the file's name.")
    var meter: String?

    @Option(name: .long, help: "How fast the capture passes: full, or real with its pauses.")
    var speed = Daemon.Replay.Speed.full

    @Flag(name: .long, help: "Print the readings; use neither the journal nor the broker.")
    var dryRun = false

    @Argument(help: "The capture.")
    var file: String

    func run() async throws {
        let loaded = try options.load(dryRun ? .none : .all)
        let meter = try meter(of: loaded)
        let capture = try capture()
        let logger = Logger(label: "obisd") { _ in StandardErrorLog(level: .notice) }
        let replay = Daemon.Replay(
            configuration: loaded, meter: meter, capture: capture, speed: speed, logger: logger)
        do {
            let outcome: Daemon.Replay.Outcome
            if dryRun {
                let rehearsal = try await replay.rehearse()
                for payload in rehearsal.payloads { Output.data(payload + [UInt8(ascii: "\n")]) }
                outcome = rehearsal.outcome
            } else {
                outcome = try await replay.run()
            }
            tell(outcome)
            if outcome.readings == 0 { throw Exit.badData }
        } catch let error as JournalError {
            Output.note(error.message)
            throw Exit.inputOutput
        }
    }

    private func tell(_ outcome: Daemon.Replay.Outcome) {
        var parts = ["\(outcome.readings) \(outcome.readings == 1 ? "telegram" : "telegrams")"]
        parts += outcome.rejected.sorted { $0.key < $1.key }.map { "\($0.value) dropped (\($0.key))" }
        if outcome.noise > 0 { parts.append("\(outcome.noise) bytes of noise") }
        Output.note("\(file): " + parts.joined(separator: ", "))
    }

    private func meter(of configuration: Configuration) throws -> Meter {
        let id = meter ?? URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
        if let found = configuration.meters.first(where: { $0.id == id }) { return found }
        if meter == nil, configuration.meters.count == 1 { return configuration.meters[0] }
        let ids = configuration.meters.map(\.id).joined(separator: ", ")
        throw ValidationError("say with --meter whose line this is: \(ids)")
    }

    private func capture() throws -> Capture {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: file)) else {
            Output.note("\(file): there is no such file, or this user may not read it")
            throw Exit.noInput
        }
        let content = [UInt8](data)
        guard Capture.isCapture(content) else {
            let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
            return Capture(pieces: [Capture.Piece(time: now, bytes: Hex.bytes(content) ?? content, endsBurst: true)])
        }
        do {
            return try Capture(content: content)
        } catch {
            Output.note("\(file):\(error.line): is no line of a capture: <time> < or > <hexadecimal digits>")
            throw Exit.badData
        }
    }
}

extension Daemon.Replay.Speed: ExpressibleByArgument {}
