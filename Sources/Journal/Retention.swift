import GRDB
import OBIS

/// What one step of retention did.
struct Dropped: Sendable {
    /// Readings that every outlet had, and readings that some outlet had not.
    var expired: Int64 = 0
    var givenUp: Int64 = 0
    var events: Int64 = 0
    /// Whether pages went back to the file system.
    var shrunk = false

    var isNothing: Bool { expired == 0 && givenUp == 0 && events == 0 && !shrunk }
}

/// The oldest readings, few enough to be dropped in one go, so that the writers behind wait for a moment only.
struct Chunk: Sendable {
    /// Positions of the first and the last of them.
    let oldest: Int64
    let last: Int64
    let cursors: [OutletCursor]

    /// Up to where every outlet has everything.
    var acknowledged: Int64 { cursors.map(\.complete).min() ?? 0 }
}

/// Only ever the beginning of the queue is dropped: what remains is without holes.
extension Database {
    /// Looks what the next chunk is, without writing.
    ///
    /// - Parameter now: nil where the clock is not to be believed; then nothing is too old.
    func nextChunk(_ settings: JournalSettings, now: Timestamp?) throws -> Chunk? {
        guard let oldest = try oldestReading() else { return nil }
        let cursors = Array(try cursors().values)
        let acknowledged = cursors.map(\.complete).min() ?? 0
        let last = try lastToDrop(
            settings, now: now, oldest: oldest, acknowledged: acknowledged, most: cursors.map(\.position).min() ?? 0)
        return last.map { Chunk(oldest: oldest, last: $0, cursors: cursors) }
    }

    /// The oldest that every outlet has, for a disk that is full. The newest reading stays.
    func nextAcknowledgedChunk() throws -> Chunk? {
        guard let oldest = try oldestReading() else { return nil }
        let cursors = Array(try cursors().values)
        let acknowledged = cursors.map(\.complete).min() ?? 0
        let last = min(oldest + JournalLimits.chunk, acknowledged + 1, try newestReading()) - 1
        return last < oldest ? nil : Chunk(oldest: oldest, last: last, cursors: cursors)
    }

    /// Drops it, in the transaction of the caller.
    func drop(_ chunk: Chunk) throws -> Dropped {
        var dropped = Dropped()
        if chunk.last > chunk.acknowledged {
            dropped.givenUp = try recordGaps(chunk)
        }
        try execute(sql: "DELETE FROM reading WHERE position <= ?", arguments: [chunk.last])
        dropped.expired = Int64(changesCount) - dropped.givenUp
        try execute(sql: "DELETE FROM gap WHERE position <= ?", arguments: [min(chunk.last, chunk.acknowledged)])
        return dropped
    }

    /// The last position of the next chunk; nil when there is nothing to drop.
    ///
    /// - Parameter most: up to where every outlet has everything but of meters that stand apart.
    private func lastToDrop(
        _ settings: JournalSettings, now: Timestamp?, oldest: Int64, acknowledged: Int64, most: Int64
    ) throws -> Int64? {
        if let maxSize = settings.maxSize, try usedBytes() > maxSize {
            // One reading is always kept: the limit is for the past, not for what arrives.
            let end = min(oldest + JournalLimits.chunk, try newestReading()) - 1
            guard end >= oldest else { return nil }
            // What nobody misses goes first, then what only the meters apart miss.
            return [acknowledged, most].first { $0 >= oldest }.map { min(end, $0) } ?? end
        }
        guard let now, let age = settings.keep?.wholeMilliseconds, acknowledged >= oldest else { return nil }
        let end = min(oldest + JournalLimits.chunk - 1, acknowledged)
        let limit = now.milliseconds.subtractingReportingOverflow(age)
        guard !limit.overflow else { return nil }
        let firstToKeep = try Int64.fetchOne(
            cachedStatement(sql: "SELECT min(position) FROM reading WHERE position <= ? AND captured_at >= ?"),
            arguments: [end, limit.partialValue])
        guard let firstToKeep else { return end }
        return firstToKeep > oldest ? firstToKeep - 1 : nil
    }

