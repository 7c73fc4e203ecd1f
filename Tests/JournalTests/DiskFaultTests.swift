import Foundation
import Journal
import OBIS
import Testing

@Suite("A disk that fails")
struct DiskFaultTests {
    /// What a disk says from one moment on.
    enum Fault: Int32, CaseIterable, Sendable {
        case full = 13
        case write = 778
        case sync = 1034

        var code: JournalError.Code { self == .full ? .full : .io }
    }

    /// Readings, cursors and checkpoints; what is refused is refused with this fault's code.
    private func work(_ journal: Journal, _ steps: Range<Int>, _ fault: Fault) async throws -> [JournaledReading] {
        var accepted: [JournaledReading] = []
        for step in steps {
            do throws(JournalError) {
                let reading = try await journal.append(draft("meter-\(step % 3)", padding: 900))
                accepted.append(reading)
                if step % 7 == 6 { try await journal.advance(outlet: "mqtt", to: OutletCursor(reading.position - 10)) }
            } catch {
                #expect(error.code == fault.code)
                #expect(journal.lastError?.code == fault.code)
            }
        }
        return accepted
    }

    /// - Returns: whether the fault was met at all.
    private func run(_ fault: Fault, after writes: Int64) async throws -> (met: Bool, sound: Bool) {
        try await withFaultDisk { disk in
            let journal = try await open(disk.path)
            _ = try await journal.cursor(of: "mqtt")
            try await journal.execute("PRAGMA wal_autocheckpoint = 25")
            disk.fail(after: writes, code: fault.rawValue, syncsToo: fault == .sync)
            var accepted = try await work(journal, 0..<24, fault)
            let met = accepted.count < 24
            disk.fail(after: nil)
            // At the first call, without anything being reopened.
            let more = try await work(journal, 24..<34, fault)
            accepted += more
            #expect(journal.lastError == nil)
            var sound = more.count == 10
            let cursor = try await journal.cursor(of: "mqtt").position
            for attempt in 0...1 {
                let reader = attempt == 0 ? journal : try await open(disk.path)
                let found = try await reader.everything().compactMap(\.reading)
                // What every outlet had may have made way.
                let dropped = accepted.prefix { $0 != found.first }
                sound =
                    sound && dropped.allSatisfy { $0.position <= cursor }
                    && found == Array(accepted.dropFirst(dropped.count))
                sound = sound && reader.stream == journal.stream && reader.openingNotes.isEmpty
                await reader.close()
            }
            #expect(sound, "\(fault) after \(writes) writes")
            return (met, sound)
        }
    }

    @Test("a disk that fails from any write on loses nothing accepted, and goes on when it works again")
    func everyWrite() async throws {
        var (count, sound) = (0, 0)
        for fault in Fault.allCases {
            for writes in Int64(0)... {
                let outcome = try await run(fault, after: writes * (fault == .full || isLong ? 1 : 3))
                guard outcome.met else { break }
                count += 1
                if outcome.sound { sound += 1 }
            }
        }
        print("disk faults: \(sound) of \(count)")
        #expect(count > 200)
        #expect(sound == count)
    }

    @Test("numbers of refused readings are used by the next ones, meter by meter")
    func numbers() async throws {
        try await withFaultDisk { disk in
            let journal = try await open(disk.path)
            _ = try await journal.append(draft("main"))
            disk.fail(after: 1, code: Fault.write.rawValue)
            for _ in 1...3 { #expect(await failure { try await journal.append(draft("main")) }?.code == .io) }
            disk.fail(after: nil)
            #expect(try await journal.append(draft("main")).seq == 2)
            await journal.close()
        }
    }

    // MARK: The ballast

    private static let megabyte: Int64 = 1 << 20

    private func withFullDisk(_ body: (FaultDisk, Journal, _ accepted: [JournaledReading]) async throws -> Void)
        async throws
    {
        try await withFaultDisk { disk in
            disk.setCapacity(6 * Self.megabyte)
            let journal = try await open(
                disk.path, JournalSettings(keep: nil, maxSize: nil), seams: JournalSeams(freeBytes: { disk.room }))
            _ = try await journal.cursor(of: "mqtt")
            await journal.retain()
            #expect(ballast(disk) == 512 << 10)
            var accepted: [JournaledReading] = []
            let error = await failure {
                while true { accepted.append(try await journal.append(draft("main", padding: 3000))) }
            }
            #expect(error?.code == .full)
            try await body(disk, journal, accepted)
            await journal.close()
        }
    }

    /// Bytes that it takes; nil where it is gone.
    private func ballast(_ disk: FaultDisk) -> Int64? {
        var status = stat()
        return stat(disk.path + ".ballast", &status) == 0 ? Int64(status.st_blocks) * 512 : nil
    }

    @Test("on a full disk the ballast goes, and cursors move as often as they like")
    func cursors() async throws {
        try await withFullDisk { disk, journal, accepted in
            #expect(ballast(disk) == nil)
            for position in 1...60 {
                try await journal.advance(outlet: "mqtt", to: OutletCursor(Int64(position)))
                #expect(try await journal.cursor(of: "mqtt").position == Int64(position))
            }
            let last = try await journal.everything().last
            #expect(last?.reading == accepted.last)
        }
    }

    @Test("on a full disk, what every outlet has makes way, and nothing else")
    func makingWay() async throws {
        try await withFullDisk { disk, journal, accepted in
            var expected = accepted
            // None has been delivered, so none makes way.
            for _ in 1...5 {
                #expect(await failure { try await journal.append(draft("main", padding: 3000)) }?.code == .full)
            }
            #expect(try await journal.everything() == expected.map(JournalEntry.reading))
            try await journal.advance(outlet: "mqtt", to: OutletCursor(Int64(accepted.count) - 200))
            for _ in 0..<1500 {
                let reading = try await journal.append(draft("main", padding: 3000))
                expected.append(reading)
                try await journal.advance(outlet: "mqtt", to: OutletCursor(reading.position - 200))
                guard reading.position % 100 == 0 else { continue }
                let found = try await journal.everything(after: reading.position - 200)
                #expect(found == expected.suffix(200).map(JournalEntry.reading))
            }
            #expect(await journal.figures().givenUp == 0)
        }
    }

    @Test("the first reading after space returns is accepted, and the ballast is made again")
    func spaceReturns() async throws {
        try await withFullDisk { disk, journal, accepted in
            for _ in 1...3 {
                #expect(await failure { try await journal.append(draft("main", padding: 3000)) }?.code == .full)
            }
            #expect(ballast(disk) == nil)
            disk.setCapacity(20 * Self.megabyte)
            let next = try await journal.append(draft("main", padding: 3000))
            #expect(next.seq == Int64(accepted.count + 1))
            #expect(journal.lastError == nil)
            await journal.retain()
            #expect(ballast(disk) == 512 << 10)
        }
    }

    @Test("a disk that is full when the journal is opened costs the ballast and not the journal")
    func opening() async throws {
        try await withFaultDisk { disk in
            let first = try await open(disk.path)
            let reading = try await first.append(draft("main"))
            await first.retain()
            await first.close()
            disk.setCapacity(0)
            let second = try await open(disk.path, seams: JournalSeams(freeBytes: { disk.room }))
            #expect(try await second.everything() == [.reading(reading)])
            #expect(await failure { try await second.append(draft("main")) }?.code == .full)
            disk.setCapacity(nil)
            #expect(try await second.append(draft("main")).seq == 2)
            await second.close()
        }
    }
}
