import Foundation
import TestSupport
import Testing

/// A broker that gives commands which it should not: nothing is done, nothing but reading reaches a meter.
@Suite("Hostile commands", .timeLimit(.minutes(5)))
struct FaultCommandsTests {
    private static let meters = ["optical", "cosem", "bus"]
    /// What a thousand commands may cost, in KiB.
    private static let growth = 8 << 10

    @Test("of a thousand of them none is done, and a good one after them is")
    func thousand() async throws {
        try await withFolder { folder in
            let house = try await House(folder)
            // Before anybody listens.
            for meter in Self.meters + (0..<97).map({ "nobody-\($0)" }) {
                try await house.publish([Self.read("retained-\(meter)")], to: meter, retained: true)
            }
            try house.daemon.start()
            try await house.waitForAnswers(100)
            try await house.waitForFirstReadings(1)

            let first = Self.read("first")
            try await house.publish([first], to: "optical")
            try await house.requireDone("first", "optical", readings: 2)
            let before = try house.snapshot()
            let pid = try #require(house.daemon.pid)
            let resident = try ProcessFigures(pid: pid).anonymousKilobytes

            for (kind, commands) in Self.hostile(replayed: first) {
                for (index, group) in commands.enumerated() {
                    let meter = kind == .unknownMeter ? "nobody-\(index)" : Self.meters[index % 3]
                    try await house.publish(group, to: kind == .replayed ? "optical" : meter)
                }
            }
            // 100 retained ones, and the first one that was done.
            try await house.waitForAnswers(1 + 950)
            try house.requireDone(only: ["first"])
            let after = try house.snapshot()
            try #require(after == before, "something was done: \(after) instead of \(before)")
            let grown = try ProcessFigures(pid: pid).anonymousKilobytes - resident
            print("hostile commands: RssAnon grows by \(grown) KiB")
            try #require(grown <= Self.growth)

            // Over a restart, which reads each meter once by itself.
            try #require(try await house.daemon.terminate() == 0)
            try house.daemon.start()
            try await house.waitForAnswers(1 + 950 + 100)
            try await house.waitForFirstReadings(2)
            let again = try house.snapshot()
            try await house.publish([String](repeating: first, count: 50), to: "optical")
            try await house.waitForAnswers(1 + 950 + 100 + 50)
            try #require(try house.snapshot() == again, "a command was done again after a restart")

            for (index, meter) in Self.meters.enumerated() {
                try await house.publish([Self.read("good-\(index)")], to: meter)
                try await house.requireDone("good-\(index)", meter, readings: meter == "optical" ? 4 : 3)
            }
            try house.requireDone(only: ["first"] + (0..<3).map { "good-\($0)" })
            // Each kind of line comes once a minute, and 64 kinds at most.
            let minutes = 1 + Int(Date().timeIntervalSince(house.began) / 60)
            let lines = try house.daemon.logLines("A command was refused").count
            print("hostile commands: \(lines) log lines")
            try #require(lines <= 2 * 64 * minutes)
            try #require(try await house.daemon.terminate() == 0)
            print("Hostile commands without effect: 1000 of 1000")
        }
    }

    // MARK: Commands

    private enum Kind: CaseIterable {
        case replayed, unknownMeter, replayedLater, oversized, stale, unknownVerb, malformed, wrongType, nested, doubled
    }

    private static func read(_ id: String, _ more: String = #","expires_at":"\#(soon)""#) -> String {
        #"{"id":"\#(id)","verb":"read"\#(more)}"#
    }

