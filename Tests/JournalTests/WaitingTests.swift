import GRDB
import OBIS
import Testing

@testable import Journal

@Suite("What waits of each meter")
struct WaitingTests {
    private func fill(_ journal: Journal, _ meters: [String]) async throws {
        for meter in meters { _ = try await journal.append(draft(meter)) }
    }

    @Test("readings behind the cursor are counted by meter; one that never had any has none")
    func counts() async throws {
        try await withJournal { journal, _ in
            try await fill(journal, ["main", "flat", "main", "main", "heat"])
            func waiting(_ cursor: OutletCursor) async throws -> [Int64?] {
                let waiting = try #require(await journal.waiting(after: cursor))
                return ["main", "flat", "heat", "nobody"].map { waiting.count(of: $0) }
            }
            #expect(try await waiting(OutletCursor(0)) == [3, 1, 1, 0])
            #expect(try await waiting(OutletCursor(2)) == [2, 0, 1, 0])
            #expect(try await waiting(OutletCursor(5)) == [0, 0, 0, 0])
            // The other side does not take what is of one meter.
            #expect(try await waiting(OutletCursor(5, apart: ["main": 1])) == [2, 0, 0, 0])
        }
    }

    @Test("a gap alone is no reading")
    func gap() async throws {
        try await withJournal { journal, _ in
            try await fill(journal, ["main"])
            try await journal.record(
                GapDraft(
                    meter: "main", fromTime: Timestamp(milliseconds: 1), toTime: Timestamp(milliseconds: 2), count: 3,
                    reason: .journalFull))
            #expect(await journal.waiting(after: OutletCursor(1))?.count(of: "main") == 0)
        }
    }

    @Test("what lies further back than is looked is not known, and not zero")
    func depth() async throws {
        try await withJournal { journal, _ in
            try await fill(journal, ["main", "main", "main", "rare"])
            func rare(_ depth: Int) async throws -> Int64? {
                try await journal.withConnection { try $0.waitingReadings(after: OutletCursor(0), depth: depth) }
                    .count(of: "rare")
            }
            #expect(try await rare(3) == nil)
            #expect(try await rare(4) == 1)
        }
    }
}
