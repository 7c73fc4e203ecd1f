import Foundation
import Journal
import OBIS
import Synchronization
import TestSupport
import Testing

/// Files damaged at random: whatever is left of them goes on, and nothing else is given out.
@Suite("Corruption")
struct CorruptionTests {
    enum Kind: CaseIterable {
        case bit, bits, zeroes, noise, cut
    }

    /// Nothing is dropped.
    static let settings = JournalSettings(keep: nil, maxSize: nil)

    /// A journal before its damage.
    struct Original {
        var database = Data()
        var log = Data()
        var stream = ""
        var accepted: [JournaledReading] = []
        var places: [Set<Int>?] = []
        static let acknowledged: Int64 = 20

        /// - Parameter isClosed: otherwise as a crash leaves it, with much of it in the log.
        init(isClosed: Bool, in folder: String, checkpoints: Int = 60) async throws {
            let path = folder + "/original-\(isClosed).db"
            let journal = try await JournalTests.open(path, CorruptionTests.settings)
            try await journal.execute("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA wal_autocheckpoint = \(checkpoints)")
            stream = journal.openStream
            for index in 0..<90 {
                accepted.append(
                    try await journal.append(
                        draft("meter-\(index % 3)", at: Int64(index) * 1000, padding: index % 9 == 8 ? 6000 : 900)))
            }
            try await journal.advance(outlet: "mqtt", to: OutletCursor(Self.acknowledged))
            try await journal.set([1, 2, 3], forKey: "epoch", meter: "meter-1")
            if isClosed { await journal.close() }
            database = try Data(contentsOf: URL(fileURLWithPath: path))
            log = (try? Data(contentsOf: URL(fileURLWithPath: path + "-wal"))) ?? Data()
            await journal.close()
            places = accepted.map(pages(of:))
        }

        /// The pages on which each reading stands; none where it stands in the log alone, nil for a long one, which goes
        /// on in others.
        private func pages(of reading: JournaledReading) -> Set<Int>? {
            let payload = Data(reading.payload)
            guard payload.count < 3000 else { return nil }
            var pages: Set<Int> = []
            var rest = database.startIndex..<database.endIndex
            while let found = database.range(of: payload, in: rest) {
                pages.insert(found.lowerBound / 4096)
                rest = found.upperBound..<database.endIndex
            }
            return pages.isEmpty && log.range(of: payload) == nil ? nil : pages
        }

        /// The readings that stand on pages that are as they were.
        func undamaged(in damaged: Data) -> [JournaledReading] {
            let sound = (0..<(damaged.count / 4096)).filter { page in
                let bytes = (page * 4096)..<((page + 1) * 4096)
                return damaged[bytes] == database[bytes]
            }
            return zip(accepted, places).filter { $1?.isSubset(of: sound) == true }.map(\.0)
        }
    }

    private func damage(_ data: Data, _ kind: Kind, _ generator: inout SeededGenerator) -> Data {
        var data = data
        switch kind {
        case .bit, .bits:
            for _ in 0..<(kind == .bit ? 1 : 8) {
                let offset = Int.random(in: 0..<data.count, using: &generator)
                // Half of them where a page begins, which holds the file together.
                let place = Bool.random(using: &generator) ? offset : offset / 4096 * 4096 + offset % 60
                data[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
            }
        case .zeroes, .noise:
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let start = Int.random(in: 0..<(data.count / 4096), using: &generator) * 4096
                let content = kind == .zeroes ? [UInt8](repeating: 0, count: 4096) : generator.bytes(4096)
                data.replaceSubrange(start..<(start + 4096), with: content)
            }
        case .cut: data = data.prefix(Int.random(in: 1..<data.count, using: &generator))
        }
        return data
    }

    private enum Outcome: String {
        case inPlace = "in place"
        case restored, newStream = "new stream", refused
    }

    @Test("a file that is damaged at random gives all that is whole in it, in order, and nothing else")
    func random() async throws {
        try await withFolder { folder in
            let originals = [
                try await Original(isClosed: true, in: folder), try await Original(isClosed: false, in: folder),
            ]
            var generator = SeededGenerator(seed: 8)
            var outcomes: [String: Int] = [:]
            var sound = 0
            let rounds = isLong ? 5000 : 500
            for round in 0..<rounds {
                let original = originals[round % 3 == 2 ? 1 : 0]
                let kind = Kind.allCases[round % Kind.allCases.count]
                let damaged = damage(original.database, kind, &generator)
                var findings: [String] = []
                let outcome = try await open(damaged, original.log, of: original, folder + "/\(round).db", &findings)
                outcomes[outcome.rawValue, default: 0] += 1
                #expect(findings.isEmpty, "\(kind), round \(round)")
                if findings.isEmpty { sound += 1 }
            }
            print("corruptions: \(sound) of \(rounds) \(outcomes)")
            #expect(outcomes["restored", default: 0] > rounds / 4)
            #expect(outcomes["new stream", default: 0] < rounds / 4)
            #expect(outcomes["refused", default: 0] < rounds / 50)
        }
    }

