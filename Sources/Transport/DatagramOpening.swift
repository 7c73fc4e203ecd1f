import Logging
import NIOCore
import NIOPosix
import Wire

extension DatagramLink {
    /// A socket that talks with one peer.
    static func udp(
        host: String, port: Int, group: any EventLoopGroup, logger: Logger
    ) async throws(TransportError) -> DatagramLink {
        let name = try HostName(scheme: "udp", host: host, port: port).text
        let peer = try await SocketAddress.resolve(host, port: port, for: name)
        let any = peer.protocol == .inet6 ? "::" : "0.0.0.0"
        let local: SocketAddress
        do {
            local = try SocketAddress(ipAddress: any, port: 0)
        } catch {
            throw TransportError(.io, "cannot open \(name): \(error)")
        }
        return try await bind([local], .peer(peer), name: name, group: group, logger: logger)
    }

    /// A socket on which meters of these networks call.
    static func listen(
        _ address: ListenAddress, from networks: [AddressRange], group: any EventLoopGroup, logger: Logger
    ) async throws(TransportError) -> DatagramLink {
        try await bind(
            try await address.candidates(), .networks(networks), name: address.description, group: group,
            logger: logger)
    }

    private static func bind(
        _ candidates: [SocketAddress], _ rule: Correspondents.Rule, name: String, group: any EventLoopGroup,
        logger: Logger
    ) async throws(TransportError) -> DatagramLink {
        let feed = LinkFeed()
        let correspondents = Correspondents(
            rule,
            refused: PacedWarning(
                "A datagram was dropped: it came from an address that this meter does not have.", endpoint: name,
                logger: logger),
            dropped: PacedWarning(
                "A datagram was dropped: too many wait to be read.", endpoint: name, logger: logger))
        let channel = try await Binding(name: name).first(of: candidates) { address in
            let isV6 = address.protocol == .inet6
            return DatagramBootstrap(group: group)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let options = channel.syncOptions
                        try options?.setOption(
                            .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Limits.linkBuffer))
                        if isV6 { try options?.setOption(.v6Only, value: 0) }
                        try channel.pipeline.syncOperations.addHandler(
                            DatagramHandler(feed: feed, name: .socket(name), correspondents: correspondents))
                    }
                }
                .bind(to: address)
        }
        return DatagramLink(channel: channel, feed: feed, name: .socket(name), correspondents: correspondents)
    }
}
