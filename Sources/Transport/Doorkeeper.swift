import NIOCore
import Wire

/// Lets one meter at a time in at a server socket.
///
/// A new connection replaces the old one, since a meter that lost power leaves its connection behind half open. The
/// old one gets a moment to end by itself, so that a meter which hangs up and calls again loses nothing. And nobody
/// is let in while a whole read does not fit into the feed: what a connection holds when it closes comes at once.
final class Doorkeeper: ChannelInboundHandler {
    typealias InboundIn = any Channel

    /// What the old connection gets.
    private static let grace = TimeAmount.milliseconds(250)

    private let feed: LinkFeed
    private let name: StreamName
    private let networks: [AddressRange]
    private let caller: Caller
    private let refused: PacedWarning
    private var context: ChannelHandlerContext?
    /// Accepted, and not let in yet. While there is one, no other is accepted.
    private var waiting: (any Channel)?
    /// Whether the feed waits for bytes.
    private var isDemanded = false
    private var lastError: (any Error)?

    init(feed: LinkFeed, name: StreamName, networks: [AddressRange], caller: Caller, refused: PacedWarning) {
        self.feed = feed
        self.name = name
        self.networks = networks
        self.caller = caller
        self.refused = refused
    }

    // MARK: The server socket

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        let (loop, bound) = (context.eventLoop, NIOLoopBound(self, eventLoop: context.eventLoop))
        feed.start { loop.execute { bound.value.demand() } }
        context.read()
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let connection = unwrapInboundIn(data)
        // Nobody knows any more whose a connection was that is gone already.
        let source = connection.remoteAddress
        guard let source, networks.contain(source) else {
            if let source { refused.count(source) }
            connection.close(promise: nil)
            context.read()
            return
        }
        waiting = connection
        if let old = caller.current {
            context.eventLoop.scheduleTask(in: Self.grace) { old.close(promise: nil) }
        }
        letIn()
    }

    /// The socket closes itself where it cannot go on.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        lastError = error
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        waiting?.close(promise: nil)
        waiting = nil
        caller.current?.close(promise: nil)
        feed.finish(name.lost(lastError))
        context.fireChannelInactive()
    }

    /// The feed asks for bytes.
    private func demand() {
        isDemanded = true
        caller.current?.read()
        letIn()
    }

    // MARK: The meter's connection

    private func letIn() {
        guard let context, let connection = waiting, caller.current == nil, feed.hasRoom else { return }
        waiting = nil
        do {
            try StreamLink.setOptions(connection)
            try connection.pipeline.syncOperations.addHandler(CallHandler(doorkeeper: self))
            caller.current = connection
            // It may fail before it is active, and then its handler is not told.
            connection.closeFuture.assumeIsolated().whenComplete { _ in self.ended() }
            context.fireChannelRead(NIOAny(connection))
        } catch {
            connection.close(promise: nil)
        }
        context.read()
    }

    fileprivate func began(_ connection: any Channel) {
        if isDemanded { connection.read() }
    }

    fileprivate func received(_ bytes: [UInt8]) {
        isDemanded = false
        feed.push(bytes)
    }

    private func ended() {
        caller.current = nil
        feed.push([], endsBurst: true)
        letIn()
    }
}

/// Takes what a meter's connection reads to the doorkeeper.
private final class CallHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let doorkeeper: Doorkeeper

    init(doorkeeper: Doorkeeper) {
        self.doorkeeper = doorkeeper
    }

    /// A read that is asked for earlier would be lost.
    func channelActive(context: ChannelHandlerContext) {
        doorkeeper.began(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        doorkeeper.received(Array(unwrapInboundIn(data).readableBytesView))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
