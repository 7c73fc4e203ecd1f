import NIOCore
import NIOPosix
import Synchronization
import Wire

/// A link over a NIO channel: a serial port, a TCP connection, or a serial port behind one.
package final class StreamLink: Link {
    private let channel: any Channel
    private let feed: LinkFeed
    private let name: StreamName
    private let port: (any LinePort)?
    /// When the channel and the port are closed.
    private let closed: EventLoopFuture<Void>
    private let transmission: Mutex<Transmission>

    package var inbound: LinkInbound { feed.inbound }
    /// The most bytes that ever waited for the reader.
    package var peakBytes: Int { feed.peakBytes }

    init(
        channel: any Channel, feed: LinkFeed, name: StreamName, port: (any LinePort)? = nil, line: LineSettings? = nil
    ) {
        self.channel = channel
        self.feed = feed
        self.name = name
        self.port = port
        transmission = Mutex(Transmission(line: line))
        closed = channel.closeFuture.flatMap { [loop = channel.eventLoop] in
            guard let port else { return loop.makeSucceededVoidFuture() }
            return BlockingCalls.threads.runIfActive(eventLoop: loop) { port.close() }
        }
    }

    deinit {
        channel.close(promise: nil)
    }

    package func close() async {
        feed.finish(nil, discarding: true)
        channel.close(promise: nil)
        // Cannot fail: closing has no error that anybody could act on.
        try? await closed.get()
    }
}

// MARK: Sending

extension StreamLink {
    /// What is known of the bytes on their way out.
    fileprivate struct Transmission {
        var line: LineSettings?
        /// When the last bit leaves a port that sends without pause.
        var idleAt = NIODeadline.now()
        /// The newest send; done when its last bit has left.
        var newest: EventLoopFuture<Void>?

        /// - Returns: the new send, and when its last bit leaves the port.
        mutating func begin(
            _ count: Int, _ makeSending: (_ expiry: NIODeadline) -> PendingSend
        ) -> (PendingSend, idleAt: NIODeadline) {
            let nanoseconds = (line?.duration(ofCharacters: count) ?? .zero) / .nanoseconds(1)
            idleAt = max(idleAt, .now()) + .nanoseconds(Int64(nanoseconds))
            let sending = makeSending(idleAt + PendingSend.patience)
            newest = sending.promise.futureResult
            return (sending, idleAt)
        }
    }

    private static let pollInterval = TimeAmount.milliseconds(2)

    package func send(_ bytes: [UInt8]) async throws(TransportError) {
        guard !bytes.isEmpty else { return }
        let (sending, idleAt) = transmission.withLock { $0.begin(bytes.count, pendingSend) }
        channel.writeAndFlush(ByteBuffer(bytes: bytes)).whenComplete { [self] result in
            switch result {
            case .success: awaitLastBit(sending.promise, from: idleAt + (port?.margin ?? .zero))
            case .failure(let error): sending.promise.fail(name.lost(error))
            }
        }
        try await sending.value()
    }

    private func awaitLastBit(_ promise: EventLoopPromise<Void>, from deadline: NIODeadline) {
        guard let port else { return promise.succeed() }
        channel.eventLoop.scheduleTask(deadline: deadline) { [self] in
            switch port.isTransmitterEmpty {
            case true: promise.succeed()
            case false: awaitLastBit(promise, from: .now() + Self.pollInterval)
            case nil: promise.fail(name.lost(nil))
            }
        }
    }

    /// A line that takes no bytes is of no use for the next ones either.
    private func pendingSend(until expiry: NIODeadline) -> PendingSend {
        let expired = TransportError(.timeout, "\(name.text) takes no bytes; the link is given up")
        return PendingSend(on: channel.eventLoop, until: expiry, expired: expired) { [self] error in
            feed.finish(error)
            channel.close(promise: nil)
        }
    }
}

// MARK: The line

extension StreamLink {
    package func setLine(_ line: LineSettings) async throws(TransportError) {
        guard let port else { return }
        // A failed send has told its own caller.
        if let newest = transmission.withLock({ $0.newest }) { try? await newest.get() }
        try await port.setLine(line)
        transmission.withLock { $0.line = line }
    }
}
