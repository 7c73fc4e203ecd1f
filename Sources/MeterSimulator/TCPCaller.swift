import NIOCore
import NIOPosix
import Synchronization
import Transport
import Wire

/// A simulated meter that calls a reader's server socket, and calls again when its connection is lost.
public final class TCPCaller: MeterLine {
    public let inbound: AsyncStream<[UInt8]>
    private let received: AsyncStream<[UInt8]>.Continuation
    private let reader: (host: String, port: Int)
    private let host: String?
    private let state = Mutex(State())

    private struct State {
        var calls: [TCPMeterLine] = []
        var pumps: [Task<Void, Never>] = []
        var isClosed = false
    }

    /// Names the reader; the meter calls when it first sends.
    ///
    /// - Parameter host: the meter's own address, by number; nil for the one that the route has.
    public init(reader: (host: String, port: Int), host: String? = nil) {
        self.reader = reader
        self.host = host
        (inbound, received) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1024))
    }

    /// Calls now. An earlier connection stays as it is, as after a loss of power: nobody closes it.
    public func call() async throws {
        let feed = LinkFeed()
        var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { StreamLink.prepare($0, feed, name: .tcp("the reader")) }
        if let host { bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: host, port: 0)) }
        let channel = try await bootstrap.connect(host: reader.host, port: reader.port).get()
        let call = TCPMeterLine(StreamLink.connected(channel, feed, name: "the reader"))
        let pump = Task { [received, weak self] in
            for await bytes in call.inbound { received.yield(bytes) }
            self?.lost(call)
        }
        let isClosed = state.withLock { state in
            state.calls.append(call)
            state.pumps.append(pump)
            return state.isClosed
        }
        if isClosed { await hangUp() }
    }

    /// Closes every connection. The next bytes call again.
    public func hangUp() async {
        let (calls, pumps) = state.withLock { state in
            defer { (state.calls, state.pumps) = ([], []) }
            return (state.calls, state.pumps)
        }
        for call in calls { await call.close() }
        for pump in pumps { await pump.value }
    }

    /// Whether the reader has not closed the newest connection.
    public var isConnected: Bool { state.withLock { !$0.calls.isEmpty } }

    /// Sends on the newest connection, and calls when there is none. What cannot be sent is lost.
    public func send(_ bytes: [UInt8]) async {
        if !isConnected { try? await call() }
        await state.withLock { $0.calls.last }?.send(bytes)
    }

    public func setLine(_ line: LineSettings) async {}

    public func close() async {
        state.withLock { $0.isClosed = true }
        await hangUp()
        received.finish()
    }

    private func lost(_ call: TCPMeterLine) {
        state.withLock { $0.calls.removeAll { $0 === call } }
    }
}
