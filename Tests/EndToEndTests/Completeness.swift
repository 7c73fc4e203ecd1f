import Foundation
import Journal
import TestSupport
import Testing

/// What a subscriber gets of the readings of one daemon, taken up as it comes, and held against the daemon's journal.
final class Completeness {
    let subscriber: Subscriber
    let daemon: DaemonProcess
    private var looked = 0
    private var payloads: [String: [Int: String]] = [:]
    /// When the newest reading of each meter was captured, RFC 3339.
    private var captured: [String: String] = [:]
    private var problems: [String] = []

    init(of daemon: DaemonProcess, at subscriber: Subscriber) {
        self.daemon = daemon
        self.subscriber = subscriber
    }

    /// The newest seq of a meter that has come.
    func newest(_ meter: String) throws -> Int {
        try take()
        return payloads[meter]?.count ?? 0
    }

    private func take() throws {
        try subscriber.read()
        for message in subscriber.messages[looked...] where message.kind == "reading" {
            guard let reading = Subscriber.Reading(message) else {
                problems.append("\(message.topic) has no reading: \(message.payload.prefix(80))")
                continue
            }
            take(reading, of: message.meter)
        }
        looked = subscriber.messages.count
    }

    private func take(_ reading: Subscriber.Reading, of meter: String) {
        let known = payloads[meter, default: [:]]
        if let earlier = known[reading.seq] {
            if earlier != reading.payload { problems.append("\(meter) \(reading.seq) came in two versions") }
            return
        }
        // From 1 on without a hole: the number of those that came is the highest.
        if reading.seq != known.count + 1 { problems.append("\(meter) \(reading.seq) came after \(known.count)") }
        payloads[meter, default: [:]][reading.seq] = reading.payload
        captured[meter] = reading.capturedAt
    }

    // MARK: Waiting

    func wait(
        for what: String, within limit: Duration = .seconds(90), _ condition: (Completeness) async throws -> Bool
    ) async throws {
        let end = ContinuousClock.now + limit
        while true {
            try take()
            if try await condition(self) { return }
            guard ContinuousClock.now < end else {
                try daemon.log.read()
                let last = daemon.log.lines.suffix(5).joined(separator: "\n")
                throw NotInTime(description: "not within \(limit): \(what)\n\(last)")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Waits until the subscriber has more of each meter.
    func waitForMore(_ count: Int, of meters: [String] = ["main"]) async throws {
        try take()
        let before = meters.map { payloads[$0]?.count ?? 0 }
        try await wait(for: "\(count) readings of \(meters)") { now in
            zip(meters, before).allSatisfy { (now.payloads[$0]?.count ?? 0) >= $1 + count }
        }
    }

    /// Waits until the journal has taken more readings, whatever becomes of them.
    func waitForAccepted(_ count: Int) async throws {
        func taken() async throws -> Int { try await daemon.status()?["journal"]?["readings"]?.int ?? 0 }
        let before = try await taken()
        try await wait(for: "\(count) more readings in the journal") { _ in
            // Asked now and then: each question is a process.
            try await Task.sleep(for: .milliseconds(500))
            return try await taken() >= before + count
        }
    }

    /// Waits for a reading of each meter that was captured now or later, behind everything that had waited, and says
    /// how long it took.
    func recovery(of cell: String, within limit: Duration, meters: [String] = ["main"]) async throws {
        let began = ContinuousClock.now
        let instant = Date().ISO8601Format(.init(includingFractionalSeconds: true))
        try await wait(for: "the first new reading after: \(cell)", within: limit) { now in
            meters.allSatisfy { now.captured[$0].map { $0 > instant } ?? false }
        }
        FaultMatrix.tell(recovery: cell, ContinuousClock.now - began, within: limit)
    }

    // MARK: Everything

    /// Ends the daemon, reads its journal, and lets it start again until the subscriber has all of that.
    ///
    /// - Parameter start: how the daemon is started.
    @discardableResult
    func requireEverything(start: (DaemonProcess) throws -> Void = { try $0.start() }) async throws
        -> [JournaledReading]
    {
        try #require(try await daemon.terminate() == 0)
        let journaled = try await daemon.journaled()
        func hasEverything() -> Bool {
            journaled.allSatisfy { payloads[$0.meter]?[Int($0.seq)] != nil }
        }
        try take()
        if !hasEverything() {
            try start(daemon)
            try await wait(for: "all \(journaled.count) journaled readings") { _ in hasEverything() }
            try #require(try await daemon.terminate() == 0)
        }
        let different = journaled.filter {
            payloads[$0.meter]?[Int($0.seq)] != String(decoding: $0.payload, as: UTF8.self)
        }
        try #require(different.isEmpty, "byte for byte as journaled")
        try #require(problems == [])
        try #require(!journaled.isEmpty)
        return journaled
    }
}
