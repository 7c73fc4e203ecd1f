import Journal
import OBIS
import Testing

@Suite("Retention")
struct RetentionTests {
    private static let day: Int64 = 86_400_000

    @Test("what every outlet has is dropped when it is too old, and nothing else")
    func age() async throws {
        let clock = TestClock(Self.day)
        let settings = JournalSettings(keep: .seconds(86_400))
        try await withJournal(settings, clock: clock.wall, seams: clock.seams) { journal, _ in
            try await journal.withoutSync()
            await journal.retain()
            for index in 0..<600 { _ = try await journal.append(draft("main", at: Self.day + Int64(index))) }
            _ = try await journal.cursor(of: "file")
            try await journal.advance(outlet: "mqtt", to: OutletCursor(590))
            clock.run(Self.day + 550)
            await journal.retain()
            #expect(await journal.figures().readings == 600)

            try await journal.advance(outlet: "file", to: OutletCursor(580))
            await journal.retain()
            #expect(try await journal.everything().first?.position == 551)
            clock.run(98 * Self.day)
            await journal.retain()
            let figures = await journal.figures()
            #expect(figures.readings == 20)
            #expect(figures.backlog == ["file": 20, "mqtt": 10])
            #expect(figures.expired == 580)
            #expect(figures.givenUp == 0)
            #expect(try await journal.everything().map(\.position) == Array(581...600))
            #expect(try await journal.append(draft("main")).seq == 601)
        }
    }

    @Test("with nowhere to publish, age drops nothing")
    func noOutlet() async throws {
        let clock = TestClock(1_768_000_000_000)
        try await withJournal(JournalSettings(keep: .zero), clock: clock.wall, seams: clock.seams) { journal, _ in
            try await journal.withoutSync()
            for _ in 0..<10 { _ = try await journal.append(draft("main")) }
            await journal.retain()
            clock.run(Self.day)
            await journal.retain()
            #expect(await journal.figures().readings == 10)
        }
    }

    @Test("at its size the journal first drops what every outlet has")
    func sizeAcknowledged() async throws {
        try await withJournal(JournalSettings(keep: nil, maxSize: 1 << 20)) { journal, _ in
            try await journal.withoutSync()
            for _ in 0..<2000 {
                let reading = try await journal.append(draft("main", padding: 1000))
                if reading.position % 50 == 0 {
                    try await journal.advance(outlet: "mqtt", to: OutletCursor(reading.position))
                }
            }
            await journal.retain()
            let figures = await journal.figures()
            #expect(figures.givenUp == 0)
            #expect(figures.expired > 500)
            #expect(figures.readings + figures.expired == 2000)
            #expect(try await journal.number("PRAGMA page_count").map { $0 * 4096 <= 1 << 20 } == true)
            #expect(try await journal.everything().allSatisfy { $0.reading != nil })
        }
    }

    @Test("readings given up for the size are told as gaps in queue order, one per meter, and nothing is unexplained")
    func sizeGivenUp() async throws {
        let lines = LogLines()
        try await withJournal(JournalSettings(keep: nil, maxSize: 1 << 19), logger: .collecting(lines)) { journal, _ in
            try await journal.withoutSync()
            try await journal.advance(outlet: "mqtt", to: OutletCursor(0))
            for index in 0..<1500 {
                _ = try await journal.append(draft("meter-\(index % 3)", at: Int64(index), padding: 1000))
            }
            try await journal.advance(outlet: "mqtt", to: OutletCursor(30))
            await journal.retain()

            let entries = try await journal.everything()
            #expect(entries.map(\.position) == entries.map(\.position).sorted())
            #expect(Set(entries.map(\.position)).count == entries.count)
            for meter in ["meter-0", "meter-1", "meter-2"] {
                try expectNothingMissing(entries.filter { $0.meter == meter }, newest: 500)
            }
            let figures = await journal.figures()
            let gaps = entries.compactMap(\.gap)
            #expect(gaps.count == 3)
            #expect(gaps.map(\.count).reduce(0, +) == figures.givenUp)
            #expect(figures.readings == Int64(entries.count - 3))
            #expect(figures.backlog == ["mqtt": Int64(entries.count)])
            #expect(figures.readings + figures.givenUp + figures.expired == 1500)
            #expect(lines.all.filter { $0.contains("given up") }.count == 1)

            // Once told, a gap goes with the readings behind it.
            try await journal.advance(outlet: "mqtt", to: OutletCursor(1500))
            #expect(await journal.figures().backlog == ["mqtt": 0])
            for _ in 0..<600 {
                let reading = try await journal.append(draft("meter-0", padding: 1000))
                try await journal.advance(outlet: "mqtt", to: OutletCursor(reading.position))
            }
            await journal.retain()
            #expect(try await journal.everything().allSatisfy { $0.gap == nil })
        }
    }

