/// Where a meter is reached.
public enum Endpoint: Hashable, Sendable {
    /// A serial port by its path.
    case serial(path: String, line: LineSettings)
    /// A TCP server, for example a serial gateway or a simulated meter.
    case tcp(host: String, port: Int)
    /// Recorded bytes, read once from start to end.
    case file(path: String)

    /// What no two owners may have at the same time.
    public var exclusiveResource: String {
        switch self {
        case .serial(let path, _): "serial:\(path)"
        case .tcp(let host, let port): "tcp:\(host):\(port)"
        case .file(let path): "file:\(path)"
        }
    }
}

extension Endpoint: CustomStringConvertible {
    public var description: String {
        switch self {
        case .serial(let path, let line): "\(path) at \(line)"
        case .tcp(let host, let port): host.contains(":") ? "tcp://[\(host)]:\(port)" : "tcp://\(host):\(port)"
        case .file(let path): path
        }
    }
}
