import Wire

/// What a link layer wants done, in this order.
enum LinkStep: Sendable, Equatable {
    case send([UInt8])
    /// Arm the one timer, in place of an earlier one.
    case arm(Duration)
    case disarm
    case connected
    /// A whole message of the meter. The timer stays as it is: what follows from the message sets it.
    case delivered([UInt8])
    case disconnected
    /// The connection is over.
    case failed(WireError)
    /// Something that was not a frame. The connection goes on.
    case reject(WireError)
    /// Bytes that belong to no frame.
    case noise(Int)
}

/// The layer that carries messages between a client and a meter, without input or output of its own.
protocol ClientLink: Sendable {
    mutating func connect() -> [LinkStep]
    /// One message; the answer is awaited. Only when connected.
    mutating func send(_ apdu: [UInt8]) -> [LinkStep]
    /// No further answer is awaited before the next `send`, but another message of the meter: the same patience anew.
    mutating func awaitMore() -> [LinkStep]
    mutating func receive(_ bytes: [UInt8]) -> [LinkStep]
    mutating func timeIsUp() -> [LinkStep]
    mutating func disconnect() -> [LinkStep]
}

/// Messages behind a header (IEC 62056-47): connected as soon as the link is.
///
///     00 01 | source 2 | destination 2 | length 2 | APDU
struct WrapperConnection: ClientLink {
    private static let version: UInt16 = 1
    private static let headerLength = 8

    private let client: UInt16
    private let server: UInt16
    private let patience: Duration
    private var buffer = LinkBuffer()

    init(client: UInt16, server: UInt16, patience: Duration) {
        self.client = client
        self.server = server
        self.patience = patience
    }

    mutating func connect() -> [LinkStep] {
        buffer = LinkBuffer()
        return [.connected]
    }

    mutating func send(_ apdu: [UInt8]) -> [LinkStep] {
        guard let length = UInt16(exactly: apdu.count) else {
            return [.failed(WireError(.limit, "a message of \(apdu.count) bytes is too long for the wrapper"))]
        }
        return [
            .send(Self.version.octets + client.octets + server.octets + length.octets + apdu), .arm(patience),
        ]
    }

    mutating func awaitMore() -> [LinkStep] { [.arm(patience)] }

    mutating func receive(_ bytes: [UInt8]) -> [LinkStep] {
        buffer.append(bytes)
        var steps: [LinkStep] = []
        while buffer.count >= Self.headerLength {
            var reader = WireReader(buffer.bytes)
            guard let version = try? reader.uint16(), let source = try? reader.uint16(),
                let destination = try? reader.uint16(), let length = (try? reader.uint16()).map(Int.init)
            else { break }
            guard version == Self.version, length <= Limits.apdu else {
                buffer.consume(buffer.count)
                let error = WireError(
                    .framing, "the meter answers without the header of the wrapper (00 01): check `framing:`")
                return steps + [.disarm, .failed(error)]
            }
            guard length <= reader.remaining, let apdu = try? reader.bytes(length) else { break }
            buffer.consume(Self.headerLength + length)
            if source == server, destination == client {
                steps.append(.delivered(apdu))
            } else {
                steps.append(.noise(Self.headerLength + length))
            }
        }
        if !buffer.isEmpty { steps.append(.arm(patience)) }
        return steps
    }

    mutating func timeIsUp() -> [LinkStep] {
        buffer.consume(buffer.count)
        let message = "the meter does not answer: check address, port, and `client:` and `server:`"
        return [.failed(WireError(.timeout, message))]
    }

    mutating func disconnect() -> [LinkStep] { [.disconnected] }
}
