import Foundation
import Journal
import OBIS
import TestSupport
import Testing

/// The power fails at every moment of a run. What the disk holds then is built from the record of its writes and syncs:
/// everything synced, and of the rest any part.
@Suite("Power cuts")
struct PowerCutTests {
    /// A run with everything that writes, and when it said what.
    struct Run {
        let disk: FaultDisk
        var openedAt: Int64 = .max
        var stream = ""
        /// With the number of operations at which `append` had returned.
        var accepted: [(reading: JournaledReading, at: Int64)] = []
        /// With the numbers of operations at which the cursor was asked to move, and at which a sync came behind it.
        var advances: [(position: Int64, from: Int64, synced: Int64)] = []

        init(
            _ disk: FaultDisk, seed: UInt64, steps: Int, synchronous: String? = nil, sync: JournalSettings.Sync = .full
        )
            async throws
        {
            self.disk = disk
            let settings = JournalSettings(keep: nil, maxSize: 1 << 18, sync: sync)
            var generator = SeededGenerator(seed: seed)
            var journal = try await reopen(settings, synchronous)
            _ = try await journal.cursor(of: "mqtt")
            for _ in 0..<steps {
                switch Int.random(in: 0..<20, using: &generator) {
                case 0..<12: try await append(Int.random(in: 1...4, using: &generator), journal)
                case 12..<16:
                    let position = (accepted.last?.reading.position ?? 0) - Int64.random(in: 0...60, using: &generator)
                    let from = disk.operations
                    try await journal.advance(outlet: "mqtt", to: OutletCursor(position))
                    advances.append((position, from, .max))
                case 16: await journal.retain()
                case 17, 18: try await journal.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                default:
                    guard Int.random(in: 0..<4, using: &generator) == 0 else { continue }
                    await journal.close()
                    journal = try await reopen(settings, synchronous)
                }
            }
            await journal.close()
        }

        private mutating func reopen(_ settings: JournalSettings, _ synchronous: String?) async throws -> Journal {
            let journal = try await open(disk.path, settings)
            if openedAt == .max { (openedAt, stream) = (disk.operations, journal.openStream) }
            #expect(journal.stream == stream)
            // Often, so that cuts fall into many of them.
            try await journal.execute("PRAGMA wal_autocheckpoint = 40")
            if let synchronous { try await journal.execute("PRAGMA synchronous = \(synchronous)") }
            return journal
        }

