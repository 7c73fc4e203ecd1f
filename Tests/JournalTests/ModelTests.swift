import Foundation
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

    struct Sequence: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let seed: UInt64

        /// Those with a name once showed something.
        static let all =
            [
                Sequence(testDescription: "a cursor that stays where it is, and a kill after a refusal", seed: 79)
            ] + (1...(isLong ? 400 : 8)).map { Sequence(testDescription: "seed \($0)", seed: $0) }
    }

    @Test(
        "appending, acknowledging, retaining, refusing, crashing and reopening in any order loses nothing unexplained",
        arguments: Sequence.all)
    func random(_ sequence: Sequence) async throws {
        try await withFolder { folder in
            var generator = SeededGenerator(seed: sequence.seed)
            var world = try await World(folder)
            // Known from the beginning: what was dropped before an outlet existed is not told to it.
            for outlet in ["mqtt", "file"] {
                world.model.cursors[outlet] = try await world.journal.cursor(of: outlet).position
            }
            for step in 0..<120 {
                try await take(Int.random(in: 0..<14, using: &generator), in: &world, &generator)
                if step % 20 == 19 { try await compare(world.journal, world.model) }
            }
            await world.journal.close()
        }
    }

    /// The journal in its present place, on a disk and with a clock that are at the test's command.
    struct World {
        static let settings = JournalSettings(keep: .seconds(7200), maxSize: 1 << 19)
        let root: String
        let clock = TestClock(1_768_000_000_000)
        var disk: FaultDisk
        var journal: Journal
        var model = Model()
        var crashes = 0
        /// Whether the last commit was refused: until an entry is written, the log may end with it.
        var endsWithRefusal = false

        init(_ root: String) async throws {
            self.root = root
            disk = FaultDisk(root)
            journal = try await Journal.open(
                path: disk.path, settings: Self.settings, logger: .silent, clock: clock.wall, seams: clock.seams)
        }

        mutating func reopen() async throws {
            journal = try await Journal.open(
                path: disk.path, settings: Self.settings, logger: .silent, clock: clock.wall, seams: clock.seams)
            #expect(journal.openingNotes.isEmpty)
        }

        /// What the kernel has of the files goes on elsewhere, as after a kill.
        mutating func crash() async throws {
            crashes += 1
            let folder = "\(root)/\(crashes)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            let left = journal
            let (from, to) = (disk.path, folder + "/journal.db")
            // Between two transactions of what is done in the background.
            try await left.withConnection { _ in
                for suffix in ["", "-wal"] {
                    try FileManager.default.copyItem(atPath: from + suffix, toPath: to + suffix)
                }
            }
            await left.close()
            disk = FaultDisk(folder)
            try await reopen()
        }
    }

    private func take(_ step: Int, in world: inout World, _ generator: inout SeededGenerator) async throws {
        switch step {
        case 0..<5: try await append(Int.random(in: 1...40, using: &generator), to: &world)
        case 5:
            let time = Timestamp(milliseconds: world.clock.now)
            try await world.journal.record(
                GapDraft(meter: "m0", fromTime: time, toTime: time, count: 2, reason: .journalUnavailable))
            world.endsWithRefusal = false
            world.model.newest += 1
            world.model.recorded.insert(world.model.newest)
        case 6, 7:
            let outlet = Bool.random(using: &generator) ? "mqtt" : "file"
            let position = Int64.random(in: -5...(world.model.newest + 5), using: &generator)
            // Writes nothing where the cursor is there already, so the log may end as before.
            try await world.journal.advance(outlet: outlet, to: OutletCursor(position))
            world.model.cursors[outlet] = max(world.model.cursors[outlet] ?? 0, min(position, world.model.newest))
        case 8: await world.journal.retain()
        case 9:
            await world.journal.close()
            try await world.reopen()
        case 10, 11:
            if !world.endsWithRefusal { try await world.crash() }
        case 12: try await refuse(&world, &generator)
        default:
            world.clock.run(Int64.random(in: 0...7_200_000, using: &generator))
            guard Int.random(in: 0..<3, using: &generator) == 0 else { return }
            world.clock.jump(
                to: [0, world.clock.now + 86_400_000, world.clock.now - 86_400_000].randomElement(using: &generator)
                    ?? 0)
        }
    }

    /// The disk fails from some write on, and works again.
    private func refuse(_ world: inout World, _ generator: inout SeededGenerator) async throws {
        let codes: [Int32] = [13, 778, 1034]
        world.disk.fail(
            after: Int64.random(in: 0...9, using: &generator), code: codes.randomElement(using: &generator) ?? 13,
            syncsToo: Bool.random(using: &generator))
        for _ in 0..<4 {
            do throws(JournalError) {
                let reading = try await world.journal.append(draft("m1", at: world.clock.now, padding: 800))
                accept([reading], &world.model)
                world.endsWithRefusal = false
            } catch {
                world.endsWithRefusal = true
            }
        }
        world.disk.fail(after: nil)
    }

    private func append(_ count: Int, to world: inout World) async throws {
        let journal = world.journal
        let now = world.clock.now
        let readings = try await withThrowingTaskGroup(of: JournaledReading.self) { group in
            for index in 0..<count {
                group.addTask { try await journal.append(draft("m\(index % 3)", at: now, padding: 800)) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        accept(readings, &world.model)
        world.endsWithRefusal = false
    }

    private func accept(_ readings: [JournaledReading], _ model: inout Model) {
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
            #expect(try await journal.cursor(of: outlet).position == cursor)
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
