/// The newest entries of the queue, as they were committed: an outlet that keeps up need not have them read from the file.
struct RecentEntries: Sendable {
    /// More is read from the file.
    private static let limit = (entries: 256, bytes: 512 << 10)

    private var entries: [JournalEntry] = []
    /// Those in front of it are no longer kept.
    private var first = 0
    private var bytes = 0

    /// Takes over what a transaction has committed.
    mutating func append(_ committed: [JournalEntry]) {
        for entry in committed {
            // Only what is complete can stand for the file.
            if let last = entries.last, entry.position != last.position + 1 { forget() }
            entries.append(entry)
            bytes += entry.size
        }
        while entries.count - first > Self.limit.entries || bytes > Self.limit.bytes {
            bytes -= entries[first].size
            first += 1
        }
        guard first >= Self.limit.entries else { return }
        entries.removeFirst(first)
        first = 0
    }

    /// What is in the file is not what was committed any more.
    mutating func forget() {
        entries = []
        (first, bytes) = (0, 0)
    }

    /// What comes after a position, in order; nil where the file has to be asked.
    func after(_ position: Int64, limit: Int) -> [JournalEntry]? {
        guard first < entries.count, position >= entries[first].position - 1 else { return nil }
        let skipped = Int(clamping: position - (entries[first].position - 1))
        guard skipped < entries.count - first else { return nil }
        return Array(entries[(first + skipped)...].prefix(limit))
    }
}

extension JournalEntry {
    fileprivate var size: Int { reading?.payload.count ?? 0 }
}
