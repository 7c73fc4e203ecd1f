import Logging
import NIOCore
import Synchronization

/// The newest traffic of each line, in memory: what passed when something went wrong that nobody was waiting for.
///
/// A line keeps 64 KiB of it, and all of them together 1 MiB: what is older is forgotten. More would be most of what the
/// daemon has for fifty meters, and grow for as long as the slowest of them takes to fill its part.
public final class RecentTraffic: LineRecording {
    static let lineLimit = 64 * 1024
    static let limit = 1024 * 1024

    private let lines = Mutex<[String: TrafficTail]>([:])

    public init() {}

    public func recorder(of line: String, logger: Logger) -> any LineRecorder {
        TailRecorder(line: line, traffic: self)
    }

    /// The capture of a line, as text.
    ///
    /// - Returns: nil where nothing has passed on such a line.
    public func capture(of line: String) -> String? {
        // Copied under the lock, which shares the bytes; written outside of it.
        lines.withLock { $0[line] }.map(\.text)
    }

    /// Forgets the lines that there are no more.
    public func keep(only names: Set<String>) {
        lines.withLock { lines in lines = lines.filter { names.contains($0.key) } }
    }

    fileprivate func append(_ entry: TrafficTail.Entry, to line: String) {
        lines.withLock { lines in
            let isNew = lines[line] == nil
            let share = Self.share(lines.count + (isNew ? 1 : 0))
            if isNew, share < Self.share(lines.count) {
                // The share of each is smaller from now on, also of those that are silent.
                for name in lines.keys { lines[name]?.forget(beyond: share) }
            }
            lines[line, default: TrafficTail()].append(entry, limit: share)
        }
    }

    /// It halves with each doubling: each new line would have to look at all others else.
    private static func share(_ lines: Int) -> Int {
        let doubled = lines > 1 ? 1 << (Int.bitWidth - (lines - 1).leadingZeroBitCount) : 1
        return min(lineLimit, limit / doubled)
    }
}

private struct TailRecorder: LineRecorder {
    let line: String
    let traffic: RecentTraffic

    func write(_ piece: Capture.Piece) { traffic.append(.piece(piece), to: line) }
    func comment(_ text: String) { traffic.append(.comment(text), to: line) }
    func close() {}
}

/// The end of what passed on one line.
struct TrafficTail: Sendable {
    enum Entry: Sendable {
        case piece(Capture.Piece)
        case comment(String)

        /// What it takes of the memory, in bytes, with about what surrounds its own.
        var size: Int {
            switch self {
            case .piece(let piece): 96 + piece.bytes.count
            case .comment(let text): 96 + text.utf8.count
            }
        }

        var text: String {
            switch self {
            case .piece(let piece): piece.line
            case .comment(let text): "# \(text)\n"
            }
        }
    }

    private var entries = CircularBuffer<Entry>()
    private(set) var size = 0
    /// How many were forgotten.
    private(set) var dropped = 0

    /// Appends, and forgets from the beginning until all that is left has `limit` bytes at most. An entry that is larger
    /// alone is forgotten at once.
    mutating func append(_ entry: Entry, limit: Int) {
        entries.append(entry)
        size += entry.size
        forget(beyond: limit)
    }

    mutating func forget(beyond limit: Int) {
        while size > limit, let oldest = entries.popFirst() {
            size -= oldest.size
            dropped += 1
        }
    }

    var text: String {
        let head = dropped == 0 ? "" : "# what came before, \(dropped) pieces, is forgotten\n"
        return Capture.header + head + entries.map(\.text).joined()
    }
}
