import NIOCore
import NIOPosix
import Synchronization
import Transport
import Wire

/// Simulated meters behind a TCP gateway on this machine.
public final class TCPServer: Sendable {
    public let port: Int
    /// Connections in the order in which they came, for one consumer. Ends with `close()`.
    public let connections: AsyncStream<TCPMeterLine>
    private let channel: any Channel
    private let accepted: AsyncStream<TCPMeterLine>.Continuation

    /// Listens on 127.0.0.1.
    ///
    /// - Parameter port: 0 for a free one.
    public init(port: Int = 0) async throws {
        let (connections, accepted) = AsyncStream<TCPMeterLine>.makeStream()
        self.connections = connections
        self.accepted = accepted
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                let feed = LinkFeed()
                return StreamLink.prepare(channel, feed, name: .tcp("the reader")).map {
                    accepted.yield(TCPMeterLine(StreamLink.connected(channel, feed, name: "the reader")))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        self.port = channel.localAddress?.port ?? port
    }

    /// Refuses connections from now on. Those that exist stay.
    public func close() async {
        try? await channel.close()
        accepted.finish()
    }
}

/// A simulated meter's end of one TCP connection.
public final class TCPMeterLine: MeterLine {
    public let inbound: AsyncStream<[UInt8]>
    private let link: StreamLink
    private let pump: Task<Void, Never>

    init(_ link: StreamLink) {
        self.link = link
        let (inbound, received) = AsyncStream<[UInt8]>.makeStream(bufferingPolicy: .bufferingNewest(1024))
        self.inbound = inbound
        let source = link.inbound
        pump = Task {
            var iterator = source.makeAsyncIterator()
            while let input = try? await iterator.next(isolation: nil) { received.yield(input.bytes) }
            received.finish()
        }
    }

    public func send(_ bytes: [UInt8]) async {
        try? await link.send(bytes)
    }

    public func setLine(_ line: LineSettings) async {}

    public func close() async {
        await link.close()
        await pump.value
    }
}
