import GRDB
import Glibc
import OBIS

/// Builds a sound journal from what a damaged one still says, in a file beside it. Renamed only when it is complete, so that
/// a crash on the way leaves the damaged file or the sound one.
struct Restoration {
    let files: JournalFiles
    let seams: JournalSeams

    /// Where it is built.
    var target: JournalFiles { JournalFiles(path: files.path + ".restored") }

    /// What a note says of it.
    struct Outcome {
        var readings: Int64
        var missing: Int64
        var keepsStream: Bool
    }

    /// - Throws: `corrupt` where the log of a journal is damaged before its last transaction: SQLite would drop silently
    ///   what follows.
    func examineLog() throws(JournalError) {
        guard files.logBytes > 0, files.databaseBytes ?? 0 > 0 else { return }
        let file = try DamagedFile(files)
        guard file.isLogDamaged, file.isJournal else { return }
        throw .corrupt("its log is damaged in the middle")
    }

    /// - Returns: nil where nothing can be brought over, not even the stream.
    func build() throws(JournalError) -> Outcome? {
        try discard()
        var file = try DamagedFile(files)
        file.readBehindDamage(files)
        let salvage = Salvage(file)
        guard let stream = salvage.stream, Hex.bytes(stream.utf8)?.count == 16 else { return nil }
        let queue = SalvagedQueue(salvage)
        let store = try JournalStore(opening: target, seams)
        do {
            let readings = try store.write(salvage, queue, from: file)
            try store.database.close()
            return Outcome(readings: readings, missing: queue.missing, keepsStream: salvage.isCertain)
        } catch {
            try? store.database.close()
            try? discard()
            throw JournalError(error, at: files)
        }
    }

    /// In place of the damaged file, which is out of the way.
    func takePlace() throws(JournalError) {
        guard unsafe rename(target.path, files.path) == 0 else {
            throw .noAccess(files, "the restored file cannot be renamed: \(JournalFiles.reason(errno))")
        }
        files.syncFolder()
    }

    /// One that is not complete is built anew.
    func discard() throws(JournalError) {
        for suffix in JournalFiles.companions + [""] where unsafe unlink(target.path + suffix) != 0 && errno != ENOENT {
            throw .noAccess(files, "\(target.path)\(suffix) cannot be removed: \(JournalFiles.reason(errno))")
        }
    }
}

extension JournalStore {
    /// - Returns: the readings brought over.
    fileprivate func write(
        _ salvage: Salvage, _ queue: SalvagedQueue, from file: borrowing DamagedFile
    ) throws(JournalError) -> Int64 {
        let contents = queue.contents
        try commit { db in
            try db.restoreCounters(salvage, queue, end: Int64(contents.count))
            if salvage.isCertain { try db.setFact(Fact.stream, salvage.stream ?? stream) }
        }
        var readings: Int64 = 0
        for start in stride(from: 0, to: contents.count, by: JournalLimits.batch) {
            let end = min(contents.count, start + JournalLimits.batch)
            // Nobody reads the file before it is complete: the last transaction syncs all.
            try commit(isSynced: end == contents.count) { db in
                for index in start..<end {
                    let position = Int64(index) + 1
                    switch contents[index] {
                    case .reading(let found):
                        try db.restore(found, at: position, from: file)
                        readings += 1
                    case .gap(let gap): try db.insert(gap, at: position, isNumbered: salvage.isCertain)
                    }
                }
            }
        }
        return readings
    }
}

extension Database {
    /// Meters, cursors and values. A meter's last entry stands before the newest of all.
    fileprivate func restoreCounters(_ salvage: Salvage, _ queue: SalvagedQueue, end: Int64) throws {
        var last: [Int64: Int64] = [:]
        for (index, content) in queue.contents.enumerated() { last[content.meter] = Int64(index) + 1 }
        for (id, name) in salvage.names {
            let seq = salvage.isCertain ? salvage.meters[id]?.lastSeq ?? 0 : 0
            try insertMeter(id: id, name: name, lastSeq: seq, lastPosition: last[id] ?? 0)
        }
        for (name, cursor) in salvage.outlets { try setOutlet(name, queue.cursor(of: cursor)) }
        for event in salvage.events.values { try insert(event) }
        for (key, value) in salvage.values {
            guard let meter = key.first?.string, let name = key.last?.string else { continue }
            try setValue(value, forKey: name, meter: meter)
        }
        if salvage.isCopy { try setFact(Fact.isCopy, "1") }
        let formerEnd = salvage.isCertain ? queue.position(of: salvage.formerEnd) : end
        if formerEnd > 0 { try setFact(Fact.formerEnd, "\(formerEnd)") }
    }

    /// Its checksum is over the position, so it is made anew.
    fileprivate func restore(
        _ found: Salvage.FoundReading, at position: Int64, from file: borrowing DamagedFile
    ) throws {
        guard let row = file.row(page: found.page, index: found.index), let reading = JournaledReading(row) else {
            throw JournalError(
                .io, "A reading of the damaged journal could be read once and not again. Check the disk.")
        }
        try insert(
            JournaledReading(
                position: position, meter: "", seq: reading.seq, capturedAt: reading.capturedAt,
                payload: reading.payload),
            meter: found.meter)
    }
}
