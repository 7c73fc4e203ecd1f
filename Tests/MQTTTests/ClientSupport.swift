import Foundation
import Logging
import OBIS
import Synchronization
import TestSupport
import Testing

@testable import MQTT

struct StreamEnded: Error {}

extension MQTTClient {
    /// Reads events until one fits.
    func event<Value>(_ pick: (Event) -> Value?) async throws -> Value {
        for await event in events {
            if let value = pick(event) { return value }
        }
        throw StreamEnded()
    }

    @discardableResult
    func connected() async throws -> BrokerProperties {
        try await event { if case .connected(let properties) = $0 { properties } else { nil } }
    }

    func disconnected() async throws -> Disconnection {
        try await event { if case .disconnected(let why) = $0 { why } else { nil } }
    }

    /// Attempts are repeated until one fails with these words. (How far TLS comes before an alert arrives is a matter
    /// of microseconds, and OpenSSL does not always say why it ended.)
    func tlsFailure(saying text: String) async throws {
        try await event { event in
            if case .disconnected(let why) = event, why.kind == .tls, why.sentence.contains(text) { () } else { nil }
        }
    }

    func subscribed() async throws {
        try await event { if case .subscribed = $0 { () } else { nil } }
    }

    func message() async throws -> MQTTMessage {
        for await message in messages { return message }
        throw StreamEnded()
    }
}

extension BrokerSettings {
    static func test(
        _ broker: MosquittoBroker, id: String = "c-\(UUID().uuidString.prefix(8))", version: MQTTVersion = .v5
    ) -> BrokerSettings {
        BrokerSettings(host: "127.0.0.1", port: broker.port, clientID: id, version: version)
    }
}

extension MQTTMessage {
    init(_ topic: String, _ text: String, qos: Int = 1, retain: Bool = false) {
        self.init(topic: topic, payload: Array(text.utf8), qos: qos, retain: retain)
    }

    var text: String { String(decoding: payload, as: UTF8.self) }
}

/// Starts a client that tries again within milliseconds.
func startClient(_ settings: BrokerSettings, logger: Logger = quietLogger) throws -> MQTTClient {
    let client = MQTTClient(settings: settings, logger: logger, backoff: .quick)
    try client.start()
    return client
}

/// A connected client that has subscribed.
func startSubscriber(_ broker: MosquittoBroker, _ filter: String) async throws -> MQTTClient {
    let client = try startClient(.test(broker))
    client.subscribe(filter)
    try await client.subscribed()
    return client
}

extension ReconnectBackoff {
    static let quick = ReconnectBackoff(
        first: .milliseconds(10), unreachableLimit: .milliseconds(50), refusedLimit: .milliseconds(50))
}

let quietLogger = Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() }

/// Keeps what was logged.
final class LogRecord: Sendable {
    private let lines = Mutex<[(level: Logger.Level, text: String)]>([])

    var warnings: [String] { lines.withLock { $0.filter { $0.level == .warning }.map(\.text) } }
    var all: [String] { lines.withLock { $0.map(\.text) } }

    var logger: Logger {
        Logger(label: "record") { _ in Handler(record: self) }
    }

    private struct Handler: LogHandler {
        let record: LogRecord
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let metadata = metadata.merging(event.metadata ?? [:]) { $1 }
            record.lines.withLock { $0.append((event.level, "\(event.message) \(metadata)")) }
        }
    }
}

/// Counts the outcomes of numbered messages, and waits until all are there.
final class Outcomes: Sendable {
    private struct State {
        var results: [Int: [Result<UInt8, PublishError>]] = [:]
        var count = 0
        var waiter: (count: Int, continuation: CheckedContinuation<Void, Never>)?
    }

    private let state = Mutex(State())

    func completion(_ number: Int) -> @Sendable (Result<UInt8, PublishError>) -> Void {
        { result in
            let waiter = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
                state.results[number, default: []].append(result)
                state.count += 1
                guard let waiter = state.waiter, state.count >= waiter.count else { return nil }
                state.waiter = nil
                return waiter.continuation
            }
            waiter?.resume()
        }
    }

    func wait(for count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.count >= count { return true }
                state.waiter = (count, continuation)
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    var results: [Int: [Result<UInt8, PublishError>]] { state.withLock { $0.results } }
}
