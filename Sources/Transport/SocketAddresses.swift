import NIOCore
import Wire

extension SocketAddress {
    /// The address without its port: 4 or 16 bytes, none for a socket without network.
    var addressBytes: [UInt8] {
        // Behind family and port in `sockaddr_in`, behind the flow as well in `sockaddr_in6`.
        let place: Range<Int>? =
            switch self {
            case .v4: 4..<8
            case .v6: 8..<24
            case .unixDomainSocket: nil
            }
        guard let place else { return [] }
        // Points to the address for the call only, and is as long as said.
        return unsafe withSockAddr { address, size in
            guard place.upperBound <= size else { return [] }
            return unsafe Array(UnsafeRawBufferPointer(start: address, count: size)[place])
        }
    }

    /// `192.0.2.1:4059`, `[fd00::1]:4059`.
    var text: String { Endpoint.authority(ipAddress ?? "", port ?? 0) }

    /// The first address of a host by name or number, `fe80::1%eth0` as well. Asks the name service, which may take
    /// seconds, on a thread of its own.
    static func resolve(_ host: String, port: Int, for name: String) async throws(TransportError) -> SocketAddress {
        if let address = try? SocketAddress(ipAddress: host, port: port) { return address }
        return try await BlockingCalls.run { () throws(TransportError) in
            do {
                return try SocketAddress.makeAddressResolvingHost(host, port: port)
            } catch {
                throw TransportError(
                    .notFound,
                    "cannot open \(name): nobody knows the host \(host): correct the name, or the name service")
            }
        }
    }
}
