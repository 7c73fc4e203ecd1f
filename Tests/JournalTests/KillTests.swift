import Foundation
import Journal
import OBIS
import TestSupport
import Testing

/// A process writes a journal and is killed; what it was promised is held against what the journal has.
@Suite("Killed")
struct KillTests {
    /// What the process said before it ended.
    struct Told {
        var stream: String?
        var accepted: [(meter: String, seq: Int64, position: Int64)] = []
        var acknowledging: Int64 = 0
        var acknowledged: Int64 = 0

        mutating func add(_ line: Substring) throws {
            let words = line.split(separator: " ").map(String.init)
            switch words.first {
            case "stream" where stream == nil: stream = words.last
            case "stream": try #require(stream == words.last, "the stream is another one after a kill")
            case "accepted":
                try accepted.append((words[1], #require(Int64(words[2])), #require(Int64(words[3]))))
            case "acknowledging": acknowledging = max(acknowledging, try #require(Int64(words[1])))
            case "acknowledged": acknowledged = max(acknowledged, try #require(Int64(words[1])))
            default: Issue.record("a line that is none: \(line)")
            }
        }
    }

    enum Way: CaseIterable {
        case fromOutside, committed, checkpoint, retaining, migrating
    }

    private static let program: String = {
        let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent("JournalWriter").path
    }()

    @Test("a process killed at any moment leaves a journal with all that it was promised")
    func anyMoment() async throws {
        var generator = SeededGenerator(seed: 3)
        let rounds = isLong ? 40 : 8
        let lives = 25
        var sound = 0
        for _ in 0..<rounds {
            try await withFolder { folder in
                var told = Told()
                // The first one on its way to the tables, where there is no journal yet.
                try live(folder, .migrating, 1, &told)
                for life in 0..<lives {
                    let way = Way.allCases[life % Way.allCases.count]
                    try live(folder, way, Int.random(in: 1...way.numbers, using: &generator), &told)
                    if try await isSound(folder, told) { sound += 1 }
                }
                #expect(told.accepted.count > 100)
            }
        }
        print("kills: \(sound) of \(rounds * lives)")
        #expect(sound == rounds * lives)
    }

    /// One process from its start to its end by SIGKILL.
    private func live(_ folder: String, _ way: Way, _ number: Int, _ told: inout Told) throws {
        let pipe = folder + "/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        defer { unlink(pipe) }
        // Without waiting for the other side, which is not there yet; reading waits all the same.
        let input = Foundation.open(pipe, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        try #require(input >= 0)
        defer { close(input) }
        let name = way == .fromOutside ? "never" : "\(way)"
        let process = try ChildProcess(
            Self.program, [folder + "/journal.db", name, "\(number)"], output: pipe, error: folder + "/errors")
        _ = fcntl(input, F_SETFL, 0)
        var lines = 0
        var rest = Data()
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(input, &buffer, buffer.count), count > 0 {
            rest += buffer.prefix(count)
            while let end = rest.firstIndex(of: 0x0A) {
                try told.add(Substring(decoding: rest[rest.startIndex..<end], as: UTF8.self))
                rest = Data(rest[(end + 1)...])
                lines += 1
            }
            if way == .fromOutside, lines >= number { process.signal(SIGKILL) }
        }
        process.end(0)
        let errors = (try? String(contentsOfFile: folder + "/errors", encoding: .utf8)) ?? ""
        try #require(process.exitCode == 128 + SIGKILL, "\(way) \(number): \(errors)")
    }

    private func isSound(_ folder: String, _ told: Told) async throws -> Bool {
        let journal = try await open(folder + "/journal.db", JournalSettings(keep: nil, maxSize: nil))
        #expect(journal.openingNotes.isEmpty)
        let entries = try await journal.everything()
        let cursor = try await journal.cursor(of: "mqtt").position
        await journal.close()
        if let stream = told.stream { #expect(journal.stream == stream) }
        #expect(cursor >= told.acknowledged && cursor <= max(0, told.acknowledging))
        #expect(zip(entries, entries.dropFirst()).allSatisfy { $0.position < $1.position })
        let found = Dictionary(uniqueKeysWithValues: entries.compactMap(\.reading).map { ($0.position, $0) })
        let gaps = entries.compactMap(\.gap)
        let lost = told.accepted.filter { meter, seq, position in
            if let reading = found[position] {
                let content = draft(meter, padding: 700).encode(journal.openStream, seq)
                return reading.seq != seq || reading.meter != meter || reading.payload != content
            }
            return position > told.acknowledging
                && !gaps.contains { $0.meter == meter && ($0.fromSeq ?? .max)...($0.toSeq ?? .max) ~= seq }
        }
        #expect(lost.isEmpty)
        let holes = (0..<3).filter { index in
            let numbers = entries.filter { $0.meter == "meter-\(index)" }.map { entry in
                (from: entry.reading?.seq ?? entry.gap?.fromSeq ?? 0, to: entry.reading?.seq ?? entry.gap?.toSeq ?? 0)
            }
            return zip(numbers, numbers.dropFirst()).contains { $0.to + 1 != $1.from }
        }
        #expect(holes.isEmpty)
        return lost.isEmpty && holes.isEmpty
    }
}

extension KillTests.Way {
    /// Up to how many times the place is passed, or how many lines are read, before the end.
    fileprivate var numbers: Int {
        switch self {
        case .fromOutside: 300
        case .committed: 60
        case .checkpoint: 90
        case .retaining: 3
        case .migrating: 2
        }
    }
}
