import NIOCore
import NIOPosix
import Wire

/// A serial port behind a TCP server that takes line settings (RFC 2217).
struct RemotePort: LinePort {
    let channel: any Channel
    let name: String
    /// How long the server may take to confirm settings.
    let patience: Duration

    /// The way through the network to the port.
    var margin: TimeAmount { .milliseconds(50) }

    /// What waits in the server is unknown, so only the time counts.
    var isTransmitterEmpty: Bool? { channel.isActive ? true : nil }

    func setLine(_ line: LineSettings) async throws(TransportError) {
        let sending = PendingSend(on: channel.eventLoop)
        channel.eventLoop.execute { [channel, name, patience] in
            do {
                let handler = try channel.pipeline.syncOperations.handler(type: ComPortHandler.self)
                handler.set(line, within: TimeAmount(patience), sending.promise)
            } catch {
                sending.promise.fail(StreamName.tcp(name).lost(nil))
            }
        }
        try await sending.value()
    }

    /// The server frees the port when the connection closes.
    func close() {}
}

extension StreamLink {
    /// Connects to a serial port behind a server, and sets it.
    ///
    /// - Parameter patience: how long the server may take to confirm settings.
    static func rfc2217(
        host: String, port: Int, line: LineSettings, group: any EventLoopGroup, patience: Duration = .seconds(5)
    ) async throws(TransportError) -> StreamLink {
        let host = try HostName(scheme: "rfc2217", host: host, port: port)
        let feed = LinkFeed()
        let channel = try await connect(host, group: group) { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(ComPortHandler(name: host.text))
            }.flatMap {
                prepare(channel, feed, name: .tcp(host.text))
            }
        }
        let remote = RemotePort(channel: channel, name: host.text, patience: patience)
        let link = StreamLink(channel: channel, feed: feed, name: .tcp(host.text), port: remote, line: line)
        do {
            try await remote.setLine(line)
            return link
        } catch {
            await link.close()
            throw error
        }
    }
}
