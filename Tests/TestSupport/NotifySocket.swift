import Foundation
import Glibc
import Synchronization

/// The service manager's side of sd_notify: takes datagrams, in their order.
public final class NotifySocket: Sendable {
    public let path: String
    private let descriptor: Int32
    private let heard = Mutex<[String]>([])

    public init(_ path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(path.utf8)
        guard descriptor >= 0, name.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw POSIXError(.ENAMETOOLONG)
        }
        // The name fits, and the pointers do not leave the calls.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw POSIXError(.EADDRINUSE) }
        listen()
    }

    deinit { close(descriptor) }

    /// Everything that was said so far.
    public var messages: [String] { heard.withLock { $0 } }

    /// The kernel keeps ten datagrams and drops the others: they are taken as they come.
    private func listen() {
        Thread.detachNewThread { [weak self, descriptor] in
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            // One descriptor; the socket is open as long as this object is there.
            while self != nil {
                if unsafe poll(&waiting, 1, 50) > 0 { self?.receive() }
            }
        }
    }

    private func receive() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        // The buffer has room for what is asked.
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
        }
        guard count > 0 else { return }
        heard.withLock { $0.append(String(decoding: buffer.prefix(count), as: UTF8.self)) }
    }

    public func count(_ text: String) -> Int { messages.count { $0.contains(text) } }
}
