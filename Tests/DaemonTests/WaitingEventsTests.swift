import Journal
import OBIS
import Testing

@testable import Daemon

@Suite("Events on their way into the journal", .timeLimit(.minutes(2)))
struct WaitingEventsTests {
    private func draft(_ number: UInt8) -> EventDraft {
        EventDraft(meter: "main", kind: "anomaly", at: Timestamp(milliseconds: 0), payload: [number])
    }

    /// What the journal has when it has answered everything so far.
    private func numbers(_ journal: Journal) async throws -> [UInt8] {
        _ = try? await journal.value(forKey: "any", meter: "")
        try? await journal.set([1], forKey: "behind it", meter: "")
        return try await journal.events("anomaly", after: 0, limit: 1000).flatMap(\.payload)
    }

    private func state(_ journal: Journal) async throws -> [UInt8]? {
        try await journal.value(forKey: "state", meter: "main")
    }

    /// - Parameter isRefused: whether the journal takes nothing at first.
    private func withEvents(
        isRefused: Bool, _ body: (WaitingEvents, Journal) async throws -> Void
    ) async throws {
        try await withBench(P1.meter) { bench in
            if isRefused {
                try await bench.journal.limit(pages: 1)
                try await bench.fill()
            }
            try await body(WaitingEvents(meter: "main", stateKey: "state", journal: bench.journal), bench.journal)
        }
    }

    @Test("wait in their order for a journal that refuses them, and the state waits with them")
    func refused() async throws {
        try await withEvents(isRefused: true) { events, journal in
            events.handIn([draft(1), draft(2)], state: [1])
            events.handIn([draft(3)], state: [2])
            events.keep([3])
            #expect(try await numbers(journal) == [])
            #expect(try await state(journal) == nil)
            try await journal.limit(pages: 1_000_000)
            // Who comes now stands behind those that wait.
            events.handIn([draft(4)], state: [4])
            #expect(try await numbers(journal) == [1, 2, 3, 4])
            #expect(try await state(journal) == [4])
            events.keep([5])
            _ = try await numbers(journal)
            #expect(try await state(journal) == [5])
        }
    }

    @Test("are tried again, and a state that came meanwhile is kept behind them")
    func again() async throws {
        try await withEvents(isRefused: true) { events, journal in
            events.handIn([draft(1)], state: [1])
            #expect(try await numbers(journal) == [])
            try await journal.limit(pages: 1_000_000)
            events.retry(state: [2], isLast: true)
            events.keep([3])
            #expect(try await numbers(journal) == [1])
            _ = try await numbers(journal)
            #expect(try await state(journal) == [3])
        }
    }

    @Test("go without a state that is too large for the journal, and one that is too large itself holds up no other")
    func tooLarge() async throws {
        try await withEvents(isRefused: false) { events, journal in
            events.handIn([draft(1)], state: [UInt8](repeating: 0, count: 70_000))
            _ = try await numbers(journal)
            #expect(try await numbers(journal) == [1])
            #expect(try await state(journal) == nil)
            let large = EventDraft(
                meter: "main", kind: "anomaly", at: Timestamp(milliseconds: 0),
                payload: [UInt8](repeating: 0, count: 70_000))
            events.handIn([large], state: [1])
            for _ in 1...3 { _ = try await numbers(journal) }
            events.handIn([draft(2)], state: [2])
            #expect(try await numbers(journal) == [1, 2])
            #expect(try await state(journal) == [2])
        }
    }

    @Test("of a state that is given up are not told any more")
    func forgotten() async throws {
        try await withEvents(isRefused: true) { events, journal in
            events.handIn([draft(1)], state: [1])
            #expect(try await numbers(journal) == [])
            events.forget()
            try await journal.limit(pages: 1_000_000)
            events.handIn([draft(2)], state: [2])
            #expect(try await numbers(journal) == [2])
        }
    }
}
