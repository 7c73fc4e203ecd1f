import Synchronization

/// Whether one loop of the daemon makes progress. The loop says so at every turn; time is monotonic.
final class Pulse: Sendable {
    let name: String
    /// How long a turn may take.
    private let patience: Duration
    private let clock: any HostClock
    /// Nil while the loop rests.
    private let lastBeat = Mutex<Duration?>(nil)

    init(_ name: String, patience: Duration, clock: any HostClock) {
        self.name = name
        self.patience = patience
        self.clock = clock
    }

    func beat() {
        let now = clock.monotonic
        lastBeat.withLock { $0 = now }
    }

    /// What follows has a limit of its own, or may take any time: a port that opens, a turn on a bus, a pause.
    func rest() {
        lastBeat.withLock { $0 = nil }
    }

    /// For how long the loop has made no progress; nil while that is no longer than a turn may take.
    var standstill: Duration? {
        guard let last = lastBeat.withLock({ $0 }), case let silence = clock.monotonic - last, silence > patience else {
            return nil
        }
        return silence
    }
}

/// The pulses of all loops.
final class Pulses: Sendable {
    /// On a disk that is slow, a turn takes a second or two.
    static let patience = Duration.seconds(10)

    private let patience: Duration
    private let clock: any HostClock
    private let all = Mutex<[ObjectIdentifier: Pulse]>([:])

    init(patience: Duration = Pulses.patience, clock: any HostClock) {
        self.patience = patience
        self.clock = clock
    }

    /// - Parameter extra: what a turn may take beyond the common patience.
    func add(_ name: String, extra: Duration = .zero) -> Pulse {
        let pulse = Pulse(name, patience: patience + extra, clock: clock)
        all.withLock { $0[ObjectIdentifier(pulse)] = pulse }
        return pulse
    }

    /// The loop has ended.
    func remove(_ pulse: Pulse) {
        all.withLock { $0[ObjectIdentifier(pulse)] = nil }
    }

    /// Loops that stand still, and for how long.
    var standstills: [(name: String, time: Duration)] {
        all.withLock { Array($0.values) }
            .compactMap { pulse in pulse.standstill.map { (pulse.name, $0) } }
            .sorted { $0.name < $1.name }
    }
}
