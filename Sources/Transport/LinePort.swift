import NIOCore
import Wire

/// The serial port that the bytes of a stream leave by, on this machine or behind a server.
protocol LinePort: Sendable {
    /// How long bytes may be on their way to the port, besides the time that their characters take.
    var margin: TimeAmount { get }

    /// Whether the last bit has left the port, as far as that is known; nil when the port is gone.
    var isTransmitterEmpty: Bool? { get }

    /// Sets speed and format, now.
    func setLine(_ line: LineSettings) async throws(TransportError)

    /// Frees the port after its channel was closed. May block.
    func close()
}

extension SerialPort: LinePort {
    /// An adapter's own buffer is invisible to the kernel. A meter may answer at another speed after 20 ms (IEC
    /// 62056-21, 6.3.14), by when the line must be set.
    var margin: TimeAmount { .milliseconds(5) }

    func setLine(_ line: LineSettings) async throws(TransportError) {
        try await BlockingCalls.run { () throws(TransportError) in try self.apply(line) }
    }
}
