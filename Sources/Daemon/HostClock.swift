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
            let isSynchronized = Self.isSynchronized(at: self.now)
            last = (now, isSynchronized)
            return isSynchronized
        }
    }

    /// What the kernel was told; where the sandbox of the service refuses the question, what systemd-timesyncd says.
    private static func isSynchronized(at now: Timestamp) -> Bool {
        switch obisd_clock_state() {
        case OBISD_CLOCK_SYNCHRONIZED: true
        case OBISD_CLOCK_UNSYNCHRONIZED: false
        default: TimeServiceMark().isFresh(at: now)
        }
    }
}

/// The file that systemd-timesyncd(8) touches at each synchronisation.
struct TimeServiceMark: Sendable {
    var path = "/run/systemd/timesync/synchronized"

    /// The kernel takes a clock for synchronised for 16 s of error at 500 ppm, 8.9 h: this one too.
    static let lifetime: Int64 = 32_000_000  // ms

    /// - Returns: whether the last synchronisation is less than 32 000 s ago. False where there was none.
    func isFresh(at now: Timestamp) -> Bool {
        var file = stat()
        // Path and structure live across the call.
        guard unsafe stat(path, &file) == 0 else { return false }
        let (touched, overflow) = Int64(file.st_mtim.tv_sec).multipliedReportingOverflow(by: 1000)
        let age = Timestamp.milliseconds(from: Timestamp(milliseconds: touched), to: now)
        // A second of leeway: the clock may have been set back by a little since.
        return !overflow && (-1000..<Self.lifetime).contains(age)
    }
}
