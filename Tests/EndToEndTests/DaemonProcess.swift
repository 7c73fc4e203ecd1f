import Foundation
import Journal
import Logging
import OBIS
import TestSupport

/// The daemon in a folder of its own, with its configuration, journal and log.
final class DaemonProcess {
    let folder: URL
    let log: LineFile
    private var process: ChildProcess?

    /// - Parameter meters, buses: the stanzas, as YAML flow mappings.
    init(
        folder: URL, host: String = "127.0.0.1", brokerPort: Int, meters: [String], buses: [String] = [],
        broker: String = ""
    ) throws {
        self.folder = folder
        log = LineFile(folder.appendingPathComponent("log").path)
        try configure(host: host, brokerPort: brokerPort, meters: meters, buses: buses, broker: broker)
    }

    /// Writes the configuration; a daemon that runs has to be told of it.
    ///
    /// - Parameter more: other keys, on lines of their own.
    func configure(
        host: String = "127.0.0.1", brokerPort: Int, meters: [String], buses: [String] = [], broker: String = "",
        homeAssistant: String = "{}", more: String = ""
    ) throws {
        let text = """
            node: e2e
            broker: {host: \(host), port: \(brokerPort)\(broker.isEmpty ? "" : ", \(broker)")}
            home_assistant: \(homeAssistant)
            journal: {path: journal.db}
            \(more)
            buses: [\(buses.map { "{\($0)}" }.joined(separator: ", "))]
            meters:
            \(meters.map { "  - {\($0)}" }.joined(separator: "\n"))
            """
        try Data(text.utf8).write(to: folder.appendingPathComponent("obisd.yaml"))
    }

    /// Writes a secret that only this user can read.
    func write(_ secret: String, to name: String) throws {
        let file = folder.appendingPathComponent(name)
        try Data(secret.utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
    }

    var configuration: String { folder.appendingPathComponent("obisd.yaml").path }

    /// - Parameters:
    ///   - arguments: of `obisd run`, beside the configuration.
    ///   - environment: `NAME=value`, beside what the tests have themselves.
    ///   - wrapper: a program that runs it in its place, with its first arguments.
    func start(_ arguments: [String] = [], environment: [String] = [], wrapper: [String] = []) throws {
        process = try ChildProcess(
            "/usr/bin/env",
            ["-u", "JOURNAL_STREAM"] + environment + wrapper + [Program.path, "run", "--config", configuration]
                + arguments,
            output: "/dev/null", error: log.path)
    }

    /// Of the process that runs.
    var pid: pid_t? { process?.pid }

    /// What `obisd status` says; nil where it says nothing.
    func status() async throws -> ExactJSON? {
        let outcome = try await Program.run(["status", "--format", "json", "--config", configuration])
        return outcome.exitCode == 0 ? outcome.lines.first.flatMap { ExactJSON($0) } : nil
    }

    func signal(_ signal: Int32) { process?.signal(signal) }

    /// As a power cut ends it.
    func kill() {
        process?.end(SIGKILL)
        process = nil
    }

    /// Asks it to end.
    ///
    /// - Returns: its exit code; nil when it still ran after twenty seconds, and was killed.
    func terminate() async throws -> Int32? {
        process?.signal(SIGTERM)
        let code = try await process?.waitForExit(within: .seconds(20))
        kill()
        return code
    }

    var isRunning: Bool { process?.isRunning ?? false }

    /// Waits for a line of the log that contains the text.
    func waitForLog(_ text: String, within limit: Duration = .seconds(90)) async throws {
        try await waitFor("a log line with: \(text)", within: limit) {
            try log.read()
            return log.lines.contains { $0.contains(text) }
        }
    }

    func logLines(_ text: String) throws -> [String] {
        try log.read()
        return log.lines.filter { $0.contains(text) }
    }

    /// Everything that was accepted, read after the daemon has ended.
    func journaled() async throws -> [JournaledReading] {
        let journal = try await Journal.open(
            path: folder.appendingPathComponent("journal.db").path, settings: JournalSettings(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var readings: [JournaledReading] = []
        var position: Int64 = 0
        while case let page = try await journal.entries(after: position, limit: 1000),
            let last = page.last
        {
            readings += page.compactMap(\.reading)
            position = last.position
        }
        await journal.close()
        return readings
    }
}

/// Simulated meters in a process of their own.
final class MetersProcess {
    private let process: ChildProcess
    private let output: LineFile

    /// - Parameters:
    ///   - meters: as on the command line.
    ///   - wrapper: a program that runs it in its place, with its first arguments.
    init(folder: URL, _ meters: [String], wrapper: [String] = []) throws {
        output = LineFile(folder.appendingPathComponent("meters-\(UUID().uuidString)").path)
        process = try ChildProcess(
            "/usr/bin/env",
            wrapper + [Program.path, "simulate", "--seed", "7"] + meters.flatMap { ["--meter", $0] },
            output: output.path)
    }

    /// The ports of those on TCP, in the order in which they opened, when all meters are there.
    func ports(of count: Int) async throws -> [Int] {
        try await waitFor("\(count) simulated meters") {
            try output.read()
            return output.lines.count >= count
        }
        return output.lines.compactMap { line in
            line.contains(" 127.0.0.1:") ? line.split(separator: ":").last.flatMap { Int($0) } : nil
        }
    }

    /// The port of the first meter of a protocol on TCP, of those that have opened.
    func port(of protocolName: String) throws -> Int? {
        try output.read()
        let line = output.lines.first { $0.hasPrefix("\(protocolName) on 127.0.0.1:") }
        return line?.split(separator: ":").last.flatMap { Int($0) }
    }

    func end() { process.end(SIGTERM) }
}
