import Foundation
import Logging
import MeterSimulator
import Synchronization
import Testing
import Wire

@testable import Transport

let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A folder for one test.
func withTemporaryFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("transport-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder.path)
}

/// A simulated line for one test.
func withLine<Result>(
    _ settings: String, pacing: SimulatedLine.Pacing = .instant, _ body: (SimulatedLine) async throws -> Result
) async throws -> Result {
    let settings = try #require(LineSettings(settings))
    return try await withTemporaryFolder { folder in
        let line = try await SimulatedLine(path: folder + "/meter", line: settings, pacing: pacing)
        do {
            let result = try await body(line)
            await line.close()
            return result
        } catch {
            await line.close()
            throw error
        }
    }
}

extension LinkOpener {
    func serial(
        _ line: SimulatedLine, _ settings: String, receiveOnly: Bool = false
    ) async throws -> any Link {
        let settings = try #require(LineSettings(settings))
        return try await open(
            .serial(path: line.path, line: settings), options: LinkOptions(receiveOnly: receiveOnly), logger: logger)
    }
}

extension LinkInbound {
    /// Reads until this many bytes came or the line ended.
    func bytes(_ count: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        var iterator = makeAsyncIterator()
        while bytes.count < count, let input = try await iterator.next() { bytes += input.bytes }
        return bytes
    }
}

extension AsyncStream<[UInt8]> {
    /// Reads until this many bytes came or the line ended.
    func bytes(_ count: Int) async -> [UInt8] {
        var bytes: [UInt8] = []
        var iterator = makeAsyncIterator()
        while bytes.count < count, let more = await iterator.next() { bytes += more }
        return bytes
    }
}

/// How many descriptors of this process are open.
func openDescriptors() throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
}

/// How many descriptors of this process are open on a path.
func openDescriptors(of path: String) throws -> Int {
    let real = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    return try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count { number in
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")) == real
    }
}

/// How many sockets of this machine are open with a TCP port at either end, apart from the listening one.
func openSockets(port: Int) throws -> Int {
    let wanted = ":" + String(format: "%04X", port)
    return try String(contentsOfFile: "/proc/self/net/tcp", encoding: .utf8).split(separator: "\n").dropFirst().count {
        let fields = $0.split(separator: " ")
        let isListening = fields[3] == "0A"
        let hasOwner = fields[9] != "0"
        return (fields[1].hasSuffix(wanted) || fields[2].hasSuffix(wanted)) && !isListening && hasOwner
    }
}

/// What was logged.
final class LogLines: Sendable {
    struct Line {
        let level: Logger.Level
        let message: String
        let metadata: Logger.Metadata
    }

    private let state = Mutex<[Line]>([])
    var lines: [Line] { state.withLock { $0 } }
    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: LogLines
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let line = Line(level: event.level, message: "\(event.message)", metadata: event.metadata ?? [:])
            log.state.withLock { $0.append(line) }
        }
    }
}

extension LinkOpener {
    /// Opens what was closed a moment ago.
    func reopen(_ endpoint: Endpoint) async throws -> any Link {
        try await whenFreed(isBusy: { ($0 as? TransportError)?.code == .busy }) {
            try await open(endpoint, options: LinkOptions(), logger: logger)
        }
    }
}

/// Takes what was given back a moment ago. A child of this process that is just being started holds copies of its
/// sockets until it is itself.
func whenFreed<Value>(isBusy: (any Error) -> Bool, _ take: () async throws -> Value) async throws -> Value {
    for _ in 0..<500 {
        do { return try await take() } catch  where isBusy(error) { try await Task.sleep(for: .milliseconds(20)) }
    }
    return try await take()
}
