import OBIS

/// What one quantity did, in bounded memory: extremes, mean and a histogram, all weighted by time in ms.
struct Statistic: Hashable, Sendable {
    /// How values are counted.
    enum Scale {
        /// Bins of 1 V around whole volts, up to 450 V: a percentile is within 0.5 V.
        case voltage
        /// Sixteen bins for each doubling from 1 W to 1 MW, in both directions, and one for less than 1 W: a
        /// percentile is within 3.2 %.
        case power
    }

    var min: FixedDecimal?
    var max: FixedDecimal?
    /// Of value and time.
    var sum = 0.0
    var weights: [Int: Int64] = [:]
    /// The time inside of the band of the quantity, where it has one.
    var inside: Int64 = 0

    var weight: Int64 { weights.values.reduce(0, &+) }

    /// Takes a measured value without saying for how long it held.
    mutating func note(_ value: FixedDecimal) {
        min = min.map { Swift.min($0, value) } ?? value
        max = max.map { Swift.max($0, value) } ?? value
    }

    /// - Parameter milliseconds: for which the value held.
    mutating func add(_ value: FixedDecimal, for milliseconds: Int64, _ scale: Scale, isInside: Bool = false) {
        guard milliseconds > 0 else { return }
        note(value)
        sum += value.double * Double(milliseconds)
        weights[scale.bin(value.double), default: 0] += milliseconds
        if isInside { inside += milliseconds }
    }

    /// The same quantity in the time that follows.
    mutating func merge(_ other: Statistic) {
        if let low = other.min { note(low) }
        if let high = other.max { note(high) }
        sum += other.sum
        weights.merge(other.weights) { $0 &+ $1 }
        inside &+= other.inside
    }

    func distribution(_ scale: Scale) -> Summary.Distribution {
        let total = weight
        let sorted = weights.sorted { $0.key < $1.key }
        func percentile(_ share: Double) -> FixedDecimal? {
            var rest = share * Double(total)
            for (bin, weight) in sorted {
                rest -= Double(weight)
                if rest <= 0 { return clamped(FixedDecimal(rounding: scale.value(ofBin: bin), decimals: 0)) }
            }
            return nil
        }
        return Summary.Distribution(
            min: min, max: max,
            mean: total > 0 ? FixedDecimal(rounding: sum / Double(total), decimals: scale == .power ? 1 : 2) : nil,
            p5: percentile(0.05), p50: percentile(0.5), p95: percentile(0.95))
    }

    /// Nothing is outside of what was measured.
    private func clamped(_ value: FixedDecimal?) -> FixedDecimal? {
        guard let value, let min, let max else { return value }
        return value < min ? min : value > max ? max : value
    }
}

extension Statistic.Scale {
    static let highestVoltage = 450
    private static let binsPerOctave = 16
    private static let octaves = 20

    /// Every bin that there is.
    var bins: ClosedRange<Int> {
        switch self {
        case .voltage: 0...Self.highestVoltage
        case .power: -Self.binsPerOctave * Self.octaves...Self.binsPerOctave * Self.octaves
        }
    }

    func bin(_ value: Double) -> Int {
        guard value.isFinite else { return 0 }
        switch self {
        case .voltage: return Int(Swift.min(Swift.max(value.rounded(), 0), Double(Self.highestVoltage)))
        case .power:
            let size = value.magnitude
            guard size >= 1 else { return 0 }
            let octave = Int(size.exponent)
            let part = Int((size.significand - 1) * Double(Self.binsPerOctave))
            let bin = Swift.min(octave * Self.binsPerOctave + part + 1, bins.upperBound)
            return value < 0 ? -bin : bin
        }
    }

    /// The middle of a bin.
    func value(ofBin bin: Int) -> Double {
        switch self {
        case .voltage: return Double(bin)
        case .power:
            guard bin != 0 else { return 0 }
            let index = Int(bin.magnitude) - 1
            let part = (Double(index % Self.binsPerOctave) + 0.5) / Double(Self.binsPerOctave)
            let size = Double(sign: .plus, exponent: index / Self.binsPerOctave, significand: 1 + part)
            return bin < 0 ? -size : size
        }
    }
}

extension FixedDecimal {
    /// A statistic, rounded.
    ///
    /// - Returns: nil for what is no number or does not fit.
    init?(rounding value: Double, decimals: Int8) {
        let scaled = value / FixedDecimal(1, exponent: -decimals).double
        guard let mantissa = Int64(exactly: scaled.rounded()) else { return nil }
        self.init(mantissa, exponent: -decimals)
    }

    /// A share from 0 to 1 with three decimals.
    init(share part: Int64, of whole: Int64) {
        guard whole > 0, let share = FixedDecimal(rounding: Double(part) / Double(whole), decimals: 3) else {
            self = .zero
            return
        }
        self = Swift.min(Swift.max(share, .zero), FixedDecimal(1000, exponent: -3))
    }
}
