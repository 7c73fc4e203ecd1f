/// Values over time, a character each.
enum Sparkline {
    /// From the lowest to the highest.
    enum Glyphs: String, Sendable {
        case blocks = "▁▂▃▄▅▆▇█"
        /// For a terminal that shows nothing else.
        case ascii = ".:-=+*#@"
    }

    struct Mark: Equatable {
        var glyph: Character
        var isNegative = false
    }

    /// - Parameter values: oldest first. One that is missing is a blank, and never zero.
    /// - Returns: the newest so many, scaled from their lowest to their highest, with blanks in front of the first.
    static func marks(_ values: [Double?], width: Int, _ glyphs: Glyphs) -> [Mark] {
        let shown = values.suffix(max(0, width))
        let known = shown.compactMap { $0 }
        let levels = Array(glyphs.rawValue)
        guard let low = known.min(), let high = known.max() else {
            return Array(repeating: Mark(glyph: " "), count: max(0, width))
        }
        let marks = shown.map { value -> Mark in
            guard let value else { return Mark(glyph: " ") }
            // What never changes is neither low nor high.
            let share = high > low ? (value - low) / (high - low) : 0.4
            let level = Int((share * Double(levels.count - 1)).rounded())
            return Mark(glyph: levels[min(max(level, 0), levels.count - 1)], isNegative: value < 0)
        }
        return Array(repeating: Mark(glyph: " "), count: width - marks.count) + marks
    }
}
