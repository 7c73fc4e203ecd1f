import Logging
import Wire

/// One open connection to a meter.
///
/// A link that is no longer referenced closes itself; `close()` also waits until it has.
public protocol Link: Sendable {
    /// What arrives, for one reader. Ends without error after `close()`, at the end of a file and when
    /// the reading task is cancelled, and throws when the line is lost.
    var inbound: LinkInbound { get }

    /// Sends bytes and returns when the last bit has left the port (a serial port, here or behind a server), or
    /// when the kernel has them (TCP, UDP). UDP sends them as one datagram. Where meters call, they go to the one that
    /// is connected, or that sent the newest datagram. A file takes them and does nothing.
    ///
    /// - Throws: `timeout` when the line takes no bytes for ten seconds longer than it needs, and then the link
    ///   is closed; `closed`, also when no meter has called; `unreachable`, `cancelled`, `io`.
    func send(_ bytes: [UInt8]) async throws(TransportError)

    /// Changes speed and format of a serial port after everything sent has left it. Nothing on other links.
    ///
    /// - Throws: `configuration` when the port does not have these settings, `timeout` when a server does not confirm
    ///   them, `closed`, `cancelled`, `io`.
    func setLine(_ line: LineSettings) async throws(TransportError)

    /// Waits until the line is this link's alone, where several share it. Ended by `endTurn` and by `close`.
    ///
    /// - Throws: `closed` when the line is lost meanwhile, `cancelled`.
    func beginTurn() async throws(TransportError)

    /// Leaves the line to the next one.
    func endTurn()

    /// Closes the link, drops what waits on either way, and returns when the port is free for others.
    func close() async
}

extension Link {
    /// A line of its own needs no turns.
    public func beginTurn() async throws(TransportError) {}
    public func endTurn() {}
}

/// Bytes that arrived together.
public struct LinkInput: Sendable, Equatable {
    public var bytes: [UInt8]
    /// When the last of them was read from the port.
    public var arrivedAt: ContinuousClock.Instant
    /// Whether a datagram, or the connection of a meter that calls, ends with the last of them. A connection's end
    /// may come alone, without bytes.
    public var endsBurst: Bool

    public init(bytes: [UInt8], arrivedAt: ContinuousClock.Instant, endsBurst: Bool = false) {
        self.bytes = bytes
        self.arrivedAt = arrivedAt
        self.endsBurst = endsBurst
    }

    /// Nothing arrived: see `LinkInbound.knock`.
    var isKnock: Bool { bytes.isEmpty && !endsBurst }
}

/// How a link is used.
public struct LinkOptions: Sendable, Hashable {
    /// The meter talks by itself and is only listened to. Such a line does not check parity: a byte with
    /// a wrong parity bit is delivered as it came, and the frame's own check decides. Other lines deliver
    /// it as 0, so that lengths stay right and no check passes by it.
    public var receiveOnly: Bool
    /// What the line is called where it is written down.
    public var name: String?
    /// The bus whose connection the meter shares with others.
    public var bus: String?

    public init(receiveOnly: Bool = false, name: String? = nil, bus: String? = nil) {
        self.receiveOnly = receiveOnly
        self.name = name
        self.bus = bus
    }
}

/// Opens links: the real ones, or others in tests.
public protocol LinkOpening: Sendable {
    /// Opens a link, once and without waiting for a port that is not there.
    func open(
        _ endpoint: Endpoint, options: LinkOptions, logger: Logger
    ) async throws(TransportError) -> any Link
}