    /// The queue of one meter: gaps and readings follow each other to the newest number.
    private func expectNothingMissing(_ entries: [JournalEntry], newest: Int64) throws {
        var next: Int64?
        for entry in entries {
            let (from, to): (Int64, Int64)
            switch entry {
            case .reading(let reading): (from, to) = (reading.seq, reading.seq)
            case .gap(let gap):
                from = try #require(gap.fromSeq)
                to = try #require(gap.toSeq)
                #expect(gap.count == to - from + 1)
                #expect(gap.reason == .journalFull)
                #expect(gap.fromTime.milliseconds < gap.toTime.milliseconds)
            }
            if let next { #expect(from == next) }
            next = to + 1
        }
        #expect(next == newest + 1)
    }

    @Test("the newest reading stays, however small the limit is")
    func tinyLimit() async throws {
        try await withJournal(JournalSettings(keep: nil, maxSize: 1)) { journal, _ in
            try await journal.withoutSync()
            for _ in 0..<200 { _ = try await journal.append(draft("main", padding: 1000)) }
            await journal.retain()
            let entries = try await journal.everything()
            #expect(entries.compactMap(\.reading).map(\.seq) == [200])
            #expect(entries.compactMap(\.gap).map(\.count) == [199])
        }
    }

    @Test("a limit that was lowered shrinks the file when it is opened")
    func lowered() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let large = try await open(path, JournalSettings(keep: nil, maxSize: nil))
            try await large.withoutSync()
            for _ in 0..<1000 { _ = try await large.append(draft("main", padding: 2000)) }
            try await large.advance(outlet: "mqtt", to: OutletCursor(1000))
            await large.close()
            let small = try await open(path, JournalSettings(keep: nil, maxSize: 1 << 18))
            await small.retain()
            await small.close()
            let reopened = try await open(path, JournalSettings(keep: nil, maxSize: 1 << 18))
            #expect(await reopened.figures().fileBytes <= 1 << 18)
            #expect(await reopened.figures().readings > 0)
            await reopened.close()
        }
    }

    @Test("where one meter's readings wait by themselves, only they are told as given up")
    func apart() async throws {
        try await withJournal(JournalSettings(keep: nil, maxSize: 1 << 18)) { journal, _ in
            _ = try await journal.cursor(of: "mqtt")
            for index in 1...600 {
                let reading = try await journal.append(draft("meter-\(index % 3)", padding: 900))
                // The outlet has everything but what is of one meter.
                guard reading.position % 10 == 0 else { continue }
                try await journal.advance(
                    outlet: "mqtt", to: OutletCursor(reading.position, apart: ["meter-1": 0]))
            }
            await journal.retain()
            let figures = await journal.figures()
            #expect(figures.givenUp > 50 && figures.expired > 100)
            let gaps = try await journal.everything().compactMap(\.gap)
            #expect(gaps.map(\.meter) == ["meter-1"])
            #expect(gaps.first?.fromSeq == 1 && gaps.first?.count == figures.givenUp)
            // The gap and what is left of the meter, and nothing that was delivered.
            let first = try #require(gaps.first)
            let page = try await journal.entries(of: "meter-1", after: 0, through: 600, limit: 3)
            #expect(page.entries.first?.gap == first)
            #expect(page.entries.dropFirst().first?.reading?.seq == first.toSeq.map { $0 + 1 })
        }
    }
}
