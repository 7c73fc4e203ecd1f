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
    /// One to three, the mildest first.
    var levels: [Level]
    /// Values up to here, seen for `clearFor` milliseconds, end the anomaly. Between `enter` and `exit` nothing changes.
    var exit: Double
    let clearFor: Int64
    /// For so many milliseconds after an end there is no new beginning.
    let cooldown: Int64
    /// Of the value; nil where it is a number of its own.
    let unit: Unit?
    /// Whether the values mean something to a person, or only say that a condition holds.
    let isMeasured: Bool

    /// A comparison of values with limits. A level whose limit is not set (not a number) is left out.
    ///
    /// - Parameter hysteresis: by how much a value must be back inside of the mildest limit.
    init(
        _ side: Side, _ levels: [Level], hysteresis: Double, clearFor: Int64, cooldown: Int64, unit: Unit?
    ) {
        var rungs: [Level] = []
        for var level in levels.prefix(Self.mostLevels) where !level.enter.isNaN {
            // A mild limit that was set beyond the next one moves that along.
            if let last = rungs.last?.enter {
                level.enter = side == .above ? max(last, level.enter) : min(last, level.enter)
            }
            rungs.append(level)
        }
        self.side = side
        self.levels = rungs
        let first = rungs.first?.enter ?? .nan
        exit = side == .above ? first - hysteresis : first + hysteresis
        self.clearFor = clearFor
        self.cooldown = cooldown
        self.unit = unit
        isMeasured = true
    }

    /// A condition that holds or not: value 0 is none, 1 the mildest level, 2 the next.
    init(conditions levels: [Level], clearFor: Int64, cooldown: Int64) {
        side = .above
        self.levels = levels.prefix(Self.mostLevels).enumerated().map { index, level in
            Level(severity: level.severity, enter: Double(index) + 0.5, hold: level.hold, samples: level.samples)
        }
        exit = 0.5
        self.clearFor = clearFor
        self.cooldown = cooldown
        unit = nil
        isMeasured = false
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
        guard let enter = levels.first?.enter else { return 0 }
        return side == .above ? value - enter : enter - value
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
