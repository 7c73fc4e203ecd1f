import OBIS

/// From which value on something is an anomaly, how bad it is then, and when it is over.
struct Ladder: Sendable {
    enum Side: Sendable { case above, below }

    /// One rung.
    struct Level: Sendable {
        var severity: Anomaly.Severity
        /// Values beyond this one hold the level.
        var enter: Double
        /// For how long they must, in milliseconds, and how many of them.
        var hold: Int64
        var samples: Int32
    }

    static let mostLevels = 3

    let side: Side
    /// Values up to here, seen for `clearFor` milliseconds, end the anomaly. Between `enter` and `exit` nothing changes.
    private(set) var exit: Double
    let clearFor: Int64
    /// For so many milliseconds after an end there is no new beginning.
    let cooldown: Int64
    /// Whether the values mean something to a person, or only say that a condition holds.
    let isMeasured: Bool
    /// How many of the rungs there are, the mildest first. They lie here and not in an array of their own, since they
    /// are looked at with every reading.
    private(set) var count = 0
    private var rungs: InlineArray<3, Level>
    /// Of the value; nil where it is a number of its own.
    let unit: Unit?

    /// A comparison of values with limits. A level whose limit is not set (not a number) is left out.
    ///
    /// - Parameter hysteresis: by how much a value must be back inside of the mildest limit.
    init(
        _ side: Side, _ levels: [Level], hysteresis: Double, clearFor: Int64, cooldown: Int64, unit: Unit?
    ) {
        self.init(side, clearFor, cooldown, unit, isMeasured: true)
        for var level in levels where !level.enter.isNaN {
            // A mild limit that was set beyond the next one moves that along.
            if count > 0 {
                let last = rungs[count - 1].enter
                level.enter = side == .above ? max(last, level.enter) : min(last, level.enter)
            }
            append(level)
        }
        exit = side == .above ? rungs[0].enter - hysteresis : rungs[0].enter + hysteresis
    }

    /// A condition that holds or not: value 0 is none, 1 the mildest level, 2 the next.
    init(conditions levels: [Level], clearFor: Int64, cooldown: Int64) {
        self.init(.above, clearFor, cooldown, nil, isMeasured: false)
        for var level in levels {
            level.enter = Double(count) + 0.5
            append(level)
        }
        exit = 0.5
    }

    private init(_ side: Side, _ clearFor: Int64, _ cooldown: Int64, _ unit: Unit?, isMeasured: Bool) {
        self.side = side
        self.clearFor = clearFor
        self.cooldown = cooldown
        self.unit = unit
        self.isMeasured = isMeasured
        exit = .nan
        rungs = InlineArray(repeating: Level(severity: .low, enter: .nan, hold: 0, samples: 1))
    }

    private mutating func append(_ level: Level) {
        guard count < Self.mostLevels else { return }
        rungs[count] = level
        count += 1
    }

    /// - Parameter rung: below `count`.
    subscript(rung: Int) -> Level { rungs[rung] }

    /// Moves the mildest limit, for a rule whose limit is learned.
    mutating func move(enter: Double, exit: Double) {
        rungs[0].enter = enter
        self.exit = exit
    }

    /// The worst level that is no worse than a severity: the limit that goes with it.
    func level(of severity: Anomaly.Severity) -> Level {
        for rung in (0..<count).reversed() where rungs[rung].severity <= severity { return rungs[rung] }
        return rungs[0]
    }

    func isBeyond(_ value: Double, _ limit: Double) -> Bool {
        side == .above ? value > limit : value < limit
    }

    /// Whether a value is safely on the good side.
    func isInside(_ value: Double) -> Bool {
        side == .above ? value <= exit : value >= exit
    }

    /// How far a value is on the bad side of the mildest limit, in the value's unit.
    func badness(_ value: Double) -> Double {
        side == .above ? value - rungs[0].enter : rungs[0].enter - value
    }
}

/// What a rule puts into words.
struct Finding {
    /// The worst value so far and the limit that it exceeds; nil where a condition was judged.
    var value: FixedDecimal?
    var threshold: FixedDecimal?
    var unit: Unit?
    var phase: Anomaly.Phase?
    var severity: Anomaly.Severity

    /// `26.4 A`
    var measured: String { text(value) }
    var limit: String { text(threshold) }
    /// ` on L1`, or nothing.
    var place: String { phase.map { " on \($0.rawValue.uppercased())" } ?? "" }

    private func text(_ number: FixedDecimal?) -> String {
        guard let number else { return "unknown" }
        return "\(number)" + (unit.map { " \($0.symbol)" } ?? "")
    }
}

extension FixedDecimal {
    /// A result of statistics with as many digits as it deserves.
    ///
    /// - Returns: nil for what is no number or does not fit.
    init?(_ number: Double, decimals: Int) {
        var (scale, power) = (1.0, decimals)
        for _ in 0..<decimals { scale *= 10 }
        guard var mantissa = Int64(exactly: (number * scale).rounded()) else { return nil }
        while power > 0, mantissa % 10 == 0 {
            mantissa /= 10
            power -= 1
        }
        guard let exponent = Int8(exactly: -power) else { return nil }
        self.init(mantissa, exponent: exponent)
    }
}
