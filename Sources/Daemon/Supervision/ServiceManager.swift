import Glibc
import OBIS

/// Tells the service manager how the daemon is (sd_notify): datagrams to the socket that `NOTIFY_SOCKET` names.
/// Does nothing where there is none.
public struct ServiceManager: Sendable {
    private let path: String?
    /// Within what time the manager wants to hear that the daemon is alive; nil where it does not ask.
    let watchdogTime: Duration?

    public init(socket path: String?, watchdogTime: Duration? = nil) {
        self.path = path
        self.watchdogTime = watchdogTime
    }

    /// What the environment says.
    public static func ofEnvironment() -> ServiceManager {
        let isAsked = variable("WATCHDOG_PID").map { $0 == "\(getpid())" } ?? true
        let time = variable("WATCHDOG_USEC").flatMap { Int64($0) }.flatMap { $0 > 0 ? Duration.microseconds($0) : nil }
        return ServiceManager(socket: variable("NOTIFY_SOCKET"), watchdogTime: isAsked ? time : nil)
    }

    /// The meters are read; or a reload has ended, well or not.
    func ready() { send("READY=1") }

    /// The start takes long, and so much longer than now is no failure.
    func starting(for time: Duration) { send("EXTEND_TIMEOUT_USEC=\(time.wholeMilliseconds * 1000)") }

    /// A sentence for `systemctl status`.
    func status(_ text: String) { send("STATUS=" + text.replacing("\n", with: " ")) }

    /// The configuration is being read again.
    func reloading() {
        var time = timespec()
        // The structure lives across the call.
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        send("RELOADING=1\nMONOTONIC_USEC=\(Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)")
    }

    func isAlive() { send("WATCHDOG=1") }

    func stopping() { send("STOPPING=1\nSTATUS=shutting down") }

    private static func variable(_ name: String) -> String? {
        // The string is copied before anything else can change the environment.
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    private func send(_ message: String) {
        guard let path, !path.isEmpty else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        // A name in the abstract namespace begins with a zero byte.
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }
        // The name fits: checked above.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { buffer in unsafe buffer.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let bytes = Array(message.utf8)
        // A manager that does not listen must not hold up the daemon. The address and the bytes live across the call.
        _ = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe sendto(
                    descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT), address, length)
            }
        }
    }
}
