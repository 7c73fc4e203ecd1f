import Foundation
import Journal
import MQTT
import OBIS
import Testing

@testable import Daemon

@Suite("The way of anomalies to the broker")
struct EventLaneTests {
    private func withJournal(_ body: (Journal) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("obisd-lane-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("journal.db").path
        let journal = try await Journal.open(path: path, settings: JournalSettings(), logger: quietLogger)
        try await body(journal)
        await journal.close()
    }

    private func append(_ meters: [String], to journal: Journal) async throws -> Int64 {
        var newest: Int64 = 0
        for meter in meters {
            let draft = EventDraft(meter: meter, kind: "anomaly", at: Timestamp(milliseconds: 0), payload: [1])
            newest = try await journal.append(draft).number
        }
        return newest
    }

    @Test("they go one at a time, in their order, and not again after a restart")
    func order() async throws {
        try await withJournal { journal in
            let newest = try await append(["a", "b", "a"], to: journal)
            var lane = try #require(await EventLane(journal))
            #expect(await lane.next(newest: newest, journal) == nil)
            lane.isConnected = true
            var sent: [Int64] = []
            while let event = await lane.next(newest: newest, journal) {
                #expect(await lane.next(newest: newest, journal) == nil)
                sent.append(event.number)
                #expect(lane.concluded(event, .success(0)) == nil)
            }
            #expect(sent == [1, 2, 3])
            lane.record(journal)
            // Behind the record in the journal's order.
            try await journal.set([1], forKey: "x", meter: "")
            var again = try #require(await EventLane(journal))
            again.isConnected = true
            #expect(await again.next(newest: newest, journal) == nil)
        }
    }

    @Test("where damage has taken the newest events, those that follow are sent all the same")
    func anew() async throws {
        try await withJournal { journal in
            try await journal.set(Array("9".utf8), forKey: "events mqtt", meter: "")
            var lane = try #require(await EventLane(journal))
            lane.isConnected = true
            let newest = try await append(["a"], to: journal)
            #expect(await lane.next(newest: newest, journal)?.number == 1)
        }
    }

    @Test("events of other kinds are looked at once")
    func otherKinds() async throws {
        try await withJournal { journal in
            var lane = try #require(await EventLane(journal))
            lane.isConnected = true
            let draft = EventDraft(meter: "a", kind: "hour", at: Timestamp(milliseconds: 0), payload: [1])
            let newest = try await journal.append(draft).number
            #expect(lane.mayHaveNext(newest: newest))
            #expect(await lane.next(newest: newest, journal) == nil)
            #expect(!lane.mayHaveNext(newest: newest))
            let next = try await append(["a"], to: journal)
            #expect(await lane.next(newest: next, journal)?.number == 2)
        }
    }

    @Test("what is refused of one meter holds up that meter only, and goes first when it is tried again")
    func refused() async throws {
        try await withJournal { journal in
            let newest = try await append(["a", "b", "a", "c"], to: journal)
            var lane = try #require(await EventLane(journal))
            lane.isConnected = true
            let first = try #require(await lane.next(newest: newest, journal))
            #expect(lane.concluded(first, .failure(.refused(reason: 135))) == .refused(reason: 135))
            var sent: [Int64] = []
            while let event = await lane.next(newest: newest, journal) {
                sent.append(event.number)
                _ = lane.concluded(event, .success(0))
            }
            #expect(sent == [2, 4])
            // After a restart the refused ones are there.
            lane.record(journal)
            try await journal.set([1], forKey: "x", meter: "")
            var again = try #require(await EventLane(journal))
            again.isConnected = true
            #expect(await again.next(newest: newest, journal)?.number == 1)

            // One that is refused again does not keep the next meter from its turn.
            lane.retry()
            while let event = await lane.next(newest: newest, journal) {
                sent.append(event.number)
                _ = lane.concluded(event, .success(0))
            }
            #expect(sent == [2, 4, 1, 3])
        }
    }

    @Test("a connection that is lost loses none of them")
    func lost() async throws {
        try await withJournal { journal in
            let newest = try await append(["a", "a"], to: journal)
            var lane = try #require(await EventLane(journal))
            lane.isConnected = true
            let first = try #require(await lane.next(newest: newest, journal))
            lane.isConnected = false
            #expect(lane.concluded(first, .failure(.connectionLost)) == nil)
            #expect(await lane.next(newest: newest, journal) == nil)
            lane.isConnected = true
            var sent: [Int64] = []
            while let event = await lane.next(newest: newest, journal) {
                sent.append(event.number)
                _ = lane.concluded(event, .success(0))
            }
            #expect(sent == [1, 2])
        }
    }
}
