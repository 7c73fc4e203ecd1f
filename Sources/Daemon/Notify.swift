import Glibc

/// Tells the service manager how the daemon is (sd_notify): datagrams to the socket that `NOTIFY_SOCKET` names.
/// Does nothing where there is none.
struct ServiceManager: Sendable {
    private let path: String?

    init(environment: String? = ServiceManager.socketPath()) {
        path = environment
    }

    func ready() { send("READY=1\nSTATUS=reading meters") }

    func stopping() { send("STOPPING=1\nSTATUS=shutting down") }

    private static func socketPath() -> String? {
        // The string is copied before anything else can change the environment.
        unsafe getenv("NOTIFY_SOCKET").map { unsafe String(cString: $0) }
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
        // The address and the bytes live across the call.
        _ = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), address, length)
            }
        }
    }
}
