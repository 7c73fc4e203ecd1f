import ArgumentParser
import Configuration
import Daemon
import Foundation

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what the running daemon knows: meters, lines, journal, broker.",
        discussion: "Asks the daemon on its local socket, beside the journal. Exit code 69 where no daemon runs.")

    enum Format: String, CaseIterable, ExpressibleByArgument { case table, json }

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: "How it is printed.")
    var format = Format.table

    func run() throws {
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

    static func ask(_ request: ControlRequest, _ options: ConfigurationOptions) throws -> Answer {
        let journal = try options.load(isService: false).journal.path
        do {
            guard let answer = try answer(request, ControlSocket(journal: journal)) else {
                Output.note("the daemon's answer cannot be read; is it another version?")
                throw Exit.unavailable
            }
            guard answer.object["ok"] as? Bool == true else {
                Output.note("the daemon refuses: \(answer.object["error"] as? String ?? "no reason given")")
                throw Exit.unavailable
            }
            return answer
        } catch let failure as ControlSocket.Failure {
            Output.note(failure.sentence(journal: journal))
            throw failure == .noAccess ? Exit.permission : Exit.unavailable
        }
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