        private mutating func append(_ count: Int, _ journal: Journal) async throws {
            let disk = disk
            let readings = try await withThrowingTaskGroup(of: (reading: JournaledReading, at: Int64).self) { group in
                for index in 0..<count {
                    group.addTask {
                        let reading = try await journal.append(draft("meter-\(index)", padding: 700))
                        return (reading, disk.operations)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            accepted += readings.sorted { $0.reading.position < $1.reading.position }
            for index in advances.indices where advances[index].synced == .max {
                advances[index].synced = disk.operations
            }
        }
    }

    /// What was found after one cut.
    struct Findings {
        var lost = 0
        var others: [String] = []

        var isSound: Bool { lost == 0 && others.isEmpty }
    }

    /// Cuts the power again and again over a run.
    private func cuts(
        _ run: Run, every step: Int64, seeds: UInt64 = 1, _ check: (Int64, Findings) -> Void
    ) async throws -> Int {
        let replay = FaultDisk.Replay(run.disk)
        var count = 0
        for operations in stride(from: 0, through: run.disk.operations, by: Int64.Stride(step)) {
            for seed in 0..<seeds {
                try await withFaultDisk { disk in
                    try replay.write(at: operations, seed: UInt64(operations) << 8 | seed, to: disk.folder)
                    check(operations, try await findings(run, after: operations, disk))
                }
                count += 1
            }
        }
        return count
    }

    private func findings(_ run: Run, after operations: Int64, _ disk: FaultDisk) async throws -> Findings {
        var findings = Findings()
        let journal = try await open(disk.path, JournalSettings(keep: nil, maxSize: nil))
        if run.openedAt <= operations {
            if journal.stream != run.stream { findings.others.append("another stream") }
            if !journal.openingNotes.isEmpty { findings.others.append("\(journal.openingNotes)") }
        }
        let entries = try await journal.everything()
        compare(entries, with: run, after: operations, &findings)
        let known = run.advances.filter { $0.synced <= operations }.map(\.position).max() ?? 0
        let called = run.advances.filter { $0.from <= operations }.map(\.position).max() ?? 0
        let cursor = try await journal.cursor(of: "mqtt").position
        if cursor < known { findings.lost += 1 }
        if cursor > max(called, 0) { findings.others.append("a cursor that nobody set") }
        try await continueEachMeter(journal, entries, run, operations, &findings)
        await journal.close()
        return findings
    }

    private func compare(
        _ entries: [JournalEntry], with run: Run, after operations: Int64, _ findings: inout Findings
    ) {
        let found = Set(entries.compactMap(\.reading))
        let gaps = entries.compactMap(\.gap)
        let called = run.advances.filter { $0.from <= operations }.map(\.position).max() ?? 0
        for (reading, at) in run.accepted where at <= operations && !found.contains(reading) {
            let isTold = gaps.contains {
                $0.meter == reading.meter && ($0.fromSeq ?? .max)...($0.toSeq ?? .max) ~= reading.seq
            }
            if !isTold, reading.position > called { findings.lost += 1 }
        }
        if !found.isSubset(of: run.accepted.map(\.reading)) { findings.others.append("an invented reading") }
        if gaps.contains(where: { $0.reason != .journalFull }) { findings.others.append("damage") }
        if !zip(entries, entries.dropFirst()).allSatisfy({ $0.position < $1.position }) {
            findings.others.append("out of order")
        }
    }

    /// No meter's numbers have a hole, and the next one follows on the last.
    private func continueEachMeter(
        _ journal: Journal, _ entries: [JournalEntry], _ run: Run, _ operations: Int64, _ findings: inout Findings
    ) async throws {
        for index in 0..<4 {
            let meter = "meter-\(index)"
            var last: Int64?
            for entry in entries where entry.meter == meter {
                let (from, to) = (entry.reading?.seq ?? entry.gap?.fromSeq, entry.reading?.seq ?? entry.gap?.toSeq)
                if let last, from != last + 1 { findings.others.append("\(meter) goes from \(last) to \(from ?? -1)") }
                last = to
            }
            let next = try await journal.append(draft(meter)).seq
            let accepted = run.accepted.last { $0.at <= operations && $0.reading.meter == meter }?.reading.seq ?? 0
            if next <= accepted || last.map({ next != $0 + 1 }) == true {
                if next <= accepted {
                    findings.lost += 1
                } else {
                    findings.others.append("\(meter) goes on at \(next)")
                }
            }
        }
    }

    @Test("a power cut at any moment loses, invents and reorders nothing that was accepted")
    func everyMoment() async throws {
        try await withFaultDisk(recording: true) { disk in
            let run = try await Run(disk, seed: 11, steps: isLong ? 600 : 260)
            #expect(run.accepted.count > 200)
            var sound = 0
            let count = try await cuts(run, every: 1, seeds: isLong ? 2 : 1) { operations, findings in
                #expect(findings.isSound, "after \(operations) operations: \(findings)")
                if findings.isSound { sound += 1 }
            }
            print("power cuts: \(sound) of \(count)")
            #expect(count > 1000)
        }
    }

    @Test("the same cuts find what is lost where commits are not synced")
    func withoutSync() async throws {
        try await withFaultDisk(recording: true) { disk in
            let run = try await Run(disk, seed: 11, steps: 80, synchronous: "NORMAL")
            var lost = 0
            _ = try await cuts(run, every: 5) { _, findings in lost += findings.lost }
            #expect(lost > 20)
        }
    }

    @Test("a power cut loses nothing that was accepted where readings are synced together")
    func gathered() async throws {
        try await withFaultDisk(recording: true) { disk in
            let run = try await Run(disk, seed: 12, steps: 80, sync: .every(.milliseconds(2)))
            _ = try await cuts(run, every: isLong ? 1 : 4) { operations, findings in
                #expect(findings.isSound, "after \(operations) operations: \(findings)")
            }
        }
    }
}
