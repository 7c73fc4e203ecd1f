import Foundation
import Synchronization

/// Ports of 127.0.0.1 that nobody has at the moment, below those that the system gives to outgoing connections;
/// none is given twice, since a port stays free until whoever it was meant for opens it.
public enum FreePort {
    public struct None: Error {}

    private static let given = Mutex<Set<Int>>([])

    public static func tcp() throws -> Int { try port(Int32(SOCK_STREAM.rawValue)) }

    public static func udp() throws -> Int { try port(Int32(SOCK_DGRAM.rawValue)) }

    private static func port(_ kind: Int32) throws -> Int {
        for _ in 0..<100 {
            let port = Int.random(in: 15_000..<32_000)
            guard given.withLock({ $0.insert(port).inserted }) else { continue }
            let descriptor = socket(AF_INET, kind, 0)
            defer { close(descriptor) }
            if bind(descriptor, to: port) { return port }
        }
        throw None()
    }

    public static func bind(_ descriptor: Int32, to port: Int) -> Bool {
        var address = loopback(port)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                Foundation.bind(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    public static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(clamping: port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
