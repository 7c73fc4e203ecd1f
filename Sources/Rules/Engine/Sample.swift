import OBIS

/// One value of each phase.
struct Phases<Value: Sendable>: Sendable {
    static var indices: Range<Int> { 0..<3 }

    private var values: InlineArray<3, Value>

    init(repeating value: Value) {
        values = [value, value, value]
    }

    init(_ l1: Value, _ l2: Value, _ l3: Value) {
        values = [l1, l2, l3]
    }

    subscript(phase: Int) -> Value {
        get { values[phase] }
        set { values[phase] = newValue }
    }
}

/// The good values of one live reading, as numbers to reckon with. What is not there is unknown, never zero.
struct Sample: Sendable {
    let moment: Moment
    /// Milliseconds since the reading before; nil for the first one and after a gap.
    let elapsed: Int64?
    let epoch: Int
    let medium: Medium?

    /// In W, export negative.
    let power: Double?
    /// In VA; of what is drawn from the grid.
    let apparentPower: Double?
    /// In V and A.
    let voltages: Phases<Double?>
    let currents: Phases<Double?>
    /// In Hz.
    let frequency: Double?
    /// 0 to 1.
    let powerFactor: Double?
    /// In %.
    let thdVoltage: Double?
    /// In kWh.
    let activeImport: Double?
    let activeExport: Double?
    /// In m3.
    let volume: Double?

    /// The phases that have been seen under voltage.
    var wired = Phases(repeating: false)
    /// The usual import at this hour of the day; nil until a week is known.
    var habit: Habit.Usual?
    /// The hour that this reading ended.
    var closedHour: ClosedHour?

    /// What is drawn from the grid, in W.
    var importPower: Double? { power.map { max(0, $0) } }

    init(_ reading: Reading, moment: Moment, elapsed: Int64?) {
        let values = reading.values
        func number(_ field: NamedField) -> Double? { values[field]?.double }
        self.moment = moment
        self.elapsed = elapsed
        epoch = reading.epoch
        medium = reading.device.medium
        power = number(.activePower)
        voltages = Phases(number(.voltageL1), number(.voltageL2), number(.voltageL3))
        currents = Phases(number(.currentL1), number(.currentL2), number(.currentL3))
        frequency = number(.frequency)
        thdVoltage = number(.thdVoltage)
        activeImport = number(.activeImport)
        activeExport = number(.activeExport)
        volume = number(.volume)
        let apparent = number(.apparentPower)
        apparentPower = Self.drawn(apparent, power)
        powerFactor = Self.powerFactor(number(.powerFactor), power, apparent)
    }

    /// The apparent power as the meter says it, at least the active power. Voltages and currents do not tell it: what a
    /// generator feeds into one phase has the same sign as what is drawn from another.
    private static func drawn(_ apparent: Double?, _ power: Double?) -> Double? {
        guard let power else { return apparent.map { abs($0) } }
        // What is fed in is not drawn.
        return power < 0 ? 0 : max(abs(apparent ?? 0), power)
    }

    private static func powerFactor(_ told: Double?, _ power: Double?, _ apparent: Double?) -> Double? {
        if let told { return abs(told) }
        guard let power, let apparent, abs(apparent) >= 1 else { return nil }
        return min(1, abs(power / apparent))
    }
}

/// One hour of the day after it has passed.
struct ClosedHour: Sendable {
    /// The mean import, in W.
    let mean: Double
    /// The usual mean at that hour; nil until a week is known.
    let habit: Habit.Usual?
    /// Whether there was any export on that day so far.
    let hadExport: Bool
}

/// Means over periods of equal length, one after the other.
struct WindowMean: Sendable {
    private let length: Int64
    private let samples: Int
    private var cadence = Cadence()
    private var start: Int64?
    private var sum = 0.0
    private var weight = 0.0
    private var count = 0

    /// - Parameters:
    ///   - length: in milliseconds.
    ///   - samples: a mean of fewer values says nothing.
    init(length: Int64, samples: Int) {
        self.length = length
        self.samples = samples
    }

    /// Takes a value that has held since the one before.
    ///
    /// - Returns: the mean of the period that ends with it; nil within a period, and where it had gaps.
    mutating func add(_ value: Double, at now: Int64) -> Double? {
        guard let elapsed = cadence.step(to: now), let start else {
            self = WindowMean(length: length, samples: samples, cadence: cadence, start: now)
            return nil
        }
        sum += value * Double(elapsed)
        weight += Double(elapsed)
        count += 1
        guard now - start >= length else { return nil }
        defer { self = WindowMean(length: length, samples: samples, cadence: cadence, start: now) }
        return count >= samples && weight > 0 ? sum / weight : nil
    }

    private init(length: Int64, samples: Int, cadence: Cadence, start: Int64) {
        self.init(length: length, samples: samples)
        self.cadence = cadence
        self.start = start
    }
}
