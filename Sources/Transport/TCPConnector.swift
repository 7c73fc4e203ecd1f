import Glibc
import NIOCore
import NIOPosix
import Wire

extension StreamLink {
    /// Connects to a TCP server, by IPv6 or IPv4.
    static func tcp(
        host: String, port: Int, group: any EventLoopGroup, timeout: TimeAmount = .seconds(10)
    ) async throws(TransportError) -> StreamLink {
        let host = try HostName(scheme: "tcp", host: host, port: port)
        let feed = LinkFeed()
        let channel = try await connect(host, group: group, timeout: timeout) {
            prepare($0, feed, name: .tcp(host.text))
        }
        return connected(channel, feed, name: host.text)
    }

    static func connect(
        _ host: HostName, group: any EventLoopGroup, timeout: TimeAmount = .seconds(10),
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws(TransportError) -> any Channel {
        let connecting = ClientBootstrap(group: group)
            .connectTimeout(timeout)
            .channelInitializer(initializer)
            .connect(host: host.host, port: host.port)
        return try await channel(connecting, name: host.text)
    }

    /// Waits for a connection, or for the end of the task; a connection that comes too late is closed.
    private static func channel(
        _ connecting: EventLoopFuture<any Channel>, name: String
    ) async throws(TransportError) -> any Channel {
        let promise = connecting.eventLoop.makePromise(of: (any Channel).self)
        promise.futureResult.whenFailure { _ in
            connecting.whenSuccess { $0.close(promise: nil) }
        }
        connecting.cascade(to: promise)
        do {
            return try await withTaskCancellationHandler {
                try await promise.futureResult.get()
            } onCancel: {
                promise.fail(TransportError.cancelled)
            }
        } catch let error as TransportError {
            throw error
        } catch {
            throw ConnectProblem(name: name).error(error)
        }
    }
}

/// Where a peer is, checked, and what it is called in sentences.
struct HostName: Sendable {
    let host: String
    let port: Int
    let text: String

    /// - Throws: `configuration` for what can be no address.
    init(scheme: String, host: String, port: Int) throws(TransportError) {
        self.host = host
        self.port = port
        text = "\(scheme)://\(Endpoint.authority(host, port))"
        guard !host.isEmpty, (1...65535).contains(port) else {
            throw TransportError(.configuration, "\(text) is no address; write `host:port` with a port from 1 to 65535")
        }
    }
}

/// What to tell the user of a server that cannot be connected to.
struct ConnectProblem {
    let name: String

    func error(_ error: any Error) -> TransportError {
        switch error {
        case let error as NIOConnectionError: combined(error)
        case ChannelError.connectTimeout: timeout
        case let error as IOError: refusal(ErrorNumber(error.errnoCode))
        default: TransportError(.io, "cannot connect to \(name): \(error)")
        }
    }

    /// A host may have several addresses; the last one's answer speaks for all.
    private func combined(_ error: NIOConnectionError) -> TransportError {
        if let last = error.connectionErrors.last { return self.error(last.error) }
        return TransportError(
            .notFound,
            "cannot connect to \(name): nobody knows the host \(error.host): correct the name, or the name service")
    }

    private func refusal(_ number: ErrorNumber) -> TransportError {
        switch number.code {
        case ECONNREFUSED:
            TransportError(
                .refused,
                "cannot connect to \(name): connection refused; check that the gateway listens there and has a connection free"
            )
        case EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN, EADDRNOTAVAIL:
            TransportError(
                .unreachable, "cannot connect to \(name): \(number.text); check that the gateway is on the network")
        case ETIMEDOUT: timeout
        case EACCES, EPERM:
            TransportError(.permission, "cannot connect to \(name): \(number.text); check the firewall")
        default: TransportError(.io, "cannot connect to \(name): \(number.text)")
        }
    }

    private var timeout: TransportError {
        TransportError(
            .timeout, "cannot connect to \(name): no answer in time; check that the gateway is on and on the network")
    }
}
