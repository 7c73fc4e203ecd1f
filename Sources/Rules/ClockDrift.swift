import OBIS

extension Reading {
    /// By how much the meter's clock is ahead of this machine's; negative where it is behind.
    ///
    /// - Returns: nil where the meter told no time, its zone is unknown, or one of the two clocks is known to be wrong.
    public var clockDrift: Duration? {
        guard source == .live, isClockSynchronized, let meterTime, !meterTime.isDoubtful,
            let offset = meterTime.utcOffset, !isTimeOfValue
        else { return nil }
        return .milliseconds(
            Timestamp.milliseconds(from: capturedAt, to: meterTime.timestamp(utcOffset: offset)))
    }

    /// A device behind a meter has no clock of its own: its time is that of its value, of the last full hour.
    private var isTimeOfValue: Bool {
        registers.contains { $0.time != nil && $0.time?.localSeconds == meterTime?.localSeconds }
    }
}
