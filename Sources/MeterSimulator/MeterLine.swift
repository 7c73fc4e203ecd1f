import Wire

/// A simulated meter's end of a line.
public protocol MeterLine: Sendable {
    /// What the reader sends, as it arrives at the meter, for one consumer. Ends with `close()`, and for a meter that
    /// was connected to over TCP with the connection.
    var inbound: AsyncStream<[UInt8]> { get }

    /// Sends bytes; returns when they have left. What nobody reads is lost, as on a real line.
    func send(_ bytes: [UInt8]) async

    /// Changes the meter's speed and format. Nothing on TCP and UDP.
    func setLine(_ line: LineSettings) async

    func close() async
}
