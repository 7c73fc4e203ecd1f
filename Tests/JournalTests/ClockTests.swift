import Journal
import OBIS
import Testing

@Suite("Clock jumps")
struct ClockTests {
    private static let hour: Int64 = 3_600_000
    private static let day = 24 * hour
    private static let now: Int64 = 1_768_000_000_000

    /// Where the clock goes after the first readings, and again after the next ones.
    struct Jumps: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let start: Int64
        let first: Int64
        let second: Int64
    }

    static let cases = [
        Jumps(testDescription: "1970 after boot, then set right", start: 0, first: now, second: now),
        Jumps(testDescription: "back to 1970", start: now, first: 0, second: now),
        Jumps(testDescription: "a day ahead and back", start: now, first: now + day, second: now),
        Jumps(testDescription: "a day back and ahead", start: now, first: now - day, second: now),
        Jumps(testDescription: "a century ahead and back", start: now, first: now + 36_500 * day, second: now),
        Jumps(testDescription: "before 1970", start: now, first: -now, second: now),
    ]

    @Test("a clock that jumps drops, loses and reorders nothing", arguments: cases)
    func jumping(_ jumps: Jumps) async throws {
        let clock = TestClock(jumps.start)
        let settings = JournalSettings(keep: .seconds(86_400 / 2))
        try await withJournal(settings, clock: clock.wall, seams: clock.seams) { journal, _ in
            var accepted: [JournalEntry] = []
            for time in [jumps.start, jumps.first, jumps.second] {
                clock.jump(to: time)
                for _ in 1...100 {
                    clock.run(1000)
                    accepted.append(.reading(try await journal.append(draft("main", at: clock.now))))
                }
                await journal.retain()
                try await journal.advance(outlet: "mqtt", to: OutletCursor(Int64(accepted.count) - 50))
                await journal.retain()
            }
            #expect(try await journal.everything() == accepted)
            #expect(accepted.compactMap(\.reading).map(\.seq) == Array(1...300))
            #expect(await journal.figures().oldestWaiting == accepted[250].reading?.capturedAt)
        }
    }

    @Test("age counts again when the clock has run evenly for an hour, and never for what was not delivered")
    func probation() async throws {
        let clock = TestClock(Self.now)
        let settings = JournalSettings(keep: .seconds(3600))
        try await withJournal(settings, clock: clock.wall, seams: clock.seams) { journal, _ in
            for _ in 1...20 { _ = try await journal.append(draft("main", at: clock.now)) }
            try await journal.advance(outlet: "mqtt", to: OutletCursor(15))
            clock.jump(to: Self.now + 10 * Self.day)
            for _ in 1...59 {
                await journal.retain()
                #expect(await journal.figures().readings == 20)
                clock.run(60_000)
            }
            clock.run(61_000)
            await journal.retain()
            #expect(try await journal.everything().map(\.position) == Array(16...20))
            // Another jump, and the hour begins anew.
            try await journal.advance(outlet: "mqtt", to: OutletCursor(20))
            clock.jump(to: 0)
            await journal.retain()
            clock.jump(to: Self.now + 20 * Self.day)
            await journal.retain()
            #expect(await journal.figures().readings == 5)
        }
    }
}
