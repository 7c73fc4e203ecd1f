import Glibc
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

extension ListenAddress {
    /// Where to bind, best first. Without a host all addresses are meant: a socket of IPv6 takes IPv4 as well, and
    /// where the machine has no IPv6, one of IPv4 does.
    func candidates() async throws(TransportError) -> [SocketAddress] {
        guard (0...65535).contains(port) else {
            throw TransportError(
                .configuration, "\(self) is no address to listen on; write a port from 1 to 65535")
        }
        if let host { return [try await SocketAddress.resolve(host, port: port, for: description)] }
        return ["::", "0.0.0.0"].compactMap { try? SocketAddress(ipAddress: $0, port: port) }
    }
}

/// What to tell the user of an address that cannot be listened on.
struct BindProblem {
    let name: String

    /// Whether the machine may do without this kind of address.
    static func isMissingFamily(_ error: any Error) -> Bool {
        [EAFNOSUPPORT, EADDRNOTAVAIL].contains((error as? IOError)?.errnoCode)
    }

    func error(_ error: any Error) -> TransportError {
        guard let number = (error as? IOError).map({ ErrorNumber($0.errnoCode) }) else {
            return TransportError(.io, "cannot listen on \(name): \(error)")
        }
        return refusal(number)
    }

    func refusal(_ number: ErrorNumber) -> TransportError {
        switch number.code {
        case EADDRINUSE:
            TransportError(
                .busy, "cannot listen on \(name): another program has the port; stop it, or choose another port")
        case EACCES, EPERM:
            TransportError(
                .permission,
                "cannot listen on \(name): permission denied; choose a port above 1023, or grant CAP_NET_BIND_SERVICE")
        case EADDRNOTAVAIL, EAFNOSUPPORT:
            TransportError(
                .configuration, "cannot listen on \(name): this machine does not have the address; correct the host")
        default: TransportError(.io, "cannot listen on \(name): \(number.text)")
        }
    }
}
