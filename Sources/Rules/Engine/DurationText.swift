/// Durations as a person says them.
enum DurationText {
    private static let units: [(symbol: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000),
    ]

    /// `12 min`, `1 h 30 min`, `10 s`: the two largest units.
    static func text(milliseconds: Int64) -> String {
        guard let first = units.firstIndex(where: { milliseconds >= $0.milliseconds }) else { return "0 s" }
        var rest = milliseconds
        var parts: [String] = []
        for unit in units[first...].prefix(2) {
            let count = rest / unit.milliseconds
            rest %= unit.milliseconds
            if count > 0 { parts.append("\(count) \(unit.symbol)") }
        }
        return parts.joined(separator: " ")
    }

    /// `05:00`
    static func timeOfDay(minutes: Int) -> String {
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(two(minutes / 60 % 24)):\(two(minutes % 60))"
    }
}
