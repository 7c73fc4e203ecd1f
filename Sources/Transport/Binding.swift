import Glibc
import NIOCore
import NIOPosix
import Wire

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

/// Binds a socket to the first address that the machine has.
struct Binding {
    let name: String

    func first(
        of candidates: [SocketAddress], _ bind: (SocketAddress) -> EventLoopFuture<any Channel>
    ) async throws(TransportError) -> any Channel {
        var failure: (any Error)?
        for candidate in candidates {
            do {
                return try await bind(candidate).get()
            } catch {
                failure = error
                guard BindProblem.isMissingFamily(error) else { break }
            }
        }
        throw BindProblem(name: name).error(failure ?? ChannelError.unknownLocalAddress)
    }
}

extension ChannelOption where Self == ChannelOptions.Types.SocketOption {
    /// Whether a socket of IPv6 takes no IPv4. The system's default may be either.
    static var v6Only: Self { Self(level: .ipv6, name: .ipv6_v6only) }
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
