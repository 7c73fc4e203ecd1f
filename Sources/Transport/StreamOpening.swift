import Glibc
import NIOCore
import NIOPosix
import Wire

extension StreamLink {
    /// Opens a serial port. `group` runs its events.
    static func serial(
        path: String, line: LineSettings, options: LinkOptions, group: any EventLoopGroup
    ) async throws(TransportError) -> StreamLink {
        let port = try await BlockingCalls.run { () throws(TransportError) in
            try SerialPort(path: path, line: line, options: options)
        }
        let (channel, feed) = try await adopt(port.descriptor, name: .serial(path), group: group)
        return StreamLink(channel: channel, feed: feed, name: .serial(path), port: port, line: line)
    }

    /// A stream over a terminal's descriptor, which stays with its owner.
    package static func terminal(
        _ descriptor: OwnedDescriptor, path: String, group: any EventLoopGroup
    ) async throws(TransportError) -> StreamLink {
        let (channel, feed) = try await adopt(descriptor, name: .serial(path), group: group)
        return StreamLink(channel: channel, feed: feed, name: .serial(path))
    }

    /// A stream over a connected socket that `prepare` was called for.
    package static func connected(_ channel: any Channel, _ feed: LinkFeed, name: String) -> StreamLink {
        StreamLink(channel: channel, feed: feed, name: .tcp(name))
    }

    /// Sets up a channel before it is active: one read for each demand, and no larger than the feed reckons with.
    package static func prepare(_ channel: any Channel, _ feed: LinkFeed, name: StreamName) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            try setOptions(channel, isSocket: name.isSocket)
            try channel.pipeline.syncOperations.addHandler(StreamHandler(feed: feed, name: name))
        }
    }

    /// A channel keeps its buffer: what most telegrams need, and more where more comes.
    private static var receiveAllocator: AdaptiveRecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 256, initial: 512, maximum: LinkFeed.readSize)
    }

    static func setOptions(_ channel: any Channel, isSocket: Bool = true) throws {
        guard let options = channel.syncOptions else { return }
        try options.setOption(.autoRead, value: false)
        try options.setOption(.maxMessagesPerRead, value: 1)
        try options.setOption(.recvAllocator, value: receiveAllocator)
        if isSocket { try setUpSocket(options) }
    }

    /// The kernel keeps twice the receive buffer, which a closing connection hands over at once.
    static func boundReceiveBuffer(_ options: any NIOSynchronousChannelOptions) throws {
        try options.setOption(.socketOption(.so_rcvbuf), value: .init(LinkFeed.closingReserve / 2))
    }

    /// A dead host is noticed after a minute of silence, and as soon when it is sent something meanwhile.
    private static func setUpSocket(_ options: any NIOSynchronousChannelOptions) throws {
        try boundReceiveBuffer(options)
        try options.setOption(.socketOption(.so_keepalive), value: 1)
        try options.setOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: 30)
        try options.setOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: 10)
        try options.setOption(.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: 3)
        try options.setOption(.tcpOption(.init(rawValue: TCP_USER_TIMEOUT)), value: 60_000)
        try options.setOption(.tcpOption(.tcp_nodelay), value: 1)
    }

    /// NIO gets two descriptors of its own: it wants distinct ones for reading and writing, and the owner's must
    /// stay valid for calls that set the line. Only terminals come here: what `epoll` refuses stops the program.
    private static func adopt(
        _ descriptor: OwnedDescriptor, name: StreamName, group: any EventLoopGroup
    ) async throws(TransportError) -> (any Channel, LinkFeed) {
        guard let input = descriptor.duplicate(), let output = descriptor.duplicate(),
            let inputNumber = input.use({ $0 }), let outputNumber = output.use({ $0 })
        else {
            throw TransportError(.io, "cannot open \(name.text): no file descriptor is left")
        }
        let feed = LinkFeed()
        do {
            let channel = try await NIOPipeBootstrap(group: group)
                .channelInitializer { channel in
                    // From here on the channel owns the numbers and closes them.
                    input.release()
                    output.release()
                    return prepare(channel, feed, name: name)
                }
                .takingOwnershipOfDescriptors(input: inputNumber, output: outputNumber).get()
            return (channel, feed)
        } catch {
            throw TransportError(.io, "cannot open \(name.text): \(error)")
        }
    }
}
