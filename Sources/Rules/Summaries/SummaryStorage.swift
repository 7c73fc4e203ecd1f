import OBIS

/// The form in which a summary that is not over outlasts the process: lines of words, less than 64 KiB of them.
///
///     obisd-summary 1
///     last <field> <total> <ms>                       a counter as it was read last
///     hour <from> <to> <synced> <medium> <readings> <good> <warning> <error> <covered>
///     start <field> <total> <ms>                      a counter at its begin
///     measured <field> <min> <max> <sum> <inside> <bin>:<ms> …      bins and their times to base 36
///     anomaly <type> <count>
///     day …                                           and the same lines
extension SummaryBuilder {
    private static let head = "obisd-summary 1"
    private static let largest = 65_536

    /// What is known of the hour and the day that are not over.
    public var stored: [UInt8] {
        var lines = [Self.head]
        lines += Self.lines("last", lastCounters)
        for (name, period) in [("hour", hour), ("day", day)] {
            if let period { lines += Self.lines(name, period) }
        }
        return Array(lines.joined(separator: "\n").utf8)
    }

    /// Goes on with what was stored; the time in between is a gap.
    ///
    /// - Returns: nil for bytes that are nothing of the kind.
    public init?(stored bytes: [UInt8], calendar: any LocalCalendar, nominalVoltage: FixedDecimal? = nil) {
        guard bytes.count <= Self.largest else { return nil }
        var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")[...]
        guard lines.popFirst() == Self.head[...] else { return nil }
        self.init(calendar: calendar, nominalVoltage: nominalVoltage)
        for line in lines {
            guard take(line.split(separator: " ")) else { return nil }
        }
        guard (hour == nil) == (day == nil) else { return nil }
    }

    // MARK: Writing

    private static func lines(_ name: String, _ counters: [NamedField: SummaryPeriod.Counter]) -> [String] {
        counters.map { "\(name) \($0.key.rawValue) \($0.value.value) \($0.value.time.milliseconds)" }
    }

    private static func lines(_ name: String, _ period: SummaryPeriod) -> [String] {
        let (from, to) = (period.bounds.from.milliseconds, period.bounds.to.milliseconds)
        let qualities = Quality.allCases.map { "\(period.qualities[$0] ?? 0)" }.joined(separator: " ")
        var lines = [
            "\(name) \(from) \(to) \(period.isClockSynchronized) \(period.medium?.rawValue ?? "-") \(period.readings) "
                + "\(qualities) \(period.covered)"
        ]
        lines += Self.lines("start", period.starts)
        for field in SummaryPeriod.measured {
            if let statistic = period[field], let words = words(statistic) {
                lines.append("measured \(field.rawValue) \(words)")
            }
        }
        return lines + period.anomalies.map { "anomaly \($0.key) \($0.value)" }
    }

    /// - Returns: nil where nothing was measured.
    private static func words(_ statistic: Statistic) -> String? {
        guard let min = statistic.min, let max = statistic.max else { return nil }
        let bins = statistic.weights.map { " \(String($0.key, radix: 36)):\(String($0.value, radix: 36))" }
        return "\(min) \(max) \(statistic.sum) \(statistic.inside)" + bins.joined()
    }

    // MARK: Reading

    /// - Returns: false for words that are no line.
    private mutating func take(_ words: [Substring]) -> Bool {
        guard let first = words.first else { return false }
        let rest = words.dropFirst()
        switch first {
        case "last":
            guard let (field, counter) = Self.counter(rest) else { return false }
            lastCounters[field] = counter
            return true
        case "hour":
            hour = SummaryPeriod(words: rest)
            return hour != nil && day == nil
        case "day":
            day = SummaryPeriod(words: rest)
            return day != nil
        default:
            // Of the period whose line came last.
            return day != nil ? day?.take(first, rest) ?? false : hour?.take(first, rest) ?? false
        }
    }

    fileprivate static func counter(_ words: ArraySlice<Substring>) -> (NamedField, SummaryPeriod.Counter)? {
        let words = Array(words)
        guard words.count == 3, let field = UInt8(words[0]).flatMap(NamedField.init(rawValue:)),
            let value = FixedDecimal(words[1]), let time = Int64(words[2])
        else { return nil }
        return (field, SummaryPeriod.Counter(value: value, time: Timestamp(milliseconds: time)))
    }
}

extension SummaryPeriod {
    /// Nothing in it is larger: in days of ms with room to spare.
    private static let longest: Int64 = 4 * 86_400_000
    private static let mostReadings = 1_000_000_000

    /// - Returns: nil for words that are no period, and for one that no calendar has.
    fileprivate init?(words: ArraySlice<Substring>) {
        let words = Array(words)
        guard words.count == 9, let from = Int64(words[0]), let to = Int64(words[1]), from < to,
            Timestamp.milliseconds(from: Timestamp(milliseconds: from), to: Timestamp(milliseconds: to)) < Self.longest,
            let isClockSynchronized = Bool(String(words[2])), let covered = Self.time(words[8], radix: 10)
        else { return nil }
        let counts = words[4...7].compactMap { Self.count($0) }
        guard counts.count == 4 else { return nil }
        self.init(bounds: LocalPeriod(from: Timestamp(milliseconds: from), to: Timestamp(milliseconds: to)))
        self.isClockSynchronized = isClockSynchronized
        medium = Medium(rawValue: String(words[3]))
        readings = counts[0]
        for (quality, count) in zip(Quality.allCases, counts.dropFirst()) where count > 0 { qualities[quality] = count }
        self.covered = covered
    }

    /// - Returns: false for words that are no line of a period.
    fileprivate mutating func take(_ name: Substring, _ words: ArraySlice<Substring>) -> Bool {
        switch name {
        case "start":
            guard let (field, counter) = SummaryBuilder.counter(words) else { return false }
            starts[field] = counter
            return true
        case "anomaly":
            guard words.count == 2, let type = words.first, let count = words.last.flatMap({ Self.count($0) }) else {
                return false
            }
            note(anomaly: String(type), count: count)
            return true
        case "measured":
            guard let field = words.first.flatMap({ UInt8($0) }).flatMap(NamedField.init(rawValue:)),
                Self.measured.contains(field),
                let statistic = Self.statistic(words.dropFirst(), field == .activePower ? .power : .voltage)
            else { return false }
            update(field) { kept, _ in kept = statistic }
            return true
        default: return false
        }
    }

    private static func statistic(_ words: ArraySlice<Substring>, _ scale: Statistic.Scale) -> Statistic? {
        let words = Array(words)
        guard words.count >= 4, let min = FixedDecimal(words[0]), let max = FixedDecimal(words[1]), min <= max,
            let sum = Double(words[2]), sum.isFinite, let inside = time(words[3], radix: 10)
        else { return nil }
        var statistic = Statistic(min: min, max: max, sum: sum, inside: inside)
        for word in words.dropFirst(4) {
            let parts = word.split(separator: ":")
            guard parts.count == 2, let bin = Int(parts[0], radix: 36), scale.bins.contains(bin),
                let weight = time(parts[1], radix: 36)
            else { return nil }
            statistic.weights[bin] = weight
        }
        return statistic
    }

    private static func time(_ word: Substring, radix: Int) -> Int64? {
        Int64(word, radix: radix).flatMap { (0...longest).contains($0) ? $0 : nil }
    }

    private static func count(_ word: Substring) -> Int? {
        Int(word).flatMap { (0...mostReadings).contains($0) ? $0 : nil }
    }
}
