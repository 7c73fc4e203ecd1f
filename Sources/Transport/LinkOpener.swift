import Logging
import NIOCore
import NIOPosix
import Wire

/// Opens serial ports, TCP connections, UDP sockets and files.
///
/// All links share the event loops of one group; none has a thread of its own. The first link makes the process
/// ignore SIGPIPE (NIO does), so that a write to a closed connection is an error and not the end.
public struct LinkOpener: LinkOpening {
    let group: any EventLoopGroup

    /// Uses the process's one group.
    public init() {
        self.init(group: MultiThreadedEventLoopGroup.singleton)
    }

    public init(group: any EventLoopGroup) {
        self.group = group
    }

    public func open(
        _ endpoint: Endpoint, options: LinkOptions = LinkOptions(), logger: Logger
    ) async throws(TransportError) -> any Link {
        let link: any Link =
            switch endpoint {
            case .serial(let path, let line):
                try await StreamLink.serial(path: path, line: line, options: options, group: group)
            case .tcp(let host, let port): try await StreamLink.tcp(host: host, port: port, group: group)
            case .rfc2217(let host, let port, let line):
                try await StreamLink.rfc2217(host: host, port: port, line: line, group: group)
            case .udp(let host, let port):
                try await DatagramLink.udp(host: host, port: port, group: group, logger: logger)
            case .listen(let address, let networks) where address.kind == .udp:
                try await DatagramLink.listen(address, from: networks, group: group, logger: logger)
            case .listen(let address, let networks):
                try await CallLink.listen(address, from: networks, group: group, logger: logger)
            case .file(let path): try await FileLink.open(path: path)
            }
        logger.debug("Opened the link.", metadata: ["endpoint": "\(endpoint)"])
        return link
    }
}
