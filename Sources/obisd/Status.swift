import ArgumentParser
import Configuration
import Daemon
import Foundation

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what the running daemon knows: meters, lines, journal, broker.",
        discussion: """
            Asks the daemon on its local socket, beside the journal. Exit code 69 where no daemon runs; with --watch, it \
            is said and asked again.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument { case table, json }

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: "How it is printed.")
    var format = Format.table

    @Flag(
        name: .long,
        help:
            "Stay and show it again and again: a line for each meter, over the whole terminal; elsewhere as plain lines."
    )
    var watch = false

    @Option(name: .long, help: ArgumentHelp("How often, with --watch, from 200ms to 1h.", valueName: "duration"))
    var every = "2s"

    func validate() throws {
        guard let interval, (.milliseconds(200)...(.seconds(3600))).contains(interval) else {
            throw ValidationError("--every: `\(every)` is no duration from 200ms to 1h; write for example 2s")
        }
    }

    private var interval: Duration? { Notation.duration(every) }

    func run() async throws {
        guard !watch else { return try await watching() }
        let answer = try RunningDaemon.ask(ControlRequest(.status), options)
        guard let status = answer.object["status"] as? [String: Any] else {
            Output.note("the daemon gave no status; is it another version?")
            throw Exit.unavailable
        }
        switch format {
        // As the daemon wrote it, without what is around it.
        case .json: Output.data(answer.member("status") + [UInt8(ascii: "\n")])
        case .table: StatusReport(status).lines.forEach(Output.line)
        }
    }

    private func watching() async throws {
        let journal = try options.load().journal.path
        let environment = ProcessInfo.processInfo.environment
        let form: StatusWatch.Form =
            switch format {
            case .json: .json
            case .table: Terminal(environment).map { .screen($0) } ?? .lines
            }
        await StatusWatch(form: form, every: interval ?? .seconds(2)) {
            do throws(RunningDaemon.Silence) {
                return .success(
                    try RunningDaemon.answer(to: ControlRequest(.status), journal: journal).member("status"))
            } catch {
                return .failure(error)
            }
        }.run()
    }
}

/// Talks to the daemon of a configuration.
enum RunningDaemon {
    struct Answer {
        let bytes: [UInt8]
        let object: [String: Any]

        /// The text of a member that stands last.
        func member(_ name: String) -> [UInt8] {
            let key = Array("\"\(name)\":".utf8)
            guard let start = bytes.firstRange(of: key)?.upperBound, let end = bytes.lastIndex(of: UInt8(ascii: "}"))
            else { return [] }
            return Array(bytes[start..<end])
        }
    }

    /// Why there is no answer, and how a command ends that needs one.
    struct Silence: Error {
        var sentence: String
        var exit = Exit.unavailable
    }

    static func ask(_ request: ControlRequest, _ options: ConfigurationOptions) throws -> Answer {
        let journal = try options.load().journal.path
        do throws(Silence) {
            return try answer(to: request, journal: journal)
        } catch {
            Output.note(error.sentence)
            throw error.exit
        }
    }

    /// Blocks for ten seconds at most.
    static func answer(to request: ControlRequest, journal: String) throws(Silence) -> Answer {
        let bytes: [UInt8]
        do throws(ControlSocket.Failure) {
            bytes = try ControlSocket(journal: journal).ask(request.bytes)
        } catch {
            throw Silence(
                sentence: error.sentence(journal: journal),
                exit: error == .noAccess ? Exit.permission : Exit.unavailable)
        }
        guard let object = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else {
            throw Silence(sentence: "the daemon's answer cannot be read; is it another version?")
        }
        guard object["ok"] as? Bool == true else {
            throw Silence(sentence: "the daemon refuses: \(object["error"] as? String ?? "no reason given")")
        }
        return Answer(bytes: bytes, object: object)
    }
}

extension RunningDaemon {
    /// - Returns: nil where it cannot be understood.
    static func answer(
        _ request: ControlRequest, _ socket: ControlSocket
    ) throws(ControlSocket.Failure) -> Answer? {
        let bytes = try socket.ask(request.bytes)
        guard let object = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else { return nil }
        return Answer(bytes: bytes, object: object)
    }
}

extension ControlSocket.Failure {
    func sentence(journal: String) -> String {
        switch self {
        case .noDaemon:
            "no daemon runs with the journal \(journal); start it, or name its configuration with --config"
        case .noAccess: "the daemon belongs to another user; run this as that user or as root"
        case .other(let reason): "the daemon cannot be asked: \(reason)"
        }
    }
}

/// The status as a page for a person.
private struct StatusReport {
    private let status: [String: Any]

    init(_ status: [String: Any]) {
        self.status = status
    }

    var lines: [String] {
        [head, broker, journal] + reasons + [""] + table
    }

    private var head: String {
        "obisd \(text(status["version"])), node \(text(status["node"])), running since \(text(status["started_at"]))"
    }

    private var broker: String {
        let broker = object("broker")
        let isConnected = broker["connected"] as? Bool == true
        let counts =
            "\(text(broker["acknowledged"])) acknowledged, \(text(broker["refused"])) refused, "
            + "\(text(broker["set_aside"])) set aside"
        let error = broker["error"] as? String
        return "broker   \(isConnected ? "connected" : "not connected"); \(counts)" + (error.map { "; \($0)" } ?? "")
    }

    private var journal: String {
        let journal = object("journal")
        let oldest = (journal["oldest_waiting"] as? String).map { ", the oldest of \($0)" } ?? ""
        return
            "journal  \(text(journal["readings"])) readings, \(text(journal["backlog"])) wait for the broker\(oldest); "
            + "\(text(journal["bytes"])) bytes; stream \(text(status["stream"]))"
    }

    private var reasons: [String] {
        (status["reasons"] as? [String] ?? []).map { "degraded \($0)" }
    }

    private var table: [String] {
        let meters = status["meters"] as? [[String: Any]] ?? []
        let rows = [["METER", "PROTOCOL", "LINE", "STATE", "LAST READING", "READINGS", "REJECTED"]] + meters.map(row)
        return rows.map { TextTable.line($0, in: rows) }
    }

    private func row(_ meter: [String: Any]) -> [String] {
        let rejected = (meter["rejected"] as? [String: Int] ?? [:]).values.reduce(0, +)
        let isOnline = meter["online"] as? Bool == true
        let state = isOnline ? "online" : (meter["link_error"] as? String).map { "offline: \($0)" } ?? "offline"
        return [
            text(meter["id"]), text(meter["protocol"]), text(meter["endpoint"]), state, text(meter["last_reading"]),
            text(meter["readings"]), "\(rejected)",
        ]
    }

    private func object(_ name: String) -> [String: Any] { status[name] as? [String: Any] ?? [:] }

    private func text(_ value: Any?) -> String {
        switch value {
        case let text as String: text
        case let number as Int: "\(number)"
        default: "-"
        }
    }
}
