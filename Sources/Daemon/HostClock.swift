import CLinux
import Glibc
import OBIS
import Synchronization

/// The host's clocks, or others in tests.
public protocol HostClock: Sendable {
    /// UTC.
    var now: Timestamp { get }
    /// Monotonic, from an arbitrary beginning.
    var monotonic: Duration { get }
    /// Whether a time server keeps the clock right.
    var isSynchronized: Bool { get }
}

/// The kernel's clocks.
public final class SystemClock: HostClock {
    private let origin = ContinuousClock().now
    private let synchronization = Mutex<(checked: Duration, isSynchronized: Bool)?>(nil)

    public init() {}

    public var now: Timestamp {
        var time = timespec()
        // The structure lives across the call.
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    public var monotonic: Duration { origin.duration(to: ContinuousClock().now) }

    /// Asked of the kernel at most every ten seconds.
    public var isSynchronized: Bool {
        let now = monotonic
        return synchronization.withLock { last in
            if let last, now - last.checked < .seconds(10) { return last.isSynchronized }
            let isSynchronized = obisd_clock_is_synchronized()
            last = (now, isSynchronized)
            return isSynchronized
        }
    }
}
