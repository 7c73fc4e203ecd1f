import NIOCore
import Synchronization
import Wire

/// A link over a UDP socket: to one peer, or to whoever of the allowed calls.
///
/// The socket is bound and never connected. The kernel tells a connected one of the network's refusals (ICMP), which
/// anybody can forge, and to NIO one of those with nothing to read behind it (`administratively prohibited`) is a
/// programming error that stops the program. An unconnected socket is not told. So the link of a push meter also does
/// not end while its meter restarts, and a datagram to a port that nobody has is lost like any other.
package final class DatagramLink: Link {
    private let channel: any Channel
    private let feed: LinkFeed
    private let name: StreamName
    private let correspondents: Correspondents

    package var inbound: LinkInbound { feed.inbound }
    /// The most bytes that ever waited for the reader.
    package var peakBytes: Int { feed.peakBytes }
    /// The port of this machine.
    package var localPort: Int? { channel.localAddress?.port }
    /// Datagrams of strangers.
    package var refused: Int { correspondents.refused.total }
    /// Datagrams that the reader was too slow for.
    package var dropped: Int { correspondents.dropped.total }

    init(channel: any Channel, feed: LinkFeed, name: StreamName, correspondents: Correspondents) {
        self.channel = channel
        self.feed = feed
        self.name = name
        self.correspondents = correspondents
    }

    deinit {
        channel.close(promise: nil)
    }

    /// Sends one datagram: to the peer, or to the newest sender that was accepted.
    package func send(_ bytes: [UInt8]) async throws(TransportError) {
        guard !bytes.isEmpty else { return }
        guard let addressee = correspondents.addressee else {
            throw TransportError(.closed, "nobody has called yet on \(name.text), so there is nobody to send to")
        }
        guard bytes.count <= Limits.datagram else {
            throw TransportError(.io, "\(bytes.count) bytes do not fit into a datagram to \(addressee.text)")
        }
        let sending = PendingSend(
            on: channel.eventLoop, until: .now() + PendingSend.patience,
            expired: TransportError(.timeout, "\(name.text) takes no bytes"))
        let envelope = AddressedEnvelope(remoteAddress: addressee, data: ByteBuffer(bytes: bytes))
        channel.writeAndFlush(envelope).whenComplete { [name] result in
            switch result {
            case .success: sending.promise.succeed()
            case .failure(let error): sending.promise.fail(name.unsent(error, to: addressee))
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
    }
}

extension StreamName {
    fileprivate func unsent(_ error: any Error, to addressee: SocketAddress) -> TransportError {
        switch error {
        case ChannelError.writeHostUnreachable:
            TransportError(.unreachable, "cannot send to \(addressee.text): no route to host")
        case let error as IOError:
            TransportError(.unreachable, "cannot send to \(addressee.text): \(ErrorNumber(error.errnoCode).text)")
        default: lost(error)
        }
    }
}

/// Whom a datagram socket talks with.
final class Correspondents: Sendable {
    enum Rule: Sendable {
        case peer(SocketAddress)
        case networks([AddressRange])
    }

    let refused: PacedWarning
    let dropped: PacedWarning
    private let rule: Rule
    private let newest: Mutex<SocketAddress?>

    init(_ rule: Rule, refused: PacedWarning, dropped: PacedWarning) {
        self.rule = rule
        self.refused = refused
        self.dropped = dropped
        newest =
            switch rule {
            case .peer(let peer): Mutex(peer)
            case .networks: Mutex(nil)
            }
    }

    /// Whom to send to; nil when nobody has called yet.
    var addressee: SocketAddress? { newest.withLock { $0 } }

    /// Whether a datagram from there is taken.
    func admit(_ source: SocketAddress) -> Bool {
        switch rule {
        case .peer(let peer): return source == peer
        case .networks(let networks):
            guard networks.contain(source) else { return false }
            newest.withLock { $0 = source }
            return true
        }
    }
}

extension [AddressRange] {
    func contain(_ source: SocketAddress) -> Bool {
        let address = source.addressBytes
        return contains { $0.contains(address) }
    }
}

/// Takes datagrams into a feed, one by one.
final class DatagramHandler: ChannelDuplexHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundIn = AddressedEnvelope<ByteBuffer>

    private let feed: LinkFeed
    private let name: StreamName
    private let correspondents: Correspondents
    private var lastError: (any Error)?

    init(feed: LinkFeed, name: StreamName, correspondents: Correspondents) {
        self.feed = feed
        self.name = name
        self.correspondents = correspondents
    }

    /// A socket that cannot be bound would stay open.
    func bind(context: ChannelHandlerContext, to address: SocketAddress, promise: EventLoopPromise<Void>?) {
        let (channel, bound) = (context.channel, promise ?? context.eventLoop.makePromise())
        bound.futureResult.whenFailure { _ in channel.close(promise: nil) }
        context.bind(to: address, promise: bound)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard correspondents.admit(envelope.remoteAddress) else {
            return correspondents.refused.count(envelope.remoteAddress)
        }
        // An empty one says nothing.
        guard envelope.data.readableBytes > 0 else { return }
        if !feed.offer(Array(envelope.data.readableBytesView), endsBurst: true) {
            correspondents.dropped.count(envelope.remoteAddress)
        }
    }

    /// The channel closes itself where it cannot go on.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        lastError = error
    }

    func channelInactive(context: ChannelHandlerContext) {
        feed.finish(name.lost(lastError))
        context.fireChannelInactive()
    }
}
