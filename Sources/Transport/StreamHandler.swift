import NIOCore

/// Takes what a channel reads into a feed, and tells the feed why the channel ended.
final class StreamHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let feed: LinkFeed
    private let name: StreamName
    private var lastError: (any Error)?

    init(feed: LinkFeed, name: StreamName) {
        self.feed = feed
        self.name = name
    }

    /// A read that is asked for earlier would be lost.
    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        feed.start { channel.read() }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        feed.push(Array(unwrapInboundIn(data).readableBytesView))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        lastError = error
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        feed.finish(name.lost(lastError))
        context.fireChannelInactive()
    }
}

/// What a stream is called in sentences.
package enum StreamName: Sendable {
    case serial(String)
    case tcp(String)
    /// A socket that has no connection: datagrams, or one that meters call.
    case socket(String)

    /// The line was open and is no more.
    func lost(_ error: (any Error)?) -> TransportError {
        let detail = (error as? IOError).map { " (\(ErrorNumber($0.errnoCode).text))" } ?? ""
        return switch self {
        case .serial(let path): TransportError(.closed, "\(path) is gone, the adapter was probably unplugged\(detail)")
        case .tcp(let name): TransportError(.closed, "\(name) closed the connection\(detail)")
        case .socket(let name): TransportError(.closed, "\(name) is closed\(detail)")
        }
    }

    var isSocket: Bool {
        if case .serial = self { return false }
        return true
    }

    var text: String {
        switch self {
        case .serial(let text), .tcp(let text), .socket(let text): text
        }
    }
}
