import ArgumentParser
import Configuration
import Daemon
import Foundation
import Journal
import OBIS

struct Anomalies: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what was found wrong, and say what is known or over.",
        subcommands: [List.self, Show.self, Ignore.self, Resolve.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List anomalies, the newest first, also while the daemon runs.",
            discussion: "Times are UTC (2026-01-15, 2026-01-15T11:00:00Z) or how long ago (90m, 2d).")

        enum Format: String, CaseIterable, ExpressibleByArgument { case table, json, csv }

        @OptionGroup var options: ConfigurationOptions

        @Option(name: .long, help: "The journal; by default that of the configuration.")
        var journal: String?

        @Option(name: .long, help: "Only anomalies of this meter; may be given several times.")
        var meter: [String] = []

        @Flag(name: .long, help: "Also those that are over.")
        var all = false

        @Option(name: .long, help: ArgumentHelp("Only what has changed since then.", valueName: "time"))
        var since: MomentArgument?

        @Option(name: .long, help: ArgumentHelp("Only what has begun before then.", valueName: "time"))
        var until: MomentArgument?

        @Option(name: .long, help: "How they are printed.")
        var format = Format.table

        func run() throws {
            let known = try AnomalyList(options, journal).anomalies.filter(isWanted)
            switch format {
            case .json: for anomaly in known { Output.data(anomaly.payload + [UInt8(ascii: "\n")]) }
            case .table, .csv: print(known)
            }
        }

        private func isWanted(_ anomaly: KnownAnomaly) -> Bool {
            (meter.isEmpty || meter.contains(anomaly.meter)) && (all || anomaly["status"] != "resolved")
                && since.map { anomaly.at >= $0.time } ?? true
                && until.map { end in Timestamp(anomaly["started_at"]).map { $0 < end.time } ?? false } ?? true
        }

        private func print(_ anomalies: [KnownAnomaly]) {
            let rows =
                [KnownAnomaly.columns.map(\.title)]
                + anomalies.map { anomaly in
                    KnownAnomaly.columns.map { anomaly[$0.key] }
                }
            for row in rows { Output.line(format == .csv ? CSV.line(row) : TextTable.line(row, in: rows)) }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show everything that was said of one anomaly.")

        @OptionGroup var options: ConfigurationOptions

        @Option(name: .long, help: "The journal; by default that of the configuration.")
        var journal: String?

        @Argument(help: "Its id.")
        var id: String

        func run() throws {
            let changes = try AnomalyList(options, journal).changes.filter { $0["id"] == id }
            guard !changes.isEmpty else { throw ValidationError("there is no anomaly '\(id)' in this journal") }
            for change in changes { Output.data(change.payload + [UInt8(ascii: "\n")]) }
        }
    }

    struct Ignore: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say nothing more of an anomaly until it is over.",
            discussion: "With --for also nothing of others of its sort, for so long.")

        @OptionGroup var options: ConfigurationOptions

        @Argument(help: "Its id.")
        var id: String

        @Option(name: .long, help: "Why; it is published.")
        var reason: String?

        @Option(name: .customLong("for"), help: ArgumentHelp("How long: 12h, 30d.", valueName: "duration"))
        var duration: String?

        func run() throws {
            var until: Int64?
            if let duration {
                guard let length = Notation.duration(duration) else {
                    throw ValidationError("'\(duration)' is no duration; write for example 12h or 30d")
                }
                until = Int64((Date().timeIntervalSince1970 + Double(length.components.seconds)) * 1000)
            }
            _ = try RunningDaemon.ask(ControlRequest(.ignore, id: id, reason: reason, until: until), options)
        }
    }

    struct Resolve: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say that an anomaly is over.", discussion: "It opens anew if its cause is still there.")

        @OptionGroup var options: ConfigurationOptions

        @Argument(help: "Its id.")
        var id: String

        func run() throws {
            _ = try RunningDaemon.ask(ControlRequest(.resolve, id: id), options)
        }
    }
}

struct Replaced: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell the daemon that a meter was exchanged: a new epoch begins, and its totals go on.")

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "The id of the meter in the configuration.")
    var meter: String

    func run() throws {
        _ = try RunningDaemon.ask(ControlRequest(.replaced, meter: meter), options)
    }
}

/// One change of an anomaly as it was published.
private struct KnownAnomaly {
    static let columns: [(title: String, key: String)] = [
        ("id", "id"), ("meter", "meter"), ("type", "type"), ("phase", "phase"), ("severity", "severity"),
        ("status", "status"), ("started", "started_at"), ("resolved", "resolved_at"), ("value", "measured_value"),
        ("threshold", "threshold"), ("unit", "unit"), ("title", "title"),
    ]

    let meter: String
    let at: Timestamp
    let payload: [UInt8]
    private let members: [String: String]

    init(_ event: JournalEvent) {
        meter = event.meter
        at = event.at
        payload = event.payload
        let object = (try? JSONDecoder().decode([String: Member].self, from: Data(event.payload))) ?? [:]
        members = object.compactMapValues(\.text)
    }

    subscript(key: String) -> String { members[key] ?? "" }

    /// A text, or a number with its digits.
    private struct Member: Decodable {
        let text: String?

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            text =
                if let text = try? container.decode(String.self) {
                    text
                } else if let number = try? container.decode(
                    Decimal.self)
                {
                    "\(number)"
                } else { nil }
        }
    }
}

/// The anomalies of a journal.
private struct AnomalyList {
    /// In their order.
    let changes: [KnownAnomaly]

    init(_ options: ConfigurationOptions, _ path: String?) throws {
        do {
            let reader = try JournalReader(path: try path ?? options.load().journal.path)
            var found: [KnownAnomaly] = []
            var number: Int64 = 0
            while case let page = try reader.events("anomaly", after: number, limit: 1000), let last = page.last {
                found += page.map(KnownAnomaly.init)
                number = last.number
            }
            changes = found
        } catch let error as JournalError {
            Output.note(error.message)
            throw error.code == .access ? Exit.noInput : Exit.inputOutput
        }
    }

    /// The newest of each, those first that have changed last.
    var anomalies: [KnownAnomaly] {
        var seen: Set<String> = []
        return changes.reversed().filter { seen.insert($0["id"]).inserted }
    }
}

/// RFC 4180.
enum CSV {
    static func line(_ fields: [String]) -> String {
        fields.map { field in
            field.contains { $0 == "," || $0 == "\"" || $0.isNewline }
                ? "\"" + field.replacing("\"", with: "\"\"") + "\"" : field
        }.joined(separator: ",")
    }
}

/// Columns as wide as what stands in them.
enum TextTable {
    /// - Parameter rows: all of the table; the last column ends the line.
    static func line(_ row: [String], in rows: [[String]]) -> String {
        row.indices.map { column in
            guard column < row.count - 1 else { return row[column] }
            let width = rows.map { $0[column].count }.max() ?? 0
            return row[column] + String(repeating: " ", count: max(0, width - row[column].count))
        }.joined(separator: "  ")
    }
}
