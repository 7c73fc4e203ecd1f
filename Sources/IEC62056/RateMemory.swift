import Wire

/// Which rate of mode C a meter is asked for, when it has shown that it does not keep the one that it offers.
///
/// * A readout that fails at the agreed rate lowers the rate by one step for what follows, down to 300 baud. The first
///   wrong block check at a rate does not yet, and neither does the first failure at a rate that has worked: both are
///   as likely a disturbance.
/// * A readout that fails at 300 baud has another cause: the meter is asked for its full rate again.
/// * After `goodReadouts` in a row at the lowered rate one step up is tried, which costs one attempt where the
///   meter still does not keep it.
struct RateMemory: Sendable {
    /// So many good readouts in a row earn the next rate up.
    static let goodReadouts = 50

    /// The highest rate to ask for; nil for no bound.
    private var ceiling: Int?
    /// The rate of the last good readout.
    private var proven: Int?
    /// Good readouts in a row at the proven rate.
    private var successes = 0
    /// Failures in a row at the present rate.
    private var failures = 0

    /// The lower one of what is configured and what the meter keeps.
    func bound(_ maximum: Int) -> Int {
        min(maximum, ceiling ?? maximum)
    }

    mutating func succeeded(at baud: Int) {
        successes = proven == baud ? successes + 1 : 1
        proven = baud
        failures = 0
        guard let ceiling, successes >= Self.goodReadouts else { return }
        self.ceiling = SignOnMode.faster(than: ceiling)
    }

    mutating func failed(at baud: Int, with code: WireError.Code) {
        // What a meter says was understood, and what cannot be used arrived whole.
        guard code != .meterError, code != .unsupported else { return }
        successes = 0
        failures += 1
        let forgiven = code == .checksum || proven == baud ? 1 : 0
        guard failures > forgiven else { return }
        failures = 0
        proven = nil
        ceiling = SignOnMode.slower(than: baud)
    }
}
