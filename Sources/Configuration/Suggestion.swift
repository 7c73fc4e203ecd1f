/// Finds what was probably meant.
enum Suggestion {
    /// The candidate nearest to `text`, when it is near enough to be a slip of the finger.
    static func nearest(to text: String, among candidates: some Sequence<String>) -> String? {
        let written = folded(text)
        let allowed = written.count < 3 ? 0 : max(1, written.count / 3)
        var best: (candidate: String, distance: Int)?
        for candidate in candidates {
            let other = folded(candidate)
            guard abs(other.count - written.count) <= allowed else { continue }
            let distance = distance(written, other)
            if distance <= allowed, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.candidate
    }

    /// Upper case and the choice between `-` and `_` are no difference worth a point.
    private static func folded(_ text: String) -> [UInt8] {
        text.lowercased().prefix(80).utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }
    }

    /// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
    static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforeLast[j - 1] + 1) }
                row.append(cost)
            }
            (beforeLast, last) = (last, row)
        }
        return last[b.count]
    }
}
