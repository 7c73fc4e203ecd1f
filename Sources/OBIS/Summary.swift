/// The figures of one closed hour or day of a meter, in the civil time of its place.
public struct Summary: Hashable, Sendable {
    public enum Period: String, Sendable, Hashable, CaseIterable {
        case hour, day
    }

    /// What a quantity did, weighted by the time for which each value held. Nil where nothing was measured.
    public struct Distribution: Hashable, Sendable {
        /// The smallest and the largest value that was measured, exactly.
        public var min: FixedDecimal?
        public var max: FixedDecimal?
        public var mean: FixedDecimal?
        /// Below which it was for 5, 50 and 95 % of the time: whole volts, and power within 3.2 %.
        public var p5: FixedDecimal?
        public var p50: FixedDecimal?
        public var p95: FixedDecimal?

        public init(
            min: FixedDecimal? = nil, max: FixedDecimal? = nil, mean: FixedDecimal? = nil, p5: FixedDecimal? = nil,
            p50: FixedDecimal? = nil, p95: FixedDecimal? = nil
        ) {
            self.min = min
            self.max = max
            self.mean = mean
            self.p5 = p5
            self.p50 = p50
            self.p95 = p95
        }
    }

    public struct Voltage: Hashable, Sendable {
        public var distribution: Distribution
        /// The share of the time inside of the band, 0 to 1; nil where nothing was measured.
        public var inside: FixedDecimal?

        public init(distribution: Distribution = Distribution(), inside: FixedDecimal? = nil) {
            self.distribution = distribution
            self.inside = inside
        }
    }

    public var period: Period
    /// Inclusive, and exclusive.
    public var from: Timestamp
    public var to: Timestamp
    /// `2026-10-25T02:00:00+01:00` for an hour, `2026-10-25` for a day.
    public var local: String
    /// Whether the host's clock was synchronised at each reading.
    public var isClockSynchronized = true
    public var medium: Medium?
    public var readings = 0
    /// How many of them had each quality.
    public var qualities: [Quality: Int] = [:]
    /// The share of the time for which there was data, 0 to 1.
    public var coverage = FixedDecimal.zero
    /// What the totals rose by between the last counters at or before both ends; nil where one of those is not known.
    public var rises = NamedValues()
    /// When the oldest of the counters at each end was read; nil where no rise is known.
    public var countersFrom: Timestamp?
    public var countersTo: Timestamp?
    /// Active power in W, import positive.
    public var power = Distribution()
    /// L1, L2, L3 in V.
    public var voltages = [Voltage(), Voltage(), Voltage()]
    /// Nominal ±10 %, in V, the ends included.
    public var voltageBand: ClosedRange<FixedDecimal>
    /// How many anomalies were opened, by type.
    public var anomalies: [String: Int] = [:]

    public init(
        period: Period, from: Timestamp, to: Timestamp, local: String,
        voltageBand: ClosedRange<FixedDecimal> = 207...253
    ) {
        self.period = period
        self.from = from
        self.to = to
        self.local = local
        self.voltageBand = voltageBand
    }
}
