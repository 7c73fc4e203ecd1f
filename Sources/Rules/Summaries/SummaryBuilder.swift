import OBIS

/// Makes the hourly and daily figures of one meter while its readings pass, in memory that does not grow.
///
/// An hour and a day belong to the civil time of the meter's place; which one a reading is in, the wall clock says, and
/// how long a value held, the monotonic one. A value holds until the next one; a pause of more than three usual
/// intervals, or of twenty minutes, is a gap, in which nothing counts.
///
/// Energy is the difference of the totals at both ends, exactly. The total at an end is the last one that was read at or
/// before it, and at most twenty minutes before that of an hour, seventy before that of a day: a meter that is read more
/// rarely has no energies. Where an end lies in a gap, or before the first reading, the energy is not known.
public struct SummaryBuilder: Sendable {
    private static let patience: [Summary.Period: Duration] = [.hour: .seconds(1200), .day: .seconds(4200)]
    private static let counters = Totals.fields
    /// The clock was wrong before when it goes back by more.
    private static let setBack: Int64 = 3_600_000

    private struct Course: Sendable {
        let value: FixedDecimal
        var hold: Hold
    }

    private let calendar: any LocalCalendar
    private let band: ClosedRange<FixedDecimal>
    var hour: SummaryPeriod?
    /// Without the hour that is not over.
    var day: SummaryPeriod?
    /// The last ones that were read.
    var lastCounters: [NamedField: SummaryPeriod.Counter] = [:]

    // What is forgotten at a restart, which is a gap.
    private var presence: Hold?
    private var courses: [NamedField: Course] = [:]

    /// - Parameter nominalVoltage: in V, phase to neutral.
    public init(calendar: any LocalCalendar, nominalVoltage: FixedDecimal? = nil) {
        self.calendar = calendar
        band = Self.band(around: nominalVoltage) ?? 207...253
    }

    private static func band(around nominal: FixedDecimal?) -> ClosedRange<FixedDecimal>? {
        guard let nominal, nominal > .zero, let tenth = nominal.scaled(byPowerOfTen: -1),
            let low = nominal.subtracting(tenth), let high = nominal.adding(tenth), low <= high
        else { return nil }
        return low...high
    }

    // MARK: What happens

    /// Takes a reading. What is not live is no part of a summary.
    ///
    /// - Parameters:
    ///   - totals: of the reading's good counters.
    ///   - now: monotonic.
    /// - Returns: the hours and days that it shows to be over, in order.
    public mutating func observe(_ reading: Reading, totals: NamedValues, at now: Duration) -> [Summary] {
        guard reading.source == .live else { return [] }
        let wall = reading.capturedAt
        // A counter at the very end of an hour belongs to both.
        if hour == nil || wall == hour?.bounds.to { remember(totals, at: wall) }
        let closed = advance(to: wall, at: now, isSynchronized: reading.isClockSynchronized)
        remember(totals, at: wall)
        count(until: now)
        hour?.note(reading)
        if reading.isOfMeter { presence = presence?.measured(at: now) ?? Hold(at: now) }
        for field in SummaryPeriod.measured {
            if let value = reading.values[field] { measure(value, of: field, at: now) }
        }
        return closed
    }

    /// Looks at the time.
    ///
    /// - Returns: the hours and days that are over, in order.
    public mutating func tick(_ wall: Timestamp, at now: Duration) -> [Summary] {
        hour == nil ? [] : advance(to: wall, at: now, isSynchronized: false)
    }

    /// Counts an anomaly that was opened.
    public mutating func noteAnomaly(type: String) {
        hour?.note(anomaly: type)
    }

    // MARK: Values

    private mutating func remember(_ totals: NamedValues, at wall: Timestamp) {
        for field in Self.counters {
            if let total = totals[field] { lastCounters[field] = .init(value: total, time: wall) }
        }
    }

    private mutating func measure(_ value: FixedDecimal, of field: NamedField, at now: Duration) {
        courses[field] = Course(value: value, hold: courses[field]?.hold.measured(at: now) ?? Hold(at: now))
    }

    /// Gives the time that passed to the values that held.
    private mutating func count(until now: Duration) {
        let present = presence?.take(until: now) ?? .zero
        hour?.cover(present)
        let band = band
        for field in SummaryPeriod.measured {
            guard let value = courses[field]?.value, let span = courses[field]?.hold.take(until: now) else { continue }
            hour?.add(value, of: field, for: span, band)
        }
    }

    // MARK: Time

    private mutating func advance(to wall: Timestamp, at now: Duration, isSynchronized: Bool) -> [Summary] {
        guard let running = hour else {
            open(at: wall)
            return []
        }
        if wall < running.bounds.from {
            // Before it is synchronised, a clock may be years behind; then the hour just goes on.
            if isSynchronized, Timestamp.milliseconds(from: wall, to: running.bounds.from) > Self.setBack {
                (hour, day, lastCounters) = (nil, nil, [:])
                open(at: wall)
            }
            return []
        }
        guard wall >= running.bounds.to else { return [] }
        let since = Duration.milliseconds(Timestamp.milliseconds(from: running.bounds.to, to: wall))
        count(until: now - since)
        let closed = close(at: wall)
        open(at: wall)
        return closed
    }

    private mutating func close(at wall: Timestamp) -> [Summary] {
        guard let over = hour else { return [] }
        day?.merge(over)
        hour = nil
        var summaries = [summary(of: over, .hour)]
        if let whole = day, whole.bounds.to <= wall {
            summaries.append(summary(of: whole, .day))
            day = nil
        }
        return summaries
    }

    private func summary(of over: SummaryPeriod, _ period: Summary.Period) -> Summary {
        over.summary(
            period, label: over.bounds.label(period, calendar), ends: lastCounters,
            patience: Self.patience[period] ?? .zero, band: band)
    }

    /// Begins the hour that an instant is in, and its day. Hours in which the process did not run have no summary.
    private mutating func open(at wall: Timestamp) {
        hour = begin(.hour, at: wall)
        if let day, day.bounds.contains(wall) { return }
        day = begin(.day, at: wall)
    }

    private func begin(_ period: Summary.Period, at wall: Timestamp) -> SummaryPeriod {
        var begun = SummaryPeriod(bounds: LocalPeriod(period, containing: wall, calendar))
        begun.starts = lastCounters.filter { $0.value.time <= begun.bounds.from }
        return begun
    }
}

extension Reading {
    /// Another one's says nothing of the meter.
    fileprivate var isOfMeter: Bool {
        !issues.contains { $0.register == nil && $0.level == .error }
    }
}
