import OBIS

extension Reading {
    /// By how much the meter's clock is ahead of this machine's; negative where it is behind.
    ///
    /// - Returns: nil where the meter told no time, its zone is unknown, or one of the two clocks is known to be wrong.
    public var clockDrift: Duration? {
        guard source == .live, isClockSynchronized, let meterTime, !meterTime.isDoubtful,
            let offset = meterTime.utcOffset
        else { return nil }
        return .milliseconds(
            Timestamp.milliseconds(from: capturedAt, to: meterTime.timestamp(utcOffset: offset)))
    }
}
