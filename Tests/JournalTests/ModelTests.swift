import Journal
import OBIS
import TestSupport
import Testing

/// Random operations, held against a list in memory.
@Suite("Against a model")
struct ModelTests {
    struct Model {
        var accepted: [Int64: JournaledReading] = [:]
        var seqs: [String: Int64] = [:]
        var newest: Int64 = 0
        var cursors: [String: Int64] = [:]
        /// Recorded gaps that have no numbers.
        var recorded: Set<Int64> = []
    }

    @Test("appending, acknowledging, retaining and reopening in any order loses nothing unexplained", arguments: 1...6)
    func random(seed: UInt64) async throws {
        try await withFolder { folder in
            var generator = SeededGenerator(seed: seed)
            var model = Model()
            let settings = JournalSettings(keep: .seconds(3600), maxSize: 1 << 19)
            var journal = try await open(folder + "/journal.db", settings)
            try await journal.withoutSync()
            // Known from the beginning: what was dropped before an outlet existed is not told to it.
            for outlet in ["mqtt", "file"] { model.cursors[outlet] = try await journal.cursor(of: outlet) }
            for step in 0..<120 {
                switch Int.random(in: 0..<10, using: &generator) {
                case 0..<5: try await append(Int.random(in: 1...40, using: &generator), to: journal, &model)
                case 5:
                    let time = Timestamp(milliseconds: Int64(step))
                    try await journal.record(
                        GapDraft(meter: "m0", fromTime: time, toTime: time, count: 2, reason: .journalUnavailable))
                    model.newest += 1
                    model.recorded.insert(model.newest)
                case 6, 7:
                    let outlet = Bool.random(using: &generator) ? "mqtt" : "file"
                    let position = Int64.random(in: -5...(model.newest + 5), using: &generator)
                    try await journal.advance(outlet: outlet, to: position)
                    model.cursors[outlet] = max(model.cursors[outlet] ?? 0, min(position, model.newest))
                case 8: await journal.retain()
                default:
                    await journal.close()
                    journal = try await open(folder + "/journal.db", settings)
                    try await journal.withoutSync()
                }
                if step % 20 == 19 { try await compare(journal, model) }
            }
            await journal.close()
        }
    }

    private func append(_ count: Int, to journal: Journal, _ model: inout Model) async throws {
        let readings = try await withThrowingTaskGroup(of: JournaledReading.self) { group in
            for index in 0..<count {
                group.addTask { try await journal.append(draft("m\(index % 3)", at: Int64(index), padding: 800)) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        for reading in readings.sorted(by: { $0.position < $1.position }) {
            let seq = model.seqs[reading.meter, default: 0] + 1
            #expect(reading.seq == seq)
            #expect(reading.position == model.newest + 1)
            model.seqs[reading.meter] = seq
            model.newest += 1
            model.accepted[reading.position] = reading
        }
    }

    private func compare(_ journal: Journal, _ model: Model) async throws {
        // What was about to be dropped in the background is, before anything is counted.
        await journal.retain()
        let entries = try await journal.everything(pages: 37)
        #expect(zip(entries, entries.dropFirst()).allSatisfy { $0.position < $1.position })
        for reading in entries.compactMap(\.reading) { #expect(model.accepted[reading.position] == reading) }
        let figures = await journal.figures()
        for (outlet, cursor) in model.cursors {
            #expect(try await journal.cursor(of: outlet) == cursor)
            let waiting = entries.filter { $0.position > cursor }
            #expect(figures.backlog[outlet] == Int64(waiting.count))
            for (meter, newest) in model.seqs {
                try expectExplained(waiting.filter { $0.meter == meter }, after: cursor, newest: newest, model)
            }
        }
        #expect(figures.readings == Int64(entries.filter { $0.reading != nil }.count))
    }

    /// What an outlet has still to take of a meter begins with the first reading that it does not have, or with a gap
    /// that covers it, and goes on without a hole.
    private func expectExplained(
        _ entries: [JournalEntry], after cursor: Int64, newest: Int64, _ model: Model
    ) throws {
        let meter = entries.first?.meter
        let had = model.accepted.values.filter { $0.meter == meter && $0.position <= cursor }.map(\.seq).max() ?? 0
        var next = had + 1
        for entry in entries where !model.recorded.contains(entry.position) {
            switch entry {
            case .reading(let reading):
                #expect(reading.seq == next)
                next = reading.seq + 1
            case .gap(let gap):
                #expect(try #require(gap.fromSeq) <= next)
                next = try #require(gap.toSeq) + 1
            }
        }
        if meter != nil { #expect(next == newest + 1) }
    }
}
