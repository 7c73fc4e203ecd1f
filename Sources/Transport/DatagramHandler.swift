import NIOCore
import Wire

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
