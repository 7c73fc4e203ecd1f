import ArgumentParser
import Configuration
import Foundation
import Logging
import MBus
import Metering
import OBIS
import Transport
import Wire

struct Scan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find the meters on an M-Bus by their primary and secondary addresses.",
        discussion: """
            PORT is a serial port (/dev/ttyUSB0), host:port of a TCP gateway, or rfc2217://host:port. Nothing else may use \
            the bus meanwhile: stop the daemon.

            Prints a ready `buses:` and `meters:` stanza for what was found. With --state the search can be interrupted and \
            gone on with.
            """)

    enum Addresses: String, CaseIterable, ExpressibleByArgument { case primary, secondary, both }
    enum Format: String, CaseIterable, ExpressibleByArgument { case yaml, json }

    @Option(
        name: .long, help: "Which addresses are tried: \(Addresses.allCases.map(\.rawValue).joined(separator: ", ")).")
    var addresses = Addresses.both

    @Option(name: .long, help: ArgumentHelp("The line of a serial port, and the speed of the bus.", valueName: "line"))
    var line = LineSettings.mbus

    @Option(name: .long, help: "The first primary address.")
    var first = 0

    @Option(name: .long, help: "The last primary address.")
    var last = 250

    @Flag(name: .long, help: "Try only the digits 0 to 9 in identifications, as the standard has them.")
    var decimal = false

    @Option(name: .long, help: "How often a probe is repeated that nobody answers.")
    var retries = 1

    @Option(
        name: .long,
        help: ArgumentHelp(
            "What adapter and network add to an answer, in milliseconds; by default 150 at a port with a line, else 400.",
            valueName: "ms"))
    var latency: Int?

    @Option(
        name: .long,
        help: ArgumentHelp("Where the search is kept; one that is there is gone on with.", valueName: "file"))
    var state: String?

    @Option(name: .long, help: "What is printed: yaml for the configuration, or json, a line for each meter.")
    var format = Format.yaml

    @Argument(help: "The port of the bus.")
    var port: String

    func validate() throws {
        guard (0...250).contains(first), (first...250).contains(last) else {
            throw ValidationError("--first and --last are primary addresses from 0 to 250")
        }
        guard (1...60_000).contains(latency ?? 1) else { throw ValidationError("--latency is from 1 to 60000") }
        guard (0...9).contains(retries) else { throw ValidationError("--retries is a number from 0 to 9") }
        guard endpoint != nil else {
            throw ValidationError("\(port) is no port: write /dev/ttyUSB0, gateway:10001 or rfc2217://gateway:3001")
        }
    }

    private var endpoint: Endpoint? { Endpoint(port: port, line: line) }

    func run() async throws {
        guard let endpoint else { throw ExitCode.validationFailure }
        var search = try loadState() ?? newSearch
        let logger = Logger(label: "scan") { _ in SwiftLogNoOpLogHandler() }
        do {
            let link = try await LinkOpener().open(endpoint, options: LinkOptions(), logger: logger)
            let inbound = PolledInbound(link)
            var progress = ScanProgress()
            while let probe = search.next {
                let outcome = try await ask(probe, endpoint, link, inbound)
                search.take(outcome)
                try keep(search)
                progress.show(search, probe)
            }
            progress.end()
            await link.close()
        } catch let error as TransportError {
            Output.note(error.message)
            throw Exit.inputOutput
        }
        report(search)
        if search.found.isEmpty { throw Exit.unavailable }
    }

    private var newSearch: BusSearch {
        BusSearch(
            primary: addresses == .secondary ? nil : UInt8(first)...UInt8(last), secondary: addresses != .primary,
            hexadecimal: !decimal)
    }

    // MARK: One probe

    private func ask(
        _ probe: BusSearch.Probe, _ endpoint: Endpoint, _ link: any Link, _ inbound: PolledInbound
    ) async throws(TransportError) -> BusSearch.Outcome {
        let address: MasterSession.Address =
            switch probe {
            case .primary(let address): .primary(address)
            case .secondary(let address): .secondary(address)
            }
        var session: any Session<Telegram> = MasterSession(
            settings: MasterSession.Settings(
                address: address, line: endpoint.line, baud: line.baud,
                latency: latency.map { .milliseconds($0) }, retries: retries, isSearch: true))
        let poll = try await SinglePoll.run(&session, over: link, reading: inbound)
        if let telegram = poll.messages.first { return .meter(BusSearch.Found(telegram, probe)) }
        switch poll.failure?.code {
        case nil, .timeout: return .nobody
        // It answers, alone and well-formed, with something else than records.
        case .keyMissing, .meterError, .unsupported, .decryption: return .meter(BusSearch.Found(probe))
        default: return .collision
        }
    }

    // MARK: State

    private func loadState() throws -> BusSearch? {
        guard let state, FileManager.default.fileExists(atPath: state) else { return nil }
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: state)),
            let search = try? JSONDecoder().decode(BusSearch.self, from: data)
        else {
            Output.note("\(state): is no search that was kept; remove it to begin anew")
            throw Exit.badData
        }
        Output.note("going on with the search in \(state): \(search.found.count) found so far")
        return search
    }

    private func keep(_ search: BusSearch) throws {
        guard let state else { return }
        do {
            try JSONEncoder().encode(search).write(to: URL(fileURLWithPath: state), options: .atomic)
        } catch {
            Output.note("\(state): cannot be written")
            throw Exit.inputOutput
        }
    }

    // MARK: Report

    private func report(_ search: BusSearch) {
        for place in search.unresolved {
            Output.note(
                place.hasPrefix("address")
                    ? "several meters answer at \(place): they are told apart by their secondary addresses only"
                    : "several meters have the identification \(place): nothing tells them apart on this bus")
        }
        if search.isGivenUp {
            Output.note("something answers to every address: the search was ended, and what is below may not be all")
        }
        switch format {
        case .yaml: Output.line(ScanReport.stanza(of: search.found, at: port, line: line))
        case .json: for meter in search.found { Output.data(ScanReport.json(meter)) }
        }
    }
}

