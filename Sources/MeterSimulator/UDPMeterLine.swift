import NIOCore
import NIOPosix
import Synchronization
import Wire

/// A simulated meter's UDP socket: it sends to a reader's port, or answers whoever asks it.
public final class UDPMeterLine: MeterLine {
    public let inbound: AsyncStream<[UInt8]>
    /// The meter's own port.
    public let port: Int
    private let channel: any Channel
    private let peer: Peer

    /// Binds a socket.
    ///
    /// - Parameters:
    ///   - host: the meter's own address, by number.
    ///   - port: its own port; 0 for a free one.
    ///   - reader: whom it sends to; without one, to whom the newest datagram came from.
    public init(host: String = "127.0.0.1", port: Int = 0, reader: (host: String, port: Int)? = nil) async throws {
        let (inbound, received) = AsyncStream<[UInt8]>.makeStream(bufferingPolicy: .bufferingNewest(1024))
        let peer = Peer(try reader.map { try SocketAddress(ipAddress: $0.host, port: $0.port) })
        self.inbound = inbound
        self.peer = peer
        channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Limits.linkBuffer))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(UDPMeterHandler(received: received, peer: peer))
                }
            }
            .bind(host: host, port: port).get()
        self.port = channel.localAddress?.port ?? port
    }

    /// Sends one datagram. What nobody takes is lost.
    public func send(_ bytes: [UInt8]) async {
        guard let address = peer.address else { return }
        let envelope = AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: bytes))
        try? await channel.writeAndFlush(envelope)
    }

    public func setLine(_ line: LineSettings) async {}

    public func close() async {
        try? await channel.close()
    }
}

/// Whom the meter sends to.
private final class Peer: Sendable {
    private let isFixed: Bool
    private let state: Mutex<SocketAddress?>

    init(_ address: SocketAddress?) {
        isFixed = address != nil
        state = Mutex(address)
    }

    var address: SocketAddress? { state.withLock { $0 } }

    func heard(from address: SocketAddress) {
        if !isFixed { state.withLock { $0 = address } }
    }
}

private final class UDPMeterHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let received: AsyncStream<[UInt8]>.Continuation
    private let peer: Peer

    init(received: AsyncStream<[UInt8]>.Continuation, peer: Peer) {
        self.received = received
        self.peer = peer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        peer.heard(from: envelope.remoteAddress)
        received.yield(Array(envelope.data.readableBytesView))
    }

    func channelInactive(context: ChannelHandlerContext) {
        received.finish()
    }
}
