import Foundation

/// Takes datagrams as the service manager's journal does.
public final class JournalSocket {
    public let path: String
    private let descriptor: Int32

    /// - Parameter path: short enough for the address of a socket.
    public init(
        path: String = FileManager.default.temporaryDirectory.path + "/journal-\(UInt32.random(in: 0...UInt32.max))"
    ) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard code == 0 else { throw ChildProcess.Failure(description: "bind \(path): errno \(errno)") }
    }

    deinit {
        close(descriptor)
        unlink(path)
    }

    /// The next datagram; nil where none waits.
    public func datagram() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count >= 0 ? Array(buffer.prefix(count)) : nil
    }

    /// The lines of the next datagram; nil where none waits.
    public func read() -> [String]? {
        datagram().map { String(decoding: $0, as: UTF8.self).split(separator: "\n").map(String.init) }
    }
}
