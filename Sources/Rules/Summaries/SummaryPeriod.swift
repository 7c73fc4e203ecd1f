import OBIS

/// An hour or a day that is not over.
struct SummaryPeriod: Hashable, Sendable {
    /// A total, and when its counter was read.
    struct Counter: Hashable, Sendable {
        let value: FixedDecimal
        let time: Timestamp
    }

    struct Phases: Hashable, Sendable {
        var l1 = Statistic()
        var l2 = Statistic()
        var l3 = Statistic()
    }

    /// What is followed.
    static let measured: [NamedField] = [.activePower, .voltageL1, .voltageL2, .voltageL3]
    static let anomalyTypes = 32
    static let longestType = 40

    let bounds: LocalPeriod
    /// The last counters at or before its begin.
    var starts: [NamedField: Counter] = [:]
    var isClockSynchronized = true
    var medium: Medium?
    var readings = 0
    var qualities: [Quality: Int] = [:]
    /// In ms.
    var covered: Int64 = 0
    var power = Statistic()
    var voltages = Phases()
    var anomalies: [String: Int] = [:]

    init(bounds: LocalPeriod) {
        self.bounds = bounds
    }

    // MARK: What passes

    mutating func note(_ reading: Reading) {
        isClockSynchronized = isClockSynchronized && reading.isClockSynchronized
        medium = reading.device.medium ?? medium
        readings &+= 1
        qualities[reading.quality, default: 0] &+= 1
        for field in Self.measured {
            if let value = reading.values[field] { update(field) { statistic, _ in statistic.note(value) } }
        }
    }

    /// There was data for so long.
    mutating func cover(_ span: Duration) {
        covered &+= span.wholeMilliseconds
    }

    /// A value held for so long.
    mutating func add(
        _ value: FixedDecimal, of field: NamedField, for span: Duration, _ band: ClosedRange<FixedDecimal>
    ) {
        update(field) { statistic, scale in
            let isInside = scale == .voltage && band.contains(value)
            statistic.add(value, for: span.wholeMilliseconds, scale, isInside: isInside)
        }
    }

    /// Nil for what is not followed.
    subscript(field: NamedField) -> Statistic? {
        switch field {
        case .activePower: power
        case .voltageL1: voltages.l1
        case .voltageL2: voltages.l2
        case .voltageL3: voltages.l3
        default: nil
        }
    }

    /// In place: a copy would be one of the whole histogram.
    mutating func update(_ field: NamedField, _ body: (inout Statistic, Statistic.Scale) -> Void) {
        switch field {
        case .activePower: body(&power, .power)
        case .voltageL1: body(&voltages.l1, .voltage)
        case .voltageL2: body(&voltages.l2, .voltage)
        case .voltageL3: body(&voltages.l3, .voltage)
        default: break
        }
    }

    mutating func note(anomaly type: String, count: Int = 1) {
        guard anomalies[type] != nil || anomalies.count < Self.anomalyTypes, type.utf8.count <= Self.longestType,
            !type.isEmpty, !type.contains(where: \.isWhitespace)
        else { return }
        anomalies[type, default: 0] &+= count
    }

    // MARK: Its end

    /// Takes over an hour that is part of it.
    mutating func merge(_ hour: SummaryPeriod) {
        isClockSynchronized = isClockSynchronized && hour.isClockSynchronized
        medium = hour.medium ?? medium
        readings &+= hour.readings
        qualities.merge(hour.qualities) { $0 &+ $1 }
        covered &+= hour.covered
        power.merge(hour.power)
        voltages.l1.merge(hour.voltages.l1)
        voltages.l2.merge(hour.voltages.l2)
        voltages.l3.merge(hour.voltages.l3)
        for (type, count) in hour.anomalies { note(anomaly: type, count: count) }
    }

    /// The figures, now that it is over.
    ///
    /// - Parameters:
    ///   - ends: the last counters at or before its end.
    ///   - patience: by how much those at both ends may be older than the end itself.
    func summary(
        _ period: Summary.Period, label: String, ends: [NamedField: Counter], patience: Duration,
        band: ClosedRange<FixedDecimal>
    ) -> Summary {
        var summary = Summary(period: period, from: bounds.from, to: bounds.to, local: label, voltageBand: band)
        summary.isClockSynchronized = isClockSynchronized
        summary.medium = medium
        summary.readings = readings
        summary.qualities = qualities
        summary.coverage = FixedDecimal(
            share: covered, of: Timestamp.milliseconds(from: bounds.from, to: bounds.to))
        for (field, end) in ends {
            guard let start = starts[field], start.isFresh(at: bounds.from, patience),
                end.isFresh(at: bounds.to, patience), let rise = end.value.subtracting(start.value)
            else { continue }
            summary.rises[field] = rise
            summary.countersFrom = min(summary.countersFrom ?? start.time, start.time)
            summary.countersTo = min(summary.countersTo ?? end.time, end.time)
        }
        summary.power = power.distribution(.power)
        summary.voltages = [voltages.l1, voltages.l2, voltages.l3].map { voltage in
            Summary.Voltage(
                distribution: voltage.distribution(.voltage),
                inside: voltage.weight > 0 ? FixedDecimal(share: voltage.inside, of: voltage.weight) : nil)
        }
        summary.anomalies = anomalies
        return summary
    }
}

extension SummaryPeriod.Counter {
    fileprivate func isFresh(at boundary: Timestamp, _ patience: Duration) -> Bool {
        time <= boundary && .milliseconds(Timestamp.milliseconds(from: time, to: boundary)) <= patience
    }
}