    private func open(
        _ damaged: Data, _ log: Data, of original: Original, _ path: String, _ findings: inout [String]
    ) async throws -> Outcome {
        try damaged.write(to: URL(fileURLWithPath: path))
        try log.write(to: URL(fileURLWithPath: path + "-wal"))
        let journal: Journal
        do throws(JournalError) {
            journal = try await Journal.open(path: path, settings: Self.settings, logger: .silent)
        } catch {
            // A number of a format that is not known yet is no sign of damage.
            if error.code != .newer { findings.append("\(error)") }
            return .refused
        }
        let entries = try await journal.everything()
        let cursor = try await journal.cursor(of: "mqtt").position
        if !isInOrder(entries, original) { findings.append("a reading that is not the next one") }
        let isSame = journal.stream == original.stream
        if isSame || !entries.isEmpty, log == original.log {
            let given = Set(entries.compactMap { $0.reading?.payload })
            let missing = original.undamaged(in: damaged).filter { !given.contains($0.payload) }
            if !missing.isEmpty { findings.append("whole and not given: \(missing.map(\.position))") }
        }
        if isSame { findings += unexplained(entries.filter { $0.position > cursor }, original) }
        for index in 0..<3 {
            let next = try await journal.append(draft("meter-\(index)")).seq
            if next != (isSame ? 31 : 1) { findings.append("meter-\(index) goes on at \(next)") }
        }
        await journal.close()
        if !isSame, journal.openingNotes.isEmpty { findings.append("another stream without a word") }
        return isSame ? (journal.openingNotes.isEmpty ? .inPlace : .restored) : .newStream
    }

    /// Each as it was accepted, and none before one that was accepted earlier.
    private func isInOrder(_ entries: [JournalEntry], _ original: Original) -> Bool {
        let indexes = entries.compactMap(\.reading).map { reading in
            original.accepted.firstIndex {
                $0.payload == reading.payload && $0.meter == reading.meter && $0.seq == reading.seq
                    && $0.capturedAt == reading.capturedAt
            }
        }
        return zip(indexes, indexes.dropFirst()).allSatisfy { ($0 ?? .max) < ($1 ?? .min) } && !indexes.contains(nil)
    }

    /// What the outlet had not is there, or a gap says that it is not.
    private func unexplained(_ waiting: [JournalEntry], _ original: Original) -> [String] {
        var explained: Set<String> = []
        for entry in waiting {
            switch entry {
            case .reading(let reading): explained.insert("\(entry.meter) \(reading.seq)")
            case .gap(let gap):
                explained.formUnion(((gap.fromSeq ?? 0)...(gap.toSeq ?? 0)).map { "\(entry.meter) \($0)" })
            }
        }
        return original.accepted.filter { $0.position > Original.acknowledged }.map { "\($0.meter) \($0.seq)" }
            .filter { !explained.contains($0) }.map { "\($0) is lost without a gap" }
    }

    @Test("a log that is damaged before its last transaction loses no more than what stands there, and says so")
    func log() async throws {
        try await withFolder { folder in
            let original = try await Original(isClosed: false, in: folder, checkpoints: 0)
            var generator = SeededGenerator(seed: 9)
            let end = original.log.count - 30 * 4120
            for round in 0..<(isLong ? 600 : 60) {
                let kind = Kind.allCases[round % (Kind.allCases.count - 1)]
                let damaged = damage(original.log.prefix(end), kind, &generator) + original.log.suffix(30 * 4120)
                var findings: [String] = []
                let path = "\(folder)/\(round).db"
                let outcome = try await open(original.database, damaged, of: original, path, &findings)
                #expect(findings.isEmpty, "\(kind), round \(round)")
                #expect(outcome == .restored, "\(kind), round \(round)")
            }
        }
    }

    // MARK: The way to the restored file

    /// A journal whose header is gone, with long readings too, and what it had.
    private func withoutHeader(_ folder: String) async throws -> (path: String, stream: String, [JournalEntry]) {
        let path = folder + "/journal.db"
        let journal = try await JournalTests.open(path)
        for index in 0..<30 { _ = try await journal.append(draft("meter-\(index % 2)", padding: index * 700)) }
        _ = try await journal.append(draft("meter-0", padding: 1_000_000))
        try await journal.advance(outlet: "mqtt", to: OutletCursor(12))
        try await journal.set([1, 2, 3], forKey: "epoch", meter: "meter-1")
        try await journal.set([], forKey: "empty", meter: "")
        let entries = try await journal.everything()
        await journal.close()
        var content = try Data(contentsOf: URL(fileURLWithPath: path))
        content.replaceSubrange(0..<4096, with: Data(count: 4096))
        try content.write(to: URL(fileURLWithPath: path))
        return (path, journal.openStream, entries)
    }

