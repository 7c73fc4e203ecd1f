import NIOCore
import NIOPosix
import Synchronization
import Wire

/// A link over a NIO channel: a serial port or a TCP connection.
package final class StreamLink: Link {
    private let channel: any Channel
    private let feed: LinkFeed
    private let name: StreamName
    private let port: SerialPort?
    /// When the channel and the port are closed.
    private let closed: EventLoopFuture<Void>
    private let transmission: Mutex<Transmission>

    package var inbound: LinkInbound { feed.inbound }
    /// The most bytes that ever waited for the reader.
    package var peakBytes: Int { feed.peakBytes }

    init(channel: any Channel, feed: LinkFeed, name: StreamName, port: SerialPort? = nil, line: LineSettings? = nil) {
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

        mutating func begin(_ count: Int, _ sent: EventLoopFuture<Void>) -> NIODeadline {
            let nanoseconds = (line?.duration(ofCharacters: count) ?? .zero) / .nanoseconds(1)
            idleAt = max(idleAt, .now()) + .nanoseconds(Int64(nanoseconds))
            newest = sent
            return idleAt
        }
    }

    /// An adapter's own buffer is invisible to the kernel, so the time that the characters take is waited for as
    /// well, and this much for the way to the adapter. A meter may answer at another speed after 20 ms (IEC
    /// 62056-21, 6.3.14), by when the line must be set.
    private static let margin = TimeAmount.milliseconds(5)
    private static let pollInterval = TimeAmount.milliseconds(2)
    private static let patience = TimeAmount.seconds(10)

    package func send(_ bytes: [UInt8]) async throws(TransportError) {
        guard !bytes.isEmpty else { return }
        let promise = channel.eventLoop.makePromise(of: Void.self)
        let idleAt = transmission.withLock { $0.begin(bytes.count, promise.futureResult) }
        let expiry = channel.eventLoop.scheduleTask(deadline: idleAt + Self.patience) { [self] in giveUp(promise) }
        promise.futureResult.whenComplete { _ in expiry.cancel() }
        channel.writeAndFlush(ByteBuffer(bytes: bytes)).whenComplete { [self] result in
            switch result {
            case .success: awaitLastBit(promise, from: idleAt + Self.margin)
            case .failure(let error): promise.fail(name.lost(error))
            }
        }
        try await Self.wait(for: promise)
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
    private func giveUp(_ promise: EventLoopPromise<Void>) {
        let error = TransportError(.timeout, "\(name.text) takes no bytes; the link is given up")
        promise.fail(error)
        feed.finish(error)
        channel.close(promise: nil)
    }

    /// A promise keeps its first answer, so cancelling loses against success.
    private static func wait(for promise: EventLoopPromise<Void>) async throws(TransportError) {
        do {
            try await withTaskCancellationHandler {
                try await promise.futureResult.get()
            } onCancel: {
                promise.fail(TransportError.cancelled)
            }
        } catch let error as TransportError {
            throw error
        } catch {
            throw TransportError(.io, "sending failed: \(error)")
        }
    }
}

// MARK: The line

extension StreamLink {
    package func setLine(_ line: LineSettings) async throws(TransportError) {
        guard let port else { return }
        // A failed send has told its own caller.
        if let newest = transmission.withLock({ $0.newest }) { try? await newest.get() }
        try await BlockingCalls.run { () throws(TransportError) in try port.apply(line) }
        transmission.withLock { $0.line = line }
    }
}
