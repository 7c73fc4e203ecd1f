/// Where a meter is reached.
public enum Endpoint: Hashable, Sendable {
    /// A serial port by its path.
    case serial(path: String, line: LineSettings)
    /// A TCP server, for example a serial gateway or a simulated meter.
    case tcp(host: String, port: Int)
    /// A serial port behind a TCP server that takes line settings over the network (RFC 2217, for example ser2net).
    case rfc2217(host: String, port: Int, line: LineSettings)
    /// A UDP peer: datagrams go to it, and only its own are taken.
    case udp(host: String, port: Int)
    /// A socket of this machine on which the meter calls; from these addresses only.
    case listen(ListenAddress, from: [AddressRange])
    /// Recorded bytes, read once from start to end.
    case file(path: String)

    /// What no two owners may have at the same time.
    public var exclusiveResource: String {
        switch self {
        case .serial(let path, _): "serial:\(path)"
        // Names of hosts have no case.
        case .tcp(let host, let port), .rfc2217(let host, let port, _): "tcp:\(host.lowercased()):\(port)"
        case .udp(let host, let port): "udp:\(host.lowercased()):\(port)"
        case .listen(let address, _): "listen:\(address.kind.rawValue):\(address.port)"
        case .file(let path): "file:\(path)"
        }
    }

    /// The settings of the line at the start; nil where this program cannot set any.
    public var line: LineSettings? {
        switch self {
        case .serial(_, let line), .rfc2217(_, _, let line): line
        case .tcp, .udp, .listen, .file: nil
        }
    }
}

/// Where a `listen` transport listens.
public struct ListenAddress: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable {
        case tcp, udp
    }

    public var kind: Kind
    /// An address of this machine; nil for all of them.
    public var host: String?
    public var port: Int

    public init(kind: Kind, host: String? = nil, port: Int) {
        self.kind = kind
        self.host = host
        self.port = port
    }
}

/// A network written `192.168.1.0/24` or `fd00::/64`; one address is a network of full length.
public struct AddressRange: Hashable, Sendable {
    /// 4 or 16 bytes, those behind the prefix zero.
    public let network: [UInt8]
    /// In bits.
    public let prefix: Int

    /// - Parameter address: 4 or 16 bytes. A network of IPv4 addresses in IPv6 (`::ffff:a.b.c.0/120`) counts as IPv4.
    /// - Returns: nil for a length that no address has, or a prefix longer than the address.
    public init?(address: [UInt8], prefix: Int) {
        guard address.count == 4 || address.count == 16, (0...(8 * address.count)).contains(prefix) else { return nil }
        let isMapped = address.count == 16 && prefix >= 96 && address.starts(with: Self.mappedPrefix)
        let address = isMapped ? Array(address[12...]) : address
        let prefix = isMapped ? prefix - 96 : prefix
        network = address.enumerated().map { index, byte in byte & Self.mask(prefix, byte: index) }
        self.prefix = prefix
    }

    /// - Parameter address: 4 or 16 bytes. An IPv4 address that arrives in IPv6 (`::ffff:a.b.c.d`) counts as IPv4.
    public func contains(_ address: [UInt8]) -> Bool {
        let address = address.count == 16 && address.starts(with: Self.mappedPrefix) ? Array(address[12...]) : address
        guard address.count == network.count else { return false }
        return address.enumerated().allSatisfy { index, byte in
            byte & Self.mask(prefix, byte: index) == network[index]
        }
    }

    private static let mappedPrefix: [UInt8] = Array(repeating: 0, count: 10) + [0xFF, 0xFF]

    /// The bits of one byte that belong to the prefix.
    private static func mask(_ prefix: Int, byte index: Int) -> UInt8 {
        let bits = min(8, max(0, prefix - 8 * index))
        return bits == 0 ? 0 : ~0 << (8 - bits)
    }
}

extension Endpoint: CustomStringConvertible {
    public var description: String {
        switch self {
        case .serial(let path, let line): "\(path) at \(line)"
        case .tcp(let host, let port): "tcp://" + Self.authority(host, port)
        case .rfc2217(let host, let port, let line): "rfc2217://\(Self.authority(host, port)) at \(line)"
        case .udp(let host, let port): "udp://" + Self.authority(host, port)
        case .listen(let address, _): "listening on \(address)"
        case .file(let path): path
        }
    }

    /// `gateway:10001`, `[fd00::1]:10001`.
    package static func authority(_ host: String, _ port: Int) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

extension ListenAddress: CustomStringConvertible {
    /// `udp://:4059`, `tcp://127.0.0.1:4059`, `udp://[fd00::1]:4059`.
    public var description: String { "\(kind.rawValue)://" + Endpoint.authority(host ?? "", port) }
}