    @Test("readings of any length, cursors and values are brought over from a file without its first page")
    func withoutFirstPage() async throws {
        try await withFolder { folder in
            let (path, stream, entries) = try await withoutHeader(folder)
            let journal = try await JournalTests.open(path)
            #expect(journal.stream == stream)
            #expect(try await journal.everything() == entries)
            #expect(try await journal.cursor(of: "mqtt").position == 12)
            #expect(try await journal.value(forKey: "epoch", meter: "meter-1") == [1, 2, 3])
            #expect(try await journal.value(forKey: "empty", meter: "") == [])
            #expect(await journal.figures().backlog == ["mqtt": 19])
            #expect(journal.openingNotes.first?.contains("31 readings have been brought over, 0 are missing") == true)
            await journal.close()
        }
    }

    @Test("a process killed while it brings readings over leaves a journal that is opened with all of them")
    func killedOnTheWay() async throws {
        try await withFolder { folder in
            let (path, stream, entries) = try await withoutHeader(folder)
            let copies = Mutex(0)
            let journal = try await JournalTests.open(
                path,
                seams: JournalSeams(reached: { point in
                    guard point == .salvaging else { return }
                    let copy = copies.withLock { count in
                        count += 1
                        return "\(folder)/copy-\(count)"
                    }
                    try? FileManager.default.copyItem(atPath: folder, toPath: copy, excluding: "copy-")
                }))
            await journal.close()
            #expect(copies.withLock { $0 } == 2)
            for copy in 1...2 {
                let again = try await JournalTests.open("\(folder)/copy-\(copy)/journal.db")
                #expect(again.stream == stream)
                #expect(try await again.everything() == entries)
                #expect(!again.openingNotes.isEmpty)
                await again.close()
            }
        }
    }

    @Test("where the numbers cannot be continued, readings are brought over and a new stream explains the rest")
    func newStream() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let old = try await JournalTests.open(path, Self.settings)
            for index in 1...300 { _ = try await old.append(draft("meter-\(index % 2)", padding: 900)) }
            try await old.advance(outlet: "mqtt", to: OutletCursor(10))
            let entries = try await old.everything()
            try await old.execute("UPDATE meter SET last_seq = 5 WHERE id = 1; DELETE FROM reading WHERE position = 50")
            await old.close()
            let journal = try await JournalTests.open(path, Self.settings)
            #expect(journal.stream != old.stream)
            let found = try await journal.everything()
            let expected = entries.compactMap(\.reading).filter { $0.position != 50 }
            #expect(found.compactMap(\.reading).map(\.payload) == expected.map(\.payload))
            let gaps = found.compactMap(\.gap)
            #expect(gaps.map(\.count) == [1] && gaps.allSatisfy { $0.fromSeq == nil && $0.reason == .journalDamaged })
            #expect(try await journal.append(draft("meter-1", padding: 900)).seq == 1)
            await journal.close()

            // Given up, they are told without the numbers of the stream that is gone.
            let small = try await JournalTests.open(path, JournalSettings(keep: nil, maxSize: 1 << 16))
            await small.retain()
            let kept = try await small.everything()
            #expect(kept.compactMap(\.gap).contains { $0.reason == .journalFull })
            #expect(kept.compactMap(\.gap).allSatisfy { $0.fromSeq == nil && $0.toSeq == nil })
            #expect(kept.compactMap(\.reading).last?.seq == 1)
            await small.close()
        }
    }
}

extension FileManager {
    /// The files of a folder, without those whose names begin so.
    fileprivate func copyItem(atPath folder: String, toPath copy: String, excluding prefix: String) throws {
        try createDirectory(atPath: copy, withIntermediateDirectories: false)
        for file in try contentsOfDirectory(atPath: folder) where !file.hasPrefix(prefix) {
            try copyItem(atPath: "\(folder)/\(file)", toPath: "\(copy)/\(file)")
        }
    }

    @Test("who stands apart, and events, are brought over from a damaged file")
    func apartAndEvents() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let old = try await JournalTests.open(path, CorruptionTests.settings)
            for index in 1...60 { _ = try await old.append(draft("meter-\(index % 3)", padding: 900)) }
            try await old.advance(outlet: "mqtt", to: OutletCursor(40, apart: ["meter-1": 6]))
            for index in 1...3 {
                _ = try await old.append(
                    EventDraft(meter: "main", kind: "anomaly", at: Timestamp(milliseconds: Int64(index)), payload: [1]))
            }
            let events = try await old.events("anomaly", after: 0, limit: 10)
            let page = try #require(try await old.number("SELECT rootpage FROM sqlite_master WHERE name = 'state'"))
            await old.close()
            var data = try Data(contentsOf: URL(fileURLWithPath: path))
            data.replaceSubrange(
                (Int(page - 1) * 4096)..<(Int(page) * 4096), with: [UInt8](repeating: 0xA5, count: 4096))
            try data.write(to: URL(fileURLWithPath: path))
            let new = try await JournalTests.open(path, CorruptionTests.settings)
            #expect(new.openingNotes.count == 1)
            #expect(try await new.cursor(of: "mqtt") == OutletCursor(40, apart: ["meter-1": 6]))
            #expect(try await new.events("anomaly", after: 0, limit: 10) == events)
            await new.close()
        }
    }
}
