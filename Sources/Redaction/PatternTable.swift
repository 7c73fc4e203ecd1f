/// Many byte patterns that are looked for at once.
struct PatternTable {
    typealias Pattern = Identifier.Pattern

    struct Match {
        let range: Range<Int>
        let replacement: [UInt8]
        let isNumeric: Bool
    }

    /// Shorter ones are not looked for.
    private static let key = 3
    private var patterns: [UInt32: [Pattern]] = [:]

    /// Where another identifier has the same bytes, its stand-in stays.
    mutating func insert(_ pattern: Pattern) {
        guard pattern.bytes.count >= Self.key, pattern.bytes.count == pattern.replacement.count,
            pattern.bytes != pattern.replacement
        else { return }
        let key = Self.key(pattern.bytes, at: 0)
        var list = patterns[key] ?? []
        if let index = list.firstIndex(where: { $0.bytes == pattern.bytes }) {
            if list[index].isNumeric, !pattern.isNumeric {
                list[index] = Pattern(bytes: pattern.bytes, replacement: list[index].replacement, isNumeric: false)
            }
        } else {
            // The longest first: it may contain others.
            list.insert(pattern, at: list.firstIndex { $0.bytes.count < pattern.bytes.count } ?? list.endIndex)
        }
        patterns[key] = list
    }

    private static func key(_ bytes: [UInt8], at index: Int) -> UInt32 {
        UInt32(bytes[index]) << 16 | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2])
    }

    /// Matches in order, none of which overlaps another.
    ///
    /// - Parameter accepts: whether something at this place is one.
    func matches(in bytes: [UInt8], where accepts: (Match) -> Bool = { _ in true }) -> [Match] {
        var matches: [Match] = []
        var index = 0
        while index + Self.key <= bytes.count {
            if let match = match(in: bytes, at: index, where: accepts) {
                matches.append(match)
                index = match.range.upperBound
            } else {
                index += 1
            }
        }
        return matches
    }

    private func match(in bytes: [UInt8], at index: Int, where accepts: (Match) -> Bool) -> Match? {
        guard let candidates = patterns[Self.key(bytes, at: index)] else { return nil }
        for pattern in candidates where bytes[index...].starts(with: pattern.bytes) {
            let match = Match(
                range: index..<(index + pattern.bytes.count), replacement: pattern.replacement,
                isNumeric: pattern.isNumeric)
            if accepts(match) { return match }
        }
        return nil
    }

    /// Every match replaced.
    func replaced(in bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for match in matches(in: bytes) { bytes.replaceSubrange(match.range, with: match.replacement) }
        return bytes
    }
}

/// Parts of patterns: what damage leaves of an identifier.
struct FragmentTable {
    private static let short = 3
    private static let long = 4
    private var fragments: [UInt64: [UInt8]] = [:]

    /// A part of three bytes is enough to recognise a number of four.
    mutating func insert(_ pattern: Identifier.Pattern) {
        let width = pattern.bytes.count >= Identifier.shortest ? Self.long : Self.short
        guard pattern.bytes.count == pattern.replacement.count, pattern.bytes.count > width else { return }
        for start in 0...(pattern.bytes.count - width) {
            let part = Array(pattern.bytes[start..<(start + width)])
            // Runs of zeros and the like are everywhere.
            guard Set(part).count >= Self.short, fragments[Self.key(part[...])] == nil else { continue }
            fragments[Self.key(part[...])] = Array(pattern.replacement[start..<(start + width)])
        }
    }

    private static func key(_ part: ArraySlice<UInt8>) -> UInt64 {
        part.reduce(UInt64(part.count)) { $0 << 8 | UInt64($1) }
    }

    /// They may overlap: each of an identifier that is whole but for one byte is one.
    func matches(
        in bytes: [UInt8], where accepts: (Range<Int>) -> Bool
    ) -> [(range: Range<Int>, replacement: [UInt8])] {
        guard !fragments.isEmpty else { return [] }
        var matches: [(range: Range<Int>, replacement: [UInt8])] = []
        for width in [Self.short, Self.long] where bytes.count >= width {
            for start in 0...(bytes.count - width) {
                let range = start..<(start + width)
                guard let replacement = fragments[Self.key(bytes[range])], accepts(range) else { continue }
                matches.append((range, replacement))
            }
        }
        return matches
    }
}