extension BusSearch.Found {
    fileprivate init(_ telegram: Telegram, _ probe: BusSearch.Probe) {
        let meter = telegram.meter
        var secondary = meter.secondaryAddress
        // A fixed structure names no maker.
        if case .primary = probe, secondary?.contains("/") != true { secondary = nil }
        self.init(probe, secondary: secondary, identification: meter.id, medium: meter.medium?.rawValue)
    }

    fileprivate init(
        _ probe: BusSearch.Probe, secondary: String? = nil, identification: String? = nil, medium: String? = nil
    ) {
        switch probe {
        case .primary(let address):
            self.init(primary: address, secondary: secondary, identification: identification, medium: medium)
        case .secondary(let address):
            self.init(
                primary: nil, secondary: secondary ?? address.description, identification: identification,
                medium: medium)
        }
    }
}

extension Endpoint {
    /// A port as it is written on the command line.
    init?(port: String, line: LineSettings) {
        if port.hasPrefix("/") {
            self = .serial(path: port, line: line)
            return
        }
        let isRemote = port.hasPrefix("rfc2217://")
        let text = port.replacing(isRemote ? "rfc2217://" : "tcp://", with: "", maxReplacements: 1)
        guard let colon = text.lastIndex(of: ":"), let number = Int(text[text.index(after: colon)...]),
            (1...65535).contains(number)
        else { return nil }
        let host = text[..<colon].filter { $0 != "[" && $0 != "]" }
        guard !host.isEmpty else { return nil }
        self = isRemote ? .rfc2217(host: host, port: number, line: line) : .tcp(host: host, port: number)
    }
}

extension LineSettings: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

/// One line on a terminal that is written over, and nothing elsewhere.
private struct ScanProgress {
    private let progress = ProgressLine()
    private let began = ContinuousClock.now
    private var asked = 0

    mutating func show(_ search: BusSearch, _ probe: BusSearch.Probe) {
        asked += 1
        let each = began.duration(to: .now) / asked
        let left = Int((each * search.remaining).components.seconds)
        let place =
            switch probe {
            case .primary(let address): "address \(address)"
            case .secondary(let address): "\(address)"
            }
        let time = left < 90 ? "\(left) s" : "\(left / 60) min"
        let text = "\(place): \(search.found.count) found, at least \(search.remaining) probes left, about \(time)"
        progress.show(text)
    }

    func end() { progress.end() }
}

/// What was found, for the configuration and for programs.
enum ScanReport {
    static func stanza(of found: [BusSearch.Found], at port: String, line: LineSettings) -> String {
        let transport =
            port.hasPrefix("/")
            ? "{serial: \(port), line: \(line)}"
            : port.hasPrefix("rfc2217://")
                ? "{rfc2217: \"\(port.dropFirst(10))\", line: \(line)}"
                : "{tcp: \"\(port.replacing("tcp://", with: "", maxReplacements: 1))\"}"
        var lines = ["buses:", "  - id: bus", "    transport: \(transport)", "meters:"]
        if found.isEmpty { lines[3] = "meters: []" }
        var used: [String: Int] = [:]
        for meter in found {
            let name =
                "\(meter.medium ?? "meter")-\(meter.identification ?? meter.primary.map { "\($0)" } ?? "unknown")"
            used[name, default: 0] += 1
            let id = used[name] == 1 ? name : "\(name)-\(used[name, default: 1])"
            let isUnique = meter.primary.map { primary in found.count { $0.primary == primary } == 1 } ?? false
            let address =
                meter.primary.flatMap { isUnique && $0 > 0 ? "address: \($0)" : nil }
                ?? meter.secondary.map { "secondary: \"\($0)\"" } ?? "address: \(meter.primary ?? 0)"
            lines.append("  - {id: \(id), protocol: mbus, bus: bus, \(address), interval: 1h}")
        }
        return lines.joined(separator: "\n")
    }

    static func json(_ meter: BusSearch.Found) -> [UInt8] {
        var json = JSONWriter(capacity: 128)
        json.object { json in
            json.member("primary", meter.primary.map { Int64($0) })
            json.member("secondary", meter.secondary)
            json.member("id", meter.identification)
            json.member("medium", meter.medium)
        }
        json.newline()
        return json.bytes
    }
}