    /// One gap per meter, in the place of its last reading that goes. It takes in an earlier one that it continues, so that
    /// there is one per meter however long an outage lasts.
    private func recordGaps(_ chunk: Chunk) throws -> Int64 {
        let former = try String.fetchOne(
            self, sql: "SELECT value FROM journal WHERE key = ?", arguments: [Fact.formerEnd])
        let formerEnd = former.flatMap { Int64($0) } ?? 0
        var total: Int64 = 0
        for row in try lost(chunk) {
            var gap = LostRange(
                fromSeq: try row.integer(2), fromTime: try row.integer(4), toTime: try row.integer(5),
                count: try row.integer(6))
            let meter = try row.integer(0)
            total += gap.count
            // Numbers of a former stream would mislead.
            let isNumbered = try row.integer(1) > formerEnd
            if isNumbered { gap = try taking(in: gap, meter: meter, acknowledged: chunk.acknowledged) }
            try insert(
                SalvagedQueue.NumberedGap(
                    meter: meter, fromSeq: gap.fromSeq, toSeq: try row.integer(3), fromTime: gap.fromTime,
                    toTime: gap.toTime, count: gap.count, reason: JournalGap.Reason.journalFull.rawValue),
                at: try row.integer(1), isNumbered: isNumbered)
        }
        return total
    }

    /// By meter: the last position, then what the gap says. A meter begins where the first outlet stopped to have it.
    private func lost(_ chunk: Chunk) throws -> [Row] {
        let statement = try cachedStatement(
            sql: """
                SELECT meter, max(position), min(seq), max(seq), min(captured_at), max(captured_at), count(*)
                FROM reading WHERE position > ? AND position <= ? AND meter = ? GROUP BY meter
                """)
        return try Row.fetchAll(cachedStatement(sql: "SELECT id, name FROM meter")).compactMap { meter in
            let name = try meter.text(1)
            let start = chunk.cursors.map { $0.apart[name] ?? $0.position }.min() ?? 0
            return try Row.fetchOne(
                statement, arguments: [max(start, chunk.oldest - 1), chunk.last, try meter.integer(0)])
        }
    }

    private struct LostRange {
        var fromSeq: Int64
        var fromTime: Int64
        var toTime: Int64
        var count: Int64
    }

    private func taking(in gap: LostRange, meter: Int64, acknowledged: Int64) throws -> LostRange {
        let earlier = try Row.fetchOne(
            self,
            sql: """
                SELECT position, from_seq, from_time, to_time, count FROM gap
                WHERE meter = ? AND position > ? AND to_seq = ? AND reason = ?
                """,
            arguments: [meter, acknowledged, gap.fromSeq &- 1, JournalGap.Reason.journalFull.rawValue])
        guard let earlier else { return gap }
        try execute(sql: "DELETE FROM gap WHERE position = ?", arguments: [try earlier.integer(0)])
        let (count, overflow) = gap.count.addingReportingOverflow(try earlier.integer(4))
        guard !overflow else { throw JournalError.corrupt("a gap counts \(try earlier.integer(4)) readings") }
        return LostRange(
            fromSeq: try earlier.integer(1), fromTime: min(gap.fromTime, try earlier.integer(2)),
            toTime: max(gap.toTime, try earlier.integer(3)), count: count)
    }

    private func newestReading() throws -> Int64 {
        try Int64.fetchOne(cachedStatement(sql: "SELECT max(position) FROM reading")) ?? 0
    }
}

// MARK: - Size

extension Database {
    /// Bytes of the pages in use; free ones are used again before the file grows.
    func usedBytes() throws -> Int64 {
        (try pragma("page_count") - pragma("freelist_count")) * (try pragma("page_size"))
    }

    /// Whether some entries fit in without the file growing.
    func hasFreePages() throws -> Bool {
        try pragma("freelist_count") >= JournalLimits.freePages
    }

    /// Gives some pages back where the file is larger than allowed or mostly empty. Otherwise free pages stay: moving
    /// others to the front would write them once more.
    ///
    /// - Returns: whether there may be more to give.
    func shrink(_ settings: JournalSettings) throws -> Bool {
        let free = try pragma("freelist_count")
        guard free > 0 else { return false }
        let pages = try pragma("page_count")
        let pageSize = max(1, try pragma("page_size"))
        let beyondLimit = settings.maxSize.map { pages - $0 / pageSize } ?? 0
        let excess = max(beyondLimit, free > max(1024, pages / 2) ? free : 0)
        guard excess > 0 else { return false }
        try execute(sql: "PRAGMA incremental_vacuum(\(min(excess, JournalLimits.chunk)))")
        return try pragma("freelist_count") < free
    }

    private func pragma(_ name: String) throws -> Int64 {
        try Int64.fetchOne(self, sql: "PRAGMA \(name)") ?? 0
    }
}
