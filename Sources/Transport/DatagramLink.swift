import NIOCore
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
