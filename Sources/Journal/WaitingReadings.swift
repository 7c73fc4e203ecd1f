import GRDB
import OBIS

/// How many readings of each meter an outlet still has to take.
public struct WaitingReadings: Sendable, Hashable {
    /// Of the meters that have some.
    var counts: [String: Int64] = [:]
    /// Meters of which to find out would mean to read too much.
    var unknown: Set<String> = []

    /// - Returns: nil where the oldest reading of this meter that waits is further back in the queue than is looked.
    public func count(of meter: String) -> Int64? {
        unknown.contains(meter) ? nil : counts[meter] ?? 0
    }

    /// So many readings are looked at, to find the oldest one of each meter: 2.6 MB of a file that somebody waits to write
    /// to, read in some 5 ms.
    static let depth = 2000
}

extension Database {
    /// By the numbers of each meter's newest reading and of its oldest one that waits. Where nothing waits, nothing but
    /// the list of meters is read.
    func waitingReadings(
        after cursor: OutletCursor, depth: Int = WaitingReadings.depth
    ) throws -> WaitingReadings {
        let meters = try Row.fetchAll(cachedStatement(sql: "SELECT id, name, last_seq, last_position FROM meter"))
        var result = WaitingReadings()
        var behind: [(id: Int64, name: String, lastSeq: Int64)] = []
        for row in meters {
            let name = try row.text(1)
            let (id, lastSeq, lastPosition) = (try row.integer(0), try row.integer(2), try row.integer(3))
            if let place = cursor.apart[name] {
                result.counts[name] = try countReadings(of: name, after: place, through: lastPosition)
            } else if lastPosition > cursor.position {
                behind.append((id, name, lastSeq))
            }
        }
        guard !behind.isEmpty else { return result }
        let oldest = try oldestWaiting(after: cursor.position, depth: depth)
        for meter in behind {
            if let first = oldest.seqs[meter.id] {
                let (distance, overflow) = meter.lastSeq.subtractingReportingOverflow(first)
                result.counts[meter.name] = overflow ? 0 : max(0, distance) + 1
            } else if !oldest.isComplete {
                result.unknown.insert(meter.name)
            }
        }
        return result
    }

    /// The seq of the oldest reading of each meter behind a position, and whether all readings were looked at.
    private func oldestWaiting(after position: Int64, depth: Int) throws -> (seqs: [Int64: Int64], isComplete: Bool) {
        let statement = try cachedStatement(
            sql: """
                SELECT meter, min(seq), count(*)
                FROM (SELECT meter, seq FROM reading WHERE position > ? ORDER BY position LIMIT ?) GROUP BY meter
                """)
        var seqs: [Int64: Int64] = [:]
        var looked: Int64 = 0
        for row in try Row.fetchAll(statement, arguments: [position, depth]) {
            seqs[try row.integer(0)] = try row.integer(1)
            looked += try row.integer(2)
        }
        return (seqs, looked < depth)
    }
}
