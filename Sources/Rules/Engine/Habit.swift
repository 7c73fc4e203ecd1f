import OBIS

/// What is usually drawn at each hour of the day: the hourly means of four weeks.
struct Habit: Sendable {
    /// How the means of one hour of the day spread, in W.
    struct Usual: Sendable {
        /// One day in ten is below.
        let low: Double
        let median: Double
        /// One day in ten is above, also in the hour before and after: habits are not punctual.
        let high: Double
    }

    static let days = 28
    /// Fewer days are no habit.
    static let leastDays = 7
    /// The share of an hour that must have been seen.
    private static let leastCoverage = 0.75
    private static let hour: Double = 3_600_000

    /// By day and hour, in W; negative where nothing is known.
    private var means = [Int32](repeating: -1, count: days * 24)
    private var day: Int?
    private var currentHour = 0
    private var sum = 0.0
    private var weight = 0.0
    private var hadExport = false
    /// The usual import at this hour; nil until a week is known.
    private(set) var present: Usual?

    /// Takes the power of a reading.
    ///
    /// - Returns: the hour that it ended, where enough of that was seen.
    mutating func add(_ sample: Sample, _ local: LocalMoment) -> ClosedHour? {
        var closed: ClosedHour?
        if day != local.day || currentHour != local.hour { closed = turn(to: local) }
        if let power = sample.power, let elapsed = sample.elapsed {
            sum += max(0, power) * Double(elapsed)
            weight += Double(elapsed)
            if power < 0 { hadExport = true }
        }
        return closed
    }

    private mutating func turn(to local: LocalMoment) -> ClosedHour? {
        var closed: ClosedHour?
        if let day, weight >= Self.leastCoverage * Self.hour {
            let mean = sum / weight
            closed = ClosedHour(mean: mean, habit: present, hadExport: hadExport)
            means[Self.slot(day, currentHour)] = Int32(clamping: Int64(exactly: mean.rounded()) ?? 0)
        }
        if day != local.day {
            forget(upTo: local.day)
            hadExport = false
        }
        day = local.day
        currentHour = local.hour
        sum = 0
        weight = 0
        present = usual(at: currentHour)
        return closed
    }

    /// Makes room for a new day: what is older than four weeks is no habit any more.
    private mutating func forget(upTo newDay: Int) {
        let first = max((day ?? newDay - 1) + 1, newDay - Self.days + 1)
        // A clock that was set back leaves today's row as the only one that is surely wrong.
        for old in min(first, newDay)...newDay {
            for hour in 0..<24 { means[Self.slot(old, hour)] = -1 }
        }
    }

    private static func slot(_ day: Int, _ hour: Int) -> Int {
        let row = day % days
        return (row < 0 ? row + days : row) * 24 + min(max(hour, 0), 23)
    }

    private func usual(at hour: Int) -> Usual? {
        let known = known(at: hour)
        guard known.count >= Self.leastDays, let median = known.median else { return nil }
        let high = [hour + 23, hour, hour + 1].compactMap { self.known(at: $0 % 24).quantile(0.9) }.max()
        return Usual(low: known.quantile(0.1) ?? median, median: median, high: high ?? median)
    }

    private func known(at hour: Int) -> [Int32] {
        (0..<Self.days).map { means[$0 * 24 + hour] }.filter { $0 >= 0 }
    }

    // MARK: Restarts

    func store(_ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("day", day)
            writer.member("hour", currentHour)
            writer.member("sum", FixedDecimal(sum, decimals: 0))
            writer.member("weight", FixedDecimal(weight, decimals: 0))
            writer.member("exported", hadExport)
            writer.key("means")
            writer.array { for mean in means { $0.number(mean) } }
        }
    }

    mutating func restore(_ memory: StoredValue) {
        guard let stored = memory["means"]?.array, stored.count == means.count, let day = memory["day"]?.integer,
            let hour = memory["hour"]?.integer, (0..<24).contains(hour)
        else { return }
        means = stored.map { $0.integer.map { Int32(clamping: $0) } ?? -1 }
        self.day = day
        currentHour = hour
        sum = max(0, memory["sum"]?.double ?? 0)
        weight = max(0, memory["weight"]?.double ?? 0)
        hadExport = memory["exported"]?.bool ?? false
        present = usual(at: currentHour)
    }
}

extension Collection where Element: Comparable & BinaryInteger {
    /// The value that so large a share of the others does not exceed; nil where there are none.
    func quantile(_ share: Double) -> Double? {
        guard !isEmpty else { return nil }
        let place = (share * Double(count - 1)).rounded()
        return Double(sorted()[Swift.min(Int(place), count - 1)])
    }

    /// Half of the values are not above it; nil where there are none.
    var median: Double? {
        guard !isEmpty else { return nil }
        let sorted = sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1
            ? Double(sorted[middle]) : (Double(sorted[middle - 1]) + Double(sorted[middle])) / 2
    }
}
