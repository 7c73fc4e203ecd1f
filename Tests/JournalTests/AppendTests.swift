import Foundation
import Journal
import OBIS
import Testing

@Suite("Appending")
struct AppendTests {
    @Test("each meter counts from 1 without holes while many append at once")
    func sequence() async throws {
        try await withJournal { journal, _ in
            let meters = (0..<8).map { "meter-\($0)" }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<400 {
                    group.addTask { _ = try await journal.append(draft(meters[index % meters.count])) }
                }
                try await group.waitForAll()
            }
            let readings = try await journal.everything().compactMap(\.reading)
            #expect(readings.map(\.position) == Array(1...400))
            for meter in meters {
                #expect(readings.filter { $0.meter == meter }.map(\.seq) == Array(1...50))
            }
        }
    }

    @Test("the payload is built with the stream and the number that it gets")
    func payload() async throws {
        try await withJournal { journal, _ in
            _ = try await journal.append(draft("main"))
            let second = try await journal.append(draft("main"))
            #expect(String(decoding: second.payload, as: UTF8.self) == "\(journal.openStream) main 2")
        }
    }

    @Test("entries come back byte for byte as appended, also after reopening", arguments: [0, 1, 1300, 5000, 1 << 20])
    func bytes(size: Int) async throws {
        try await withFolder { folder in
            let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            let captured = Timestamp(milliseconds: -1)
            let first = try await open(folder + "/journal.db")
            let appended = try await first.append(ReadingDraft(meter: "ä", capturedAt: captured) { _, _ in payload })
            #expect(appended.payload == payload)
            await first.close()
            let second = try await open(folder + "/journal.db")
            #expect(try await second.everything() == [.reading(appended)])
            await second.close()
        }
    }

    @Test("reopening continues the numbers and keeps the stream, also with nothing left in the queue")
    func reopening() async throws {
        try await withFolder { folder in
            let first = try await open(folder + "/journal.db")
            for _ in 1...3 { _ = try await first.append(draft("main")) }
            try await first.execute("DELETE FROM reading")
            await first.close()
            let second = try await open(folder + "/journal.db")
            let next = try await second.append(draft("main"))
            #expect(next.seq == 4)
            #expect(next.position == 4)
            #expect(second.stream == first.stream)
            #expect(second.openingNotes.isEmpty)
            await second.close()
        }
    }

    @Test("a stream is 32 lower-case hexadecimal digits and another in every file")
    func stream() async throws {
        let streams = try await [
            withJournal { journal, _ in journal.openStream }, withJournal { journal, _ in journal.openStream },
        ]
        #expect(Set(streams).count == 2)
        for stream in streams {
            #expect(stream.count == 32)
            #expect(stream.allSatisfy { "0123456789abcdef".contains($0) })
        }
    }

    @Test("a reading that is too large is refused with its size, and the one beside it is taken")
    func tooLarge() async throws {
        try await withJournal { journal, _ in
            let error = await failure { try await journal.append(draft("main", padding: 1 << 20)) }
            #expect(error?.code == .limit)
            #expect(error?.message.contains("1048576") == true)
            let next = try await journal.append(draft("main"))
            #expect(next.seq == 1)
            #expect(await journal.figures().lastError == nil)
        }
    }

    @Test("values given with a reading are there with it, and are gone when nil is set")
    func values() async throws {
        try await withFolder { folder in
            let first = try await open(folder + "/journal.db")
            var reading = draft("main")
            reading.values = ["invocation_counter": [0, 1, 2], "epoch": []]
            _ = try await first.append(reading)
            try await first.set([9], forKey: "epoch", meter: "other")
            await first.close()
            let second = try await open(folder + "/journal.db")
            #expect(try await second.value(forKey: "invocation_counter", meter: "main") == [0, 1, 2])
            #expect(try await second.value(forKey: "epoch", meter: "main") == [])
            #expect(try await second.value(forKey: "epoch", meter: "other") == [9])
            try await second.set([3], forKey: "invocation_counter", meter: "main")
            #expect(try await second.value(forKey: "invocation_counter", meter: "main") == [3])
            try await second.set(nil, forKey: "invocation_counter", meter: "main")
            #expect(try await second.value(forKey: "invocation_counter", meter: "main") == nil)
            await second.close()
        }
    }

    @Test("a value that is too large takes its reading with it, and no number is used")
    func largeValue() async throws {
        try await withJournal { journal, _ in
            var reading = draft("main")
            reading.values = ["key": [UInt8](repeating: 0, count: 65_537)]
            #expect(await failure { try await journal.append(reading) }?.code == .limit)
            let next = try await journal.append(draft("main"))
            #expect(next.seq == 1 && next.position == 1)
        }
    }

    @Test("readings given together are there all or none, with the values of each")
    func together() async throws {
        try await withJournal { journal, _ in
            let drafts = (0..<3).map { index in
                var reading = draft("main")
                reading.values = ["cursor": [UInt8(index)]]
                return reading
            }
            #expect(try await journal.append(drafts).map(\.seq) == [1, 2, 3])
            #expect(try await journal.value(forKey: "cursor", meter: "main") == [2])
            var refused = drafts
            refused[2].encode = { _, _ in [UInt8](repeating: 0, count: (1 << 20) + 1) }
            async let others = journal.append(draft("other"))
            #expect(await failure { try await journal.append(refused) }?.code == .limit)
            #expect(try await others.seq == 1)
            #expect(try await journal.value(forKey: "cursor", meter: "main") == [2])
            let next = try await journal.append(draft("main"))
            #expect(next.seq == 4 && next.position == 5)
            #expect(try await journal.append([ReadingDraft]()).isEmpty)
        }
    }

    @Test("readings that could not be journaled are told in queue order, without a number")
    func recordedGap() async throws {
        try await withJournal { journal, _ in
            _ = try await journal.append(draft("main"))
            let from = Timestamp(milliseconds: 10)
            let to = Timestamp(milliseconds: 20)
            try await journal.record(
                GapDraft(meter: "main", fromTime: from, toTime: to, count: 7, reason: .journalUnavailable))
            let after = try await journal.append(draft("main"))
            #expect(after.seq == 2)
            let entries = try await journal.everything(pages: 1)
            #expect(entries.map(\.position) == [1, 2, 3])
            let gap = try #require(entries[1].gap)
            #expect(gap.meter == "main")
            #expect(gap.fromSeq == nil && gap.toSeq == nil)
            #expect(gap.fromTime == from && gap.toTime == to)
            #expect(gap.count == 7 && gap.reason == .journalUnavailable)
            #expect(await journal.figures().readings == 2)
        }
    }

    @Test("pages cover the queue exactly, whatever their size", arguments: [1, 3, 7, 100])
    func pages(size: Int) async throws {
        try await withJournal { journal, _ in
            for index in 0..<20 {
                if index % 5 == 4 {
                    let time = Timestamp(milliseconds: 0)
                    try await journal.record(
                        GapDraft(meter: "a", fromTime: time, toTime: time, count: 1, reason: .journalFull))
                } else {
                    _ = try await journal.append(draft("a"))
                }
            }
            #expect(try await journal.everything(pages: size).map(\.position) == Array(1...20))
            #expect(try await journal.entries(after: 0, limit: 0).isEmpty)
            #expect(try await journal.entries(after: 20, limit: size).isEmpty)
        }
    }

    @Test("a page of large readings is cut short, and the next goes on")
    func largePages() async throws {
        try await withJournal { journal, _ in
            try await journal.withoutSync()
            for _ in 0..<12 { _ = try await journal.append(draft("a", padding: 1_000_000)) }
            let page = try await journal.entries(after: 0, limit: 100)
            #expect(page.count == 9)
            #expect(try await journal.everything().map(\.position) == Array(1...12))
        }
    }

    @Test("after closing, every call says that the journal is closed")
    func closed() async throws {
        try await withFolder { folder in
            let journal = try await open(folder + "/journal.db")
            await journal.close()
            await journal.close()
            #expect(await failure { try await journal.append(draft("main")) }?.code == .closed)
            #expect(await failure { try await journal.entries(after: 0, limit: 1) }?.code == .closed)
            #expect(await failure { try await journal.cursor(of: "mqtt") }?.code == .closed)
            #expect(await failure { try await journal.advance(outlet: "mqtt", to: OutletCursor(1)) }?.code == .closed)
            #expect(await journal.figures().readings == 0)
            await journal.retain()
        }
    }
}
