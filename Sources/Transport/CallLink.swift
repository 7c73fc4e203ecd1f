import Logging
import NIOCore
import NIOPosix
import Synchronization
import Wire

/// A link over a server socket that meters call, one at a time. It stays open while nobody is connected.
package final class CallLink: Link {
    private let channel: any Channel
    private let feed: LinkFeed
    private let name: StreamName
    private let caller: Caller
    private let refusedCalls: PacedWarning

    package var inbound: LinkInbound { feed.inbound }
    /// The most bytes that ever waited for the reader.
    package var peakBytes: Int { feed.peakBytes }
    /// The port of this machine.
    package var localPort: Int? { channel.localAddress?.port }
    /// Connections of strangers.
    package var refused: Int { refusedCalls.total }

    private init(channel: any Channel, feed: LinkFeed, name: StreamName, caller: Caller, refused: PacedWarning) {
        self.channel = channel
        self.feed = feed
        self.name = name
        self.caller = caller
        refusedCalls = refused
    }

    /// A server socket for meters of these networks.
    static func listen(
        _ address: ListenAddress, from networks: [AddressRange], group: any EventLoopGroup, logger: Logger
    ) async throws(TransportError) -> CallLink {
        let (name, loop, feed, caller) = (address.description, group.next(), LinkFeed(), Caller())
        let refused = PacedWarning(
            "A connection was closed: it came from an address that this meter does not have.", endpoint: name,
            logger: logger)
        let channel = try await Binding(name: name).first(of: try await address.candidates()) { address in
            let isV6 = address.protocol == .inet6
            // All on one event loop, so that the doorkeeper needs no lock.
            return ServerBootstrap(group: loop)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelOption(.autoRead, value: false)
                .serverChannelOption(.maxMessagesPerRead, value: 1)
                .serverChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if isV6 { try channel.syncOptions?.setOption(.v6Only, value: 0) }
                        try channel.syncOptions.map(StreamLink.boundReceiveBuffer)
                        try channel.pipeline.syncOperations.addHandler(AcceptPause())
                        try channel.pipeline.syncOperations.addHandler(
                            Doorkeeper(
                                feed: feed, name: .socket(name), networks: networks, caller: caller, refused: refused))
                    }
                }
                .bind(to: address)
        }
        return CallLink(channel: channel, feed: feed, name: .socket(name), caller: caller, refused: refused)
    }

    deinit {
        channel.close(promise: nil)
    }

    /// Sends to the meter that is connected.
    package func send(_ bytes: [UInt8]) async throws(TransportError) {
        guard !bytes.isEmpty else { return }
        guard let connection = caller.current else {
            throw TransportError(.closed, "nobody is connected to \(name.text), so there is nobody to send to")
        }
        let sending = PendingSend(
            on: connection.eventLoop, until: .now() + PendingSend.patience,
            expired: TransportError(.timeout, "the meter on \(name.text) takes no bytes; its connection is closed")
        ) { _ in connection.close(promise: nil) }
        connection.writeAndFlush(ByteBuffer(bytes: bytes)).whenComplete { [name] result in
            switch result {
            case .success: sending.promise.succeed()
            case .failure(let error): sending.promise.fail(name.lost(error))
            }
        }
        try await sending.value()
    }

    package func setLine(_ line: LineSettings) async throws(TransportError) {}

    package func close() async {
        feed.finish(nil, discarding: true)
        channel.close(promise: nil)
        // Cannot fail: closing has no error that anybody could act on.
        try? await channel.closeFuture.get()
        if let connection = caller.current {
            connection.close(promise: nil)
            try? await connection.closeFuture.get()
        }
    }
}

/// Whose connection is the current one.
final class Caller: Sendable {
    private let connection = Mutex<(any Channel)?>(nil)

    var current: (any Channel)? {
        get { connection.withLock { $0 } }
        set { connection.withLock { $0 = newValue } }
    }
}
