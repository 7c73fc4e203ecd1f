import ArgumentParser
import Configuration
import Foundation
import Journal
import OBIS

struct Readings: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Query and export the journal, also while the daemon runs.",
        discussion: """
            Times are UTC (2026-01-15, 2026-01-15T11:00:00Z) or how long ago (90m, 2d). --format json prints every reading as \
            it was published; --format influx is the line protocol of InfluxDB and VictoriaMetrics.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument { case table, json, csv, influx }

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: "The journal; by default that of the configuration.")
    var journal: String?

    @Option(name: .long, help: "Only readings of this meter; may be given several times.")
    var meter: [String] = []

    @Option(name: .long, help: ArgumentHelp("Only what was captured since then.", valueName: "time"))
    var since: MomentArgument?

    @Option(name: .long, help: ArgumentHelp("Only what was captured before then.", valueName: "time"))
    var until: MomentArgument?

    @Option(name: .long, help: "How readings are printed.")
    var format = Format.table

    @Flag(name: .long, help: "With --format influx: also the number of every register, by its name.")
    var registers = false

    func validate() throws {
        guard !registers || format == .influx else { throw ValidationError("--registers goes with --format influx") }
    }

    func run() throws {
        do {
            let reader = try JournalReader(path: try journal ?? options.load().journal.path)
            try refuseUnknownMeters(reader)
            if format == .table || format == .csv { Output.line(ReadingRow.header(format)) }
            var position: Int64 = 0
            while case let page = try reader.entries(after: position, limit: 500), let last = page.last {
                for case .reading(let reading) in page where isWanted(reading) { print(reading) }
                position = last.position
            }
        } catch let error as JournalError {
            Output.note(error.message)
            throw error.code == .access ? Exit.noInput : Exit.inputOutput
        }
    }

    private func refuseUnknownMeters(_ reader: JournalReader) throws {
        let known = try reader.meters()
        guard let unknown = meter.first(where: { !known.contains($0) }) else { return }
        throw ValidationError("no meter '\(unknown)' in this journal; there are \(known.joined(separator: ", "))")
    }

    private func isWanted(_ reading: JournaledReading) -> Bool {
        (meter.isEmpty || meter.contains(reading.meter)) && since.map { reading.capturedAt >= $0.time } ?? true
            && until.map { reading.capturedAt < $0.time } ?? true
    }

    private func print(_ reading: JournaledReading) {
        switch format {
        case .json: Output.data(reading.payload + [UInt8(ascii: "\n")])
        case .influx:
            if let line = InfluxPoint.line(reading.payload, registers: registers) {
                Output.data(line + [UInt8(ascii: "\n")])
            } else {
                Output.note("\(reading.meter) \(reading.seq) cannot be written in the line protocol")
            }
        case .table, .csv: Output.line(ReadingRow(reading).text(format))
        }
    }
}

struct Backup: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy the journal into a file, consistently and while the daemon runs.")

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: "The journal; by default that of the configuration.")
    var journal: String?

    @Argument(help: "The copy; must not exist yet.")
    var file: String

    func run() throws {
        let path = try journal ?? options.load().journal.path
        let reader = try Self.failing(with: Exit.noInput) { () throws(JournalError) in try JournalReader(path: path) }
        try Self.failing(with: Exit.permission) { () throws(JournalError) in try reader.backup(to: file) }
    }

    /// - Parameter code: of the exit where a file may not be opened or made.
    private static func failing<Value>(
        with code: ExitCode, _ body: () throws(JournalError) -> Value
    ) throws -> Value {
        do {
            return try body()
        } catch {
            Output.note(error.message)
            throw error.code == .access ? code : Exit.inputOutput
        }
    }
}

/// A moment on the command line.
struct MomentArgument: ExpressibleByArgument {
    let time: Timestamp

    init?(argument: String) {
        let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        if let time = Timestamp(argument) ?? Timestamp("\(argument)T00:00:00Z") {
            self.time = time
        } else if let ago = Notation.duration(argument) {
            let (seconds, attoseconds) = ago.components
            let milliseconds = seconds.multipliedReportingOverflow(by: 1000)
            guard !milliseconds.overflow, milliseconds.partialValue < now.milliseconds else { return nil }
            time = Timestamp(
                milliseconds: now.milliseconds - milliseconds.partialValue - attoseconds / 1_000_000_000_000_000)
        } else {
            return nil
        }
    }
}

/// The columns that every reading has, with every digit.
private struct ReadingRow {
    private static let columns: [(title: String, group: String?, key: String, width: Int)] = [
        ("time", nil, "time", 24), ("meter", nil, "meter", -12), ("seq", nil, "seq", 8),
        ("import kWh", "energies", "active_import", 14), ("export kWh", "energies", "active_export", 14),
        ("power W", "powers", "active", 10), ("volume m3", "volumes", "volume", 12), ("heat kWh", "heat", "energy", 12),
        ("quality", nil, "quality", -8), ("source", nil, "source", -12),
    ]

    private let values: [String]

    init(_ reading: JournaledReading) {
        let payload = String(decoding: reading.payload, as: UTF8.self)
        values = Self.columns.map { Self.member($0.key, of: $0.group, in: payload) ?? "" }
    }

    static func header(_ format: Readings.Format) -> String { text(columns.map(\.title), format) }

    func text(_ format: Readings.Format) -> String { Self.text(values, format) }

    private static func text(_ values: [String], _ format: Readings.Format) -> String {
        // None of the values holds a comma or a quote: ids, times, numbers and words of ours.
        guard format == .table else { return values.joined(separator: ",") }
        return zip(values, columns).map { value, column in
            let blanks = String(repeating: " ", count: max(0, abs(column.width) - value.count))
            return column.width < 0 ? value + blanks : blanks + value
        }.joined(separator: " ")
    }

    /// The payload is our own, its keys stand in a fixed order and once within their group; numbers are taken as text, so
    /// that none loses a digit.
    private static func member(_ key: String, of group: String?, in payload: String) -> String? {
        var rest = payload[...]
        if let group {
            guard let start = rest.range(of: "\"\(group)\":{") else { return nil }
            rest = rest[start.upperBound...].prefix { $0 != "}" }
        }
        guard let start = rest.range(of: "\"\(key)\":") else { return nil }
        let value = rest[start.upperBound...].prefix { $0 != "," && $0 != "}" }
        return value == "null" ? nil : value.trimmingCharacters(in: CharacterSet(charactersIn: "\""))
    }
}
