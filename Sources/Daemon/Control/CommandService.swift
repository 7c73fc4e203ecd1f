import Configuration
import Foundation
import LogMessages
import Logging
import MQTT
import OBIS
import ServiceLifecycle
import Synchronization

/// Commands that come over the broker, where the configuration allows them: `<meter>/command`, answered on
/// `<meter>/command/result`.
struct CommandService: Service {
    let client: MQTTClient
    let topics: Topics
    let gate: CommandGate
    let fleet: Fleet
    /// Hears what is no command.
    let discovery: DiscoveryDesk?
    let clock: any HostClock
    let log: PacedLog

    /// More than any command has.
    static let limit = 4096

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var desk = CommandLedger()
            for await message in client.messages {
                if discovery?.hear(message) == true { continue }
                guard gate.isOpen, let meter = topics.meter(ofCommand: message.topic) else { continue }
                let command = desk.admit(message, now: clock.now)
                answer(command, of: meter, await result(of: command, meter))
            }
        }
    }

    /// - Returns: nil where it was done, else why not.
    private func result(of command: CommandLedger.Verdict, _ meter: String) async -> String? {
        switch command {
        case .refused(_, let reason): return reason
        case .admitted(let command):
            guard let found = await fleet.reader(of: meter) else { return "there is no meter \(meter)" }
            return await perform(command, on: found.pipeline, found.reader)
        }
    }

    private func perform(_ command: Command, on pipeline: MeterPipeline, _ reader: MeterReader) async -> String? {
        switch command.verb {
        case .read: return reader.readNow()
        case .ignore, .resolve:
            guard let anomaly = command.anomaly else { return "the command names no `anomaly`" }
            let isDone =
                command.verb == .ignore
                ? await pipeline.ignore(
                    anomaly: anomaly, reason: command.reason, until: command.until.flatMap(CommandLedger.instant))
                : await pipeline.resolve(anomaly: anomaly)
            return isDone ? nil : "no anomaly \(anomaly) is open on this meter"
        }
    }

    private func answer(_ command: CommandLedger.Verdict, of meter: String, _ error: String?) {
        if let error {
            log.say(
                meter, .notice, .commandRefused, "A command was refused: \(error).", metadata: ["meter": "\(meter)"])
        }
        var json = JSONWriter()
        json.object { json in
            json.member("id", command.id)
            json.member("ok", error == nil)
            json.member("error", error)
        }
        client.publish(MQTTMessage(topic: topics.commandResult(meter), payload: json.bytes)) { _ in }
    }
}

/// Whether commands are taken from the broker; off unless the configuration says so.
final class CommandGate: Sendable {
    private let client: MQTTClient
    private let filter: String
    private let state: Mutex<Bool>

    init(_ client: MQTTClient, topics: Topics, isOpen: Bool) {
        self.client = client
        filter = topics.commandFilter
        state = Mutex(false)
        if isOpen { set(true) }
    }

    var isOpen: Bool { state.withLock { $0 } }

    func set(_ isOpen: Bool) {
        state.withLock { $0 = isOpen }
        if isOpen { client.subscribe(filter) } else { client.unsubscribe(filter) }
    }
}

/// One command as it stands in its message.
struct Command: Decodable, Sendable, Hashable {
    enum Verb: String, Decodable, Sendable { case read, ignore, resolve }

    /// Of the command: the same one is done once.
    var id: String
    var verb: Verb
    /// RFC 3339; nil never expires.
    var expiresAt: String?
    /// The id of the anomaly that is meant.
    var anomaly: String?
    var reason: String?
    /// RFC 3339: the end of an ignoring.
    var until: String?

    enum CodingKeys: String, CodingKey {
        case id, verb, anomaly, reason, until
        case expiresAt = "expires_at"
    }
}

/// Which commands are done: new ones, in time, of a reasonable size.
struct CommandLedger {
    enum Verdict {
        case admitted(Command)
        case refused(id: String?, String)

        var id: String? {
            switch self {
            case .admitted(let command): command.id
            case .refused(let id, _): id
            }
        }
    }

    private static let remembered = 256
    private var known: [String] = []

    mutating func admit(_ message: MQTTMessage, now: Timestamp) -> Verdict {
        guard message.payload.count <= CommandService.limit else {
            return .refused(id: nil, "the command is too large")
        }
        guard let command = try? JSONDecoder().decode(Command.self, from: Data(message.payload)), command.id.count <= 64
        else {
            return .refused(id: nil, "the command is no object with `id` and `verb` (read, ignore, resolve)")
        }
        if message.retain { return .refused(id: command.id, "a retained command would be done again and again") }
        if let end = command.expiresAt {
            guard let end = Self.instant(end) else { return .refused(id: command.id, "`expires_at` is no time") }
            guard end > now else { return .refused(id: command.id, "the command has expired") }
        }
        guard !known.contains(command.id) else { return .refused(id: command.id, "the command was given before") }
        known.append(command.id)
        if known.count > Self.remembered { known.removeFirst() }
        return .admitted(command)
    }

    /// RFC 3339 with any offset.
    static func instant(_ text: String) -> Timestamp? {
        if let time = Timestamp(text) { return time }
        let date =
            (try? Date(
                text,
                strategy: .iso8601.year().month().day().time(includingFractionalSeconds: true).timeZone(
                    separator: .colon)))
            ?? (try? Date(text, strategy: .iso8601))
        guard let milliseconds = date.map({ $0.timeIntervalSince1970 * 1000 }) else { return nil }
        return Int64(exactly: milliseconds.rounded()).map { Timestamp(milliseconds: $0) }
    }
}
