import Foundation
import TestSupport

/// A client of another make that writes down what it gets.
final class Subscriber {
    struct Message {
        let isRetained: Bool
        let topic: String
        let payload: String

        var json: ExactJSON? { ExactJSON(payload) }
        /// The last level of the topic.
        var kind: String { topic.split(separator: "/").last.map(String.init) ?? "" }
        /// The level before it.
        var meter: String { topic.split(separator: "/").dropLast().last.map(String.init) ?? "" }
    }

    private(set) var messages: [Message] = []
    private let process: ChildProcess
    private let file: LineFile

    /// - Parameters:
    ///   - session: a name under which the broker keeps what the subscriber misses while it is away.
    ///   - user, password: for brokers that tell their users apart.
    init(
        port: Int, folder: URL, filter: String = "obisd/#", session: String? = nil, user: String? = nil,
        password: String? = nil
    ) throws {
        file = LineFile(folder.appendingPathComponent("subscriber-\(UUID().uuidString)").path)
        let persistent =
            (session.map { ["-c", "-i", $0] } ?? []) + (user.map { ["-u", $0] } ?? [])
            + (password.map { ["-P", $0] } ?? [])
        process = try ChildProcess(
            "/usr/bin/env",
            [
                "mosquitto_sub", "-V", "mqttv311", "-p", "\(port)", "-q", "1", "-t", filter, "-F",
                "%r %t %p",
            ]
                + persistent,
            output: file.path, error: "/dev/null")
    }

    deinit { keep() }

    func end() { process.end(SIGTERM) }

    /// Leaves everything that came for `scripts/check-schemas`, where the run asks for it.
    private func keep() {
        guard let folder = ProcessInfo.processInfo.environment["OBISD_MESSAGES"] else { return }
        let copy = URL(fileURLWithPath: folder).appendingPathComponent(UUID().uuidString)
        try? FileManager.default.copyItem(atPath: file.path, toPath: copy.path)
    }

    func read() throws {
        for line in try file.read() {
            let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false).map(
                String.init)
            guard parts.count == 3 else { continue }
            messages.append(Message(isRetained: parts[0] == "1", topic: parts[1], payload: parts[2]))
        }
    }

    /// Reads until the messages fit.
    func wait(
        for what: String, within limit: Duration = .seconds(90),
        _ condition: (Subscriber) throws -> Bool
    ) async throws {
        do {
            try await waitFor(what, within: limit) {
                try read()
                return try condition(self)
            }
        } catch let error as NotInTime {
            let last = messages.suffix(5).map { "\($0.topic) \($0.payload.prefix(120))" }
            throw NotInTime(description: "\(error)\n\(last.joined(separator: "\n"))")
        }
    }

    // MARK: What came

    func last(_ topic: String) -> Message? { messages.last { $0.topic == topic } }

    func readings(_ meter: String) -> [Reading] {
        messages.filter { $0.kind == "reading" && $0.meter == meter }.compactMap(Reading.init)
    }

    func newest(_ meter: String) -> Int { readings(meter).map(\.seq).max() ?? 0 }

    /// One `reading` with what proves that none is missing.
    struct Reading {
        let seq: Int
        let stream: String
        let capturedAt: String
        let payload: String
        let json: ExactJSON

        init?(_ message: Message) {
            guard let json = message.json, let seq = json["seq"]?.int,
                let stream = json["stream"]?.string,
                let capturedAt = json["captured_at"]?.string
            else { return nil }
            self.seq = seq
            self.stream = stream
            self.capturedAt = capturedAt
            payload = message.payload
            self.json = json
        }
    }

    /// A sentence for everything that breaks the promise of a sequence: no hole from 1 on, new ones in order,
    /// repeats identical, one stream.
    func sequenceProblems(_ meter: String) -> [String] {
        var problems: [String] = []
        var known: [Int: String] = [:]
        var highest = 0
        for reading in readings(meter) {
            if let earlier = known[reading.seq] {
                if earlier != reading.payload {
                    problems.append("\(meter) \(reading.seq) came in two versions")
                }
                continue
            }
            if reading.seq != highest + 1 {
                problems.append("\(meter) \(reading.seq) came after \(highest)")
            }
            known[reading.seq] = reading.payload
            highest = max(highest, reading.seq)
        }
        if Set(readings(meter).map(\.stream)).count > 1 { problems.append("the stream changed") }
        return problems
    }

    /// How many messages came more than once.
    func repeats(_ meter: String) -> Int {
        let all = readings(meter).map(\.seq)
        return all.count - Set(all).count
    }
}
