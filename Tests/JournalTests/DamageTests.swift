import Foundation
import Journal
import OBIS
import TestSupport
import Testing

@Suite("Damage")
struct DamageTests {
    enum Damage: String, CaseIterable, Sendable {
        case noise, text, header, identity, truncated, shortened, page, stream, counters, type, version

        var keepsStream: Bool { ![.noise, .text, .counters, .type].contains(self) }

        /// Whether no reading stands where the damage is.
        var keepsAll: Bool { ![.noise, .text, .truncated, .shortened, .page].contains(self) }

        /// Statements that leave a file which is sound for SQLite and not for the journal.
        var sql: String? {
            switch self {
            case .identity: "PRAGMA application_id = 1"
            case .stream: "UPDATE journal SET value = 'abc'"
            case .counters: "UPDATE meter SET last_position = 3"
            case .type: "UPDATE meter SET last_seq = 'many'"
            case .version: "PRAGMA user_version = 0"
            default: nil
            }
        }

        func apply(to content: inout Data) {
            switch self {
            case .noise: content = Data((0..<9000).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) })
            case .text: content = Data("meters:\n  - id: main\n".utf8)
            case .header: content.replaceSubrange(0..<100, with: Data(count: 100))
            case .truncated: content = content.prefix(content.count / 2)
            case .shortened: content = content.prefix(content.count - 4096)
            case .page:
                let start = content.count / 4096 / 2 * 4096
                content.replaceSubrange(start..<(start + 4096), with: Data(repeating: 0xA5, count: 4096))
            default: break
            }
        }
    }

    @Test(
        "a damaged file is set aside as it is and reported, and what it still says goes on", arguments: Damage.allCases)
    func setAside(damage: Damage) async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let old = try await open(path)
            for _ in 1...40 { _ = try await old.append(draft("main", padding: 900)) }
            let readings = try await old.everything()
            if let sql = damage.sql { try await old.execute(sql) }
            await old.close()
            var content = try Data(contentsOf: URL(fileURLWithPath: path))
            damage.apply(to: &content)
            try content.write(to: URL(fileURLWithPath: path))

            let lines = LogLines()
            let time = Timestamp(milliseconds: 1_768_476_896_120)
            let new = try await Journal.open(
                path: path, settings: JournalSettings(), logger: .collecting(lines), clock: { time })
            #expect((new.openStream == old.stream) == damage.keepsStream)
            #expect(try await new.append(draft("main")).seq == (damage.keepsStream ? 41 : 1))
            if damage.keepsAll { #expect(try await Array(new.everything().prefix(40)) == readings) }
            let name = path + ".damaged-20260115T113456Z"
            #expect(try Data(contentsOf: URL(fileURLWithPath: name)) == content)
            let note = try #require(new.openingNotes.first)
            #expect(new.openingNotes.count == 1)
            #expect(note.contains(name) && note.contains(new.openStream))
            #expect(lines.all == ["warning: " + note])
            await new.close()

            let again = try await open(path)
            #expect(again.openingNotes.isEmpty)
            #expect(again.stream == new.openStream)
            await again.close()
        }
    }

    @Test("a second damaged file of the same second gets a name of its own")
    func twice() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            for round in 1...3 {
                try Data("noise \(round)".utf8).write(to: URL(fileURLWithPath: path))
                let journal = try await Journal.open(
                    path: path, settings: JournalSettings(), logger: .silent, clock: { Timestamp(milliseconds: 0) })
                await journal.close()
            }
            for (suffix, round) in [("", 1), ("-2", 2), ("-3", 3)] {
                let content = try Data(contentsOf: URL(fileURLWithPath: path + ".damaged-19700101T000000Z" + suffix))
                #expect(content == Data("noise \(round)".utf8))
            }
        }
    }

    @Test("a log without its database is set aside and never read into a new one")
    func orphanedLog() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let old = try await open(path)
            _ = try await old.append(draft("main"))
            let log = try Data(contentsOf: URL(fileURLWithPath: path + "-wal"))
            await old.close()
            try FileManager.default.removeItem(atPath: path)
            try log.write(to: URL(fileURLWithPath: path + "-wal"))

            let new = try await open(path)
            #expect(try await new.everything().isEmpty)
            #expect(new.openStream != old.stream)
            #expect(new.openingNotes.first?.contains("write-ahead log") == true)
            let kept = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.contains("damaged") }
            #expect(kept.count == 1 && kept.first?.hasSuffix("-wal") == true)
            #expect(try Data(contentsOf: URL(fileURLWithPath: folder + "/" + (kept.first ?? ""))) == log)
            await new.close()
        }
    }

    @Test(
        "a reading that does not match its checksum is told as a gap and holds up nothing",
        arguments: [
            "UPDATE reading SET payload = x'00' WHERE position = 2",
            "UPDATE reading SET captured_at = captured_at + 1 WHERE position = 2",
            "UPDATE reading SET checksum = checksum + 1 WHERE position = 2",
        ])
    func checksum(sql: String) async throws {
        try await withJournal { journal, _ in
            for _ in 1...3 { _ = try await journal.append(draft("main")) }
            try await journal.execute(sql)
            let entries = try await journal.everything()
            #expect(entries.map(\.position) == [1, 2, 3])
            #expect(entries.map { $0.reading != nil } == [true, false, true])
            let gap = try #require(entries[1].gap)
            #expect(gap.reason == .journalDamaged)
            #expect(gap.fromSeq == 2 && gap.toSeq == 2 && gap.count == 1)
        }
    }

    @Test(
        "a reading whose number or meter alone is damaged is given as it was, since its checksum tells what they were",
        arguments: [
            "UPDATE reading SET seq = seq + 4 WHERE position = 3",
            "UPDATE reading SET seq = 0 WHERE position = 1",
            "UPDATE reading SET seq = -9223372036854775808 WHERE position = 6",
            "UPDATE reading SET meter = (SELECT id FROM meter WHERE name = 'other') WHERE position = 3",
        ])
    func mended(sql: String) async throws {
        try await withJournal { journal, _ in
            for _ in 1...3 {
                _ = try await journal.append(draft("main"))
                _ = try await journal.append(draft("other"))
            }
            let before = try await journal.everything()
            try await journal.execute(sql)
            #expect(try await journal.everything() == before)
        }
    }

    @Test(
        "values of a wrong type are an error and never end the process",
        arguments: [
            "UPDATE reading SET payload = 'text'", "UPDATE reading SET seq = 'one'",
            "UPDATE reading SET checksum = x'00'",
        ])
    func types(sql: String) async throws {
        try await withJournal { journal, _ in
            _ = try await journal.append(draft("main"))
            try await journal.execute(sql)
            #expect(await failure { try await journal.everything() }?.code == .corrupt)
        }
    }

    @Test("a counter at the end of its range is an error and never ends the process")
    func counter() async throws {
        try await withJournal { journal, _ in
            _ = try await journal.append(draft("main"))
            try await journal.execute("UPDATE meter SET last_seq = \(Int64.max)")
            #expect(await failure { try await journal.append(draft("main")) }?.code == .corrupt)
        }
    }

    @Test("a file with any single byte changed opens, as it was or set aside, and what it gives is what was appended")
    func bytes() async throws {
        try await withFolder { folder in
            let path = folder + "/journal.db"
            let journal = try await open(path)
            var accepted: Set<JournalEntry> = []
            for _ in 1...30 { accepted.insert(.reading(try await journal.append(draft("main", padding: 900)))) }
            await journal.close()
            let sound = try Data(contentsOf: URL(fileURLWithPath: path))
            var generator = SeededGenerator(seed: 5)
            var outcomes: [String: Int] = [:]
            for round in 0..<120 {
                var damaged = sound
                // Every other time in the first bytes of a page, where SQLite keeps what holds the file together.
                var offset = Int.random(in: 0..<sound.count, using: &generator)
                if round % 2 == 0 { offset = offset / 4096 * 4096 + offset % 40 }
                damaged[offset] ^= UInt8.random(in: 1...255, using: &generator)
                let copy = "\(folder)/damaged-\(round).db"
                try damaged.write(to: URL(fileURLWithPath: copy))
                outcomes[try await outcome(of: copy, accepted: accepted), default: 0] += 1
            }
            #expect(outcomes["set aside", default: 0] > 10)
            #expect(outcomes["gap", default: 0] > 10)
        }
    }

    private func outcome(of path: String, accepted: Set<JournalEntry>) async throws -> String {
        let journal: Journal
        do { journal = try await open(path) } catch { return "refused" }
        let entries = (try? await journal.everything()) ?? []
        for entry in entries where entry.reading != nil { #expect(accepted.contains(entry)) }
        await journal.close()
        guard journal.openingNotes.isEmpty else { return "set aside" }
        return entries.contains { $0.gap != nil } ? "gap" : "as it was"
    }
}
