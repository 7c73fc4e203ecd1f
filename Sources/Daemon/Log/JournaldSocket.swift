import Glibc

/// Sends datagrams to a socket of this machine by its path, and never waits. A service manager that makes the socket
/// anew is found again, since every datagram names the path.
final class JournaldSocket: Sendable {
    private let path: String
    private let descriptor: CInt

    /// - Returns: nil where nobody listens there.
    init?(path: String) {
        self.path = path
        descriptor = Self.open()
        guard descriptor >= 0, isReachable() else { return nil }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// - Returns: whether it was taken.
    func send(_ datagram: [UInt8]) -> Bool {
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
        return unsafe withAddress { address, length in
            // Address and bytes live across the call.
            unsafe sendto(descriptor, datagram, datagram.count, flags, address, length) == datagram.count
        }
    }

    /// Asked with a socket of its own: one that is connected would stay with a listener that is gone.
    private func isReachable() -> Bool {
        let probe = Self.open()
        guard probe >= 0 else { return false }
        defer { close(probe) }
        return unsafe withAddress { address, length in unsafe connect(probe, address, length) == 0 }
    }

    private static func open() -> CInt {
        socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    }

    private func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Bool) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(path.utf8)
        // A zero byte follows the name.
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        // The name fits: checked above.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { buffer in unsafe buffer.copyBytes(from: name) }
        // The address lives across the call.
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe body(address, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