    /// 900, without those that are retained: each kind in portions, one for each topic.
    private static func hostile(replayed first: String) -> [(Kind, [[String]])] {
        func portions(_ kind: Kind, _ make: (Int) -> String) -> (Kind, [[String]]) {
            (kind, (0..<3).map { part in (0..<count(of: kind)).filter { $0 % 3 == part }.map(make) })
        }
        return Kind.allCases.map { kind in
            switch kind {
            case .replayed: (.replayed, [[String](repeating: first, count: 50)])
            case .replayedLater: (.replayed, [[String](repeating: first, count: 50)])
            // More than a ledger that counts only would remember: they are admitted, and nobody is there.
            case .unknownMeter: (.unknownMeter, (0..<10).map { part in (0..<30).map { read("lost-\(part)-\($0)") } })
            case .oversized:
                portions(kind) { number in
                    let padding = String(repeating: "x", count: 4097 + number * 500)
                    return read("large-\(number)", #","reason":"\#(padding)""#)
                }
            case .stale: portions(kind) { read("stale-\($0)", #","expires_at":\#(Self.past[$0 % Self.past.count])"#) }
            case .unknownVerb:
                portions(kind) { #"{"id":"verb-\#($0)","verb":"\#(Self.verbs[$0 % Self.verbs.count])"}"# }
            case .malformed: portions(kind, Self.malformed)
            case .wrongType: portions(kind) { Self.wrongTypes[$0 % Self.wrongTypes.count] }
            case .nested: portions(kind, Self.nested)
            case .doubled: portions(kind) { Self.doubled[$0 % Self.doubled.count] }
            }
        }
    }

    private static func count(of kind: Kind) -> Int { kind == .oversized || kind == .stale ? 100 : 50 }

    private static let soon = (Date() + 86_400).ISO8601Format()
    private static let past = [
        #""2099-01-01T00:00:00Z""#,
        #""2020-01-01T00:00:00Z""#, #""2026-01-15T11:35:26.123+01:00""#, #""1970-01-01T00:00:00Z""#, #""tomorrow""#,
        #""""#, #""0000-00-00T00:00:00Z""#, #""2099-13-01T00:00:00Z""#, #""2099-01-01""#,
        #""99999999999999999999-01-01T00:00:00Z""#,
    ]
    private static let verbs = [
        "write", "set", "READ", "read ", "", "disconnect", "reset", "execute", "../read", "replaced", "reload", "stop",
        "W1", "re\\u0000ad",
    ]
    private static let wrongTypes = [
        #"{"id":1,"verb":"read"}"#, #"{"id":"t","verb":1}"#, #"{"id":null,"verb":"read"}"#,
        #"{"id":["t"],"verb":"read"}"#,
        #"{"id":"t","verb":["read"]}"#, #"["t","read"]"#, #""read""#, "1", "null", "true", #"{"verb":"read"}"#,
        #"{"id":"t"}"#, #"{"id":"t","verb":"read","expires_at":4102444800}"#,
        #"{"id":"t","verb":"read","expires_at":{"never":true}}"#, #"{"id":"t","verb":{"read":true}}"#,
        #"{"id":1e999,"verb":"read"}"#, #"{"id":"\#(String(repeating: "i", count: 65))","verb":"read"}"#,
    ]
    /// What counts cannot be told.
    private static let doubled = [
        #"{"id":"d","verb":"write","verb":"write"}"#, #"{"id":"d","id":1,"id":2,"verb":"write","verb":"stop"}"#,
        #"{"id":"d","verb":"read","expires_at":"2020-01-01T00:00:00Z","expires_at":"2019-01-01T00:00:00Z"}"#,
        #"{"id":"d","verb":"read","verb":"write"}"#, #"{"id":"","verb":"read"}"#,
        #"{"id":"d","verb":"read","expires_at":"\#(soon)","expires_at":"2020-01-01T00:00:00Z"}"#,
    ]

    private static func malformed(_ number: Int) -> String {
        let whole = read("broken-\(number)")
        return switch number % 5 {
        case 0: String(whole.dropLast(1 + number % 20))
        case 1: String(whole.dropFirst(1 + number % 10))
        case 2: whole + whole
        case 3: whole.replacingOccurrences(of: "\"", with: "'")
        default: "\u{1}\u{7F}\u{FEFF}" + String(repeating: "}{", count: number)
        }
    }

    private static func nested(_ number: Int) -> String {
        let depth = 100 + number * 35
        return switch number % 3 {
        case 0: String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        case 1: String(repeating: "[", count: depth * 2)
        default:
            #"{"id":"n","verb":"#
                + String(repeating: "{\"a\":", count: depth / 3) + "1" + String(repeating: "}", count: depth / 3) + "}"
        }
    }

    // MARK: Support

    /// Three meters that are asked every ten hours only, each behind a relay that hears what it is asked.
    private final class House {
        let broker: MosquittoBroker
        let daemon: DaemonProcess
        private let results: Subscriber
        let began = Date()
        private let effects: [Subscriber]
        private let simulated: MetersProcess
        private let wires: [Relay]
        private let folder: URL

        init(_ folder: URL) async throws {
            self.folder = folder
            broker = try await MosquittoBroker(["max_queued_messages 0"])
            let ports = try (0..<3).map { _ in try FreePort.tcp() }
            simulated = try MetersProcess(
                folder: folder,
                zip(["iec62056-21", "dlms-client", "mbus"], ports).map { kind, port in "\(kind),tcp=\(port)" })
            _ = try await simulated.ports(of: 3)
            wires = try ports.map { try Relay(to: $0, records: true) }
            let (port, folder) = (broker.port, folder)
            results = try Subscriber(port: port, folder: folder, filter: "obisd/e2e/+/command/result")
            effects = try ["reading", "state", "anomaly", "gap"].map {
                try Subscriber(port: port, folder: folder, filter: "obisd/e2e/+/\($0)")
            }
            let places = wires.map { "transport: {tcp: \"127.0.0.1:\($0.port)\"}, interval: 10h" }
            daemon = try DaemonProcess(
                folder: folder, brokerPort: port,
                meters: [
                    "id: optical, protocol: iec62056-21, \(places[0])",
                    "id: cosem, protocol: dlms-client, client: 1, load_profile: off, "
                        + "registers: [\"1-0:1.8.0*255\"], \(places[1])",
                    "id: bus, protocol: mbus, address: 1, \(places[2])",
                ], broker: "commands: true")
        }

        deinit {
            for wire in wires { wire.cut() }
            simulated.end()
        }

        /// One message for each payload, none of which has a line feed.
        func publish(_ payloads: [String], to meter: String, retained: Bool = false) async throws {
            let file = folder.appendingPathComponent("commands")
            try Data(payloads.map { $0 + "\n" }.joined().utf8).write(to: file)
            let publisher = try ChildProcess(
                "/usr/bin/env",
                ["mosquitto_pub", "-p", "\(broker.port)", "-q", "1", "-t", "obisd/e2e/\(meter)/command", "-l"]
                    + (retained ? ["-r"] : []), input: file.path)
            try #require(try await publisher.waitForExit(within: .seconds(60)) == 0)
        }

        /// Waits until so many commands have been answered.
        func waitForAnswers(_ count: Int) async throws {
            do {
                try await results.wait(for: "\(count) answers") { $0.messages.count >= count }
            } catch {
                throw NotInTime(description: "\(results.messages.count) of \(count) answers: \(error)")
            }
            try #require(results.messages.count == count)
        }

        /// Which commands were answered well, in their order.
        func requireDone(only ids: [String]) throws {
            try results.read()
            let done = results.messages.filter { $0.json?["ok"]?.bool != false }
            try #require(done.map { $0.json?["id"]?.string } == ids, "\(done.map(\.payload))")
        }

        func waitForFirstReadings(_ count: Int) async throws {
            try await effects[0].wait(for: "a reading of each meter") { readings in
                FaultCommandsTests.meters.allSatisfy { readings.newest($0) >= count }
            }
            try await settle()
        }

        /// The command was answered well, and the meter has been read once more.
        func requireDone(_ id: String, _ meter: String, readings count: Int) async throws {
            try await effects[0].wait(for: "the reading that \(id) asks for") { $0.newest(meter) >= count }
            try await results.wait(for: "the answer to \(id)") { results in
                results.messages.contains { $0.json?["id"]?.string == id && $0.json?["ok"]?.bool == true }
            }
            try #require(effects[0].newest(meter) == count)
            try await settle()
        }

        /// A conversation may have a last word behind the reading: until nothing more is said for a while.
        private func settle() async throws {
            var before = try snapshot()
            while true {
                try await Task.sleep(for: .seconds(1))
                let now = try snapshot()
                if now == before { return }
                before = now
            }
        }

        /// What was said to the meters, in bytes and connections, and what came of the meters, by topic.
        func snapshot() throws -> [Int] {
            try wires.flatMap { [$0.connections, $0.heard.reduce(0) { $0 + $1.count }] }
                + effects.map { effect in
                    try effect.read()
                    // A state comes again by itself, without what has grown old in it.
                    return Set(effect.messages.map { "\($0.topic) \($0.json?["seq"]?.digits ?? $0.payload)" }).count
                }
        }
    }
}
