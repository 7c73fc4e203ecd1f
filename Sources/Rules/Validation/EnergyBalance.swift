import OBIS

/// Compares, hour by hour, what the energy counters rose by with what the power adds up to.
///
/// Import less export is compared with net power, whose integral is made of straight lines between arrivals. The hour
/// begins and ends when a counter is seen to rise, since some are renewed only every few minutes. It is void where a
/// value was missing for a minute, where the meter was exchanged, and where a counter went back.
///
/// Between two readings nobody knows when a load was switched. The error of that is estimated from the steps of power
/// and tolerated: four times its standard deviation, when each step is as likely at one time as at another.
struct EnergyBalance {
    /// Of all that flowed, in either direction.
    static let tolerance = 0.05
    /// In Wh.
    static let floor = 10.0
    static let longestGap = Duration.seconds(60)
    /// Counters that are renewed by the hour may do so a little early.
    static let hour = Duration.seconds(3590)
    /// A counter that stood still for so long is compared as it is.
    static let longestHour = Duration.seconds(7200)

    fileprivate struct Counters: Equatable {
        var imported: FixedDecimal
        var exported: FixedDecimal?
    }

    fileprivate struct Hour {
        let start: Duration
        let counters: Counters
        /// Whether it began when a counter rose.
        let isAligned: Bool
        /// In Wh.
        var net = 0.0
        /// Of both directions together, in Wh.
        var gross = 0.0
        /// The square of the error that the switching of loads makes, in Wh².
        var variance = 0.0
    }

    private var hour: Hour?
    private var counters: Counters?
    private var power: Power?

    fileprivate struct Power {
        /// In W.
        var value: Double
        var measured: Duration
        /// Up to where the integral has come.
        var integrated: Duration
        let tellsExport: Bool
    }

    mutating func reset() {
        self = EnergyBalance()
    }

    /// Takes the good values of a live reading.
    ///
    /// - Parameters:
    ///   - tellsExport: whether the power is negative in export; else hours with export cannot be compared.
    ///   - now: monotonic.
    /// - Returns: both amounts where they contradict each other.
    mutating func observe(_ values: NamedValues, tellsExport: Bool, at now: Duration) -> QualityIssue? {
        if let power, now - power.measured > Self.longestGap { reset() }
        integrate(values[.activePower]?.double, tellsExport, at: now)
        guard let imported = values[.activeImport] else { return nil }
        let next = Counters(imported: imported, exported: values[.activeExport])
        defer { counters = next }
        guard let power, let before = counters else { return nil }
        let isRisen = next != before && next.isAfter(before)
        guard next.isAfter(before), let running = hour else {
            hour = Hour(start: now, counters: next, isAligned: isRisen)
            return nil
        }
        let length = now - running.start
        guard isRisen ? !running.isAligned || length >= Self.hour : length >= Self.longestHour else { return nil }
        hour = Hour(start: now, counters: next, isAligned: isRisen)
        guard running.isAligned || !isRisen, power.tellsExport || next.exported == running.counters.exported else {
            return nil
        }
        return Self.judge(running, next, length)
    }

    private mutating func integrate(_ measured: Double?, _ tellsExport: Bool, at now: Duration) {
        // Until the next reading with a power, the last one holds.
        guard let last = power else {
            power = measured.map { Power(value: $0, measured: now, integrated: now, tellsExport: tellsExport) }
            return
        }
        let value = measured ?? last.value
        let span = max(.zero, now - last.integrated).hours
        hour?.net += (last.value + value) / 2 * span
        hour?.gross += (last.value.magnitude + value.magnitude) / 2 * span
        hour?.variance += (value - last.value) * (value - last.value) * span * span / 12
        power = Power(
            value: value, measured: measured == nil ? last.measured : now, integrated: now,
            tellsExport: measured == nil ? last.tellsExport : tellsExport)
    }

    private static func wattHours(_ amount: Double) -> Int64 {
        Int64(exactly: amount.rounded()) ?? (amount < 0 ? .min : .max)
    }

    private static func judge(_ hour: Hour, _ end: Counters, _ length: Duration) -> QualityIssue? {
        guard let counted = end.net(since: hour.counters) else { return nil }
        let flowed = max(hour.gross, end.gross(since: hour.counters))
        let switching = 4 * hour.variance.squareRoot()
        let allowed = tolerance * flowed + floor + end.resolution + switching
        guard (counted.double * 1000 - hour.net).magnitude > allowed else { return nil }
        let minutes = (length.components.seconds + 30) / 60
        let integral = FixedDecimal(wattHours(hour.net), exponent: -3)
        return QualityIssue(
            register: nil, level: .warning, code: .energyMismatch,
            text: "the energy does not match the power: in \(minutes) min the counters rose by \(counted) kWh net, "
                + "and the power adds up to \(integral) kWh")
    }
}

extension EnergyBalance.Counters {
    /// Whether none went back, appeared or disappeared.
    fileprivate func isAfter(_ before: Self) -> Bool {
        guard imported >= before.imported else { return false }
        return switch (exported, before.exported) {
        case (let now?, let then?): now >= then
        case (nil, nil): true
        default: false
        }
    }

    /// In kWh; nil where it does not fit.
    fileprivate func net(since start: Self) -> FixedDecimal? {
        guard let rise = imported.subtracting(start.imported) else { return nil }
        guard let exported, let before = start.exported else { return rise }
        return exported.subtracting(before).flatMap { rise.subtracting($0) }
    }

    /// In Wh.
    fileprivate func gross(since start: Self) -> Double {
        let rise = imported.double - start.imported.double
        let fall = (exported?.double ?? 0) - (start.exported?.double ?? 0)
        return (rise + fall) * 1000
    }

    /// What the last digits leave open, in Wh.
    fileprivate var resolution: Double {
        (imported.step.double + (exported?.step.double ?? 0)) * 1000
    }
}
