import Configuration
import Crypto
import Foundation
import Journal
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
    /// Keeps which commands are known.
    let journal: Journal
    /// Hears what is no command.
    let discovery: DiscoveryDesk?
    let clock: any HostClock
    let log: PacedLog

    /// More than any command has.
    static let limit = 4096
    private static let key = "commands"

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var ledger = CommandLedger()
            var knowsEarlier = false
            for await message in client.messages {
                if discovery?.hear(message) == true { continue }
                guard gate.isOpen, let meter = topics.meter(ofCommand: message.topic) else { continue }
                if !knowsEarlier { knowsEarlier = await recall(&ledger) }
                let command = ledger.admit(message, now: clock.now)
                if case .admitted = command, knowsEarlier {
                    // Before it is done. Where the journal cannot be written, it is done all the same.
                    try? await journal.setAtOnce(ledger.stored, forKey: Self.key, meter: "")
                }
                answer(command, of: meter, await result(of: command, meter))
            }
        }
    }

    /// The journal may be opened later than the broker is there.
    private func recall(_ ledger: inout CommandLedger) async -> Bool {
        do {
            ledger.add(stored: try await journal.value(forKey: Self.key, meter: "") ?? [])
            return true
        } catch {
            return false
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
package struct Command: Decodable, Sendable, Hashable {
    package enum Verb: String, Decodable, Sendable { case read, ignore, resolve }

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

    enum CodingKeys: String, CodingKey, CaseIterable {
        case id, verb, anomaly, reason, until
        case expiresAt = "expires_at"
    }

    /// Whether each key stands there once: of two, readers of JSON take the first or the last.
    static func isUnambiguous(_ payload: [UInt8]) -> Bool {
        guard let members = JSONScalars(payload)?.members else { return false }
        return CodingKeys.allCases.allSatisfy { key in members.count { $0.path == [key.rawValue] } <= 1 }
    }
}

/// Which commands are done: new ones, in time, of a reasonable size.
package struct CommandLedger {
    package enum Verdict {
        case admitted(Command)
        case refused(id: String?, String)

        var id: String? {
            switch self {
            case .admitted(let command): command.id
            case .refused(let id, _): id
            }
        }
    }

    /// A command that was done. Stored in 21 bytes, so that as many as are remembered fit into a value of the journal.
    private struct Known {
        /// The first twelve bytes of the SHA-256 of its id.
        let digest: [UInt8]
        /// When the same one is refused for being late anyway, or may come again, in milliseconds since 1970.
        let until: Int64
        /// It has an end of its own.
        let expires: Bool

        static let size = 21

        static func digest(_ id: String) -> [UInt8] { Array(SHA256.hash(data: Data(id.utf8)).prefix(12)) }

        init(_ id: String, until: Int64, expires: Bool) {
            digest = Self.digest(id)
            self.until = until
            self.expires = expires
        }

        init(_ bytes: ArraySlice<UInt8>) {
            digest = Array(bytes.prefix(12))
            until = Int64(bitPattern: bytes.dropFirst(12).prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
            expires = bytes.last == 1
        }

        var bytes: [UInt8] {
            digest + (0..<8).map { UInt8(truncatingIfNeeded: until >> (56 - 8 * $0)) } + [expires ? 1 : 0]
        }
    }

    /// In front of what is stored.
    private static let format: UInt8 = 1

    static let remembered = 2000
    /// Of a command that never expires.
    private static let day: Int64 = 86_400_000

    /// How far ahead a command may expire: so long it is remembered.
    private static let farthest: Int64 = 30 * day

    /// In the order of their arrival.
    private var known: [Known] = []

    init() {}

    package init(stored bytes: [UInt8]) { add(stored: bytes) }

    /// What was done before all that is known by now.
    ///
    /// - Parameter bytes: from `stored`; what is no such thing is nothing.
    mutating func add(stored bytes: [UInt8]) {
        guard bytes.first == Self.format, bytes.count % Known.size == 1 else { return }
        let earlier = stride(from: 1, to: bytes.count, by: Known.size).map { Known(bytes[$0..<($0 + Known.size)]) }
        known = (earlier + known).suffix(Self.remembered)
    }

    /// To be kept over a restart.
    package var stored: [UInt8] { [Self.format] + known.flatMap(\.bytes) }

    package mutating func admit(_ message: MQTTMessage, now: Timestamp) -> Verdict {
        guard message.payload.count <= CommandService.limit else {
            return .refused(id: nil, "the command is too large")
        }
        guard Command.isUnambiguous(message.payload),
            let command = try? JSONDecoder().decode(Command.self, from: Data(message.payload)),
            (1...64).contains(command.id.count)
        else {
            return .refused(id: nil, "the command is no object with `id` and `verb` (read, ignore, resolve)")
        }
        if message.retain { return .refused(id: command.id, "a retained command would be done again and again") }
        var end: Timestamp?
        if let text = command.expiresAt {
            end = Self.instant(text)
            guard let end else { return .refused(id: command.id, "`expires_at` is no time") }
            guard end > now else { return .refused(id: command.id, "the command has expired") }
            guard end.milliseconds <= now.milliseconds + Self.farthest else {
                return .refused(id: command.id, "`expires_at` is more than 30 days ahead")
            }
        }
        known.removeAll { $0.until <= now.milliseconds }
        let digest = Known.digest(command.id)
        guard !known.contains(where: { $0.digest == digest }) else {
            return .refused(id: command.id, "the command was given before")
        }
        guard makeRoom() else { return .refused(id: command.id, "too many commands have not expired yet") }
        let until = end?.milliseconds ?? now.milliseconds + Self.day
        known.append(Known(command.id, until: until, expires: end != nil))
        return .admitted(command)
    }

    /// A command that expires is never forgotten before.
    private mutating func makeRoom() -> Bool {
        guard known.count >= Self.remembered else { return true }
        guard let oldest = known.firstIndex(where: { !$0.expires }) else { return false }
        known.remove(at: oldest)
        return true
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
