import Glibc
import Synchronization
import Transport
import Wire

/// A meter's end of a simulated serial line: a pseudo-terminal under a stable path, on which bytes take the shape
/// that the settings of both ends make of them. With equal settings they pass, otherwise they become garbage.
public final class SimulatedLine: MeterLine {
    /// How fast bytes pass.
    public enum Pacing: Sendable {
        /// As fast as the reader takes them, for tests.
        case instant
        /// As long as their bits take.
        case baudRate
    }

    /// The path that a reader opens: a symbolic link to the terminal, as udev makes one for an adapter.
    public let path: String
    public let inbound: AsyncStream<[UInt8]>
    private let received: AsyncStream<[UInt8]>.Continuation
    private let pacing: Pacing
    private let state: Mutex<State>

    private struct State {
        var line: LineSettings
        var plugged: Plugged?
        var isClosed = false
        /// Whether the newest bytes were lost because the reader had not taken those before.
        var isOverrun = false
    }

    private struct Plugged {
        let terminal: PseudoTerminal
        let stream: StreamLink
        let pump: Task<Void, Never>
    }

    /// Plugs the line in.
    ///
    /// - Parameter path: where the symbolic link is made. Another one there is replaced, anything else is an error.
    public init(path: String, line: LineSettings, pacing: Pacing = .instant) async throws(TransportError) {
        self.path = path
        self.pacing = pacing
        state = Mutex(State(line: line))
        (inbound, received) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1024))
        try await plug()
    }

    /// The meter's settings.
    public var line: LineSettings { state.withLock { $0.line } }

    /// The reader's settings; nil while unplugged.
    public var readerLine: PseudoTerminal.ReaderLine? { plugged?.terminal.readerLine }

    private var plugged: Plugged? { state.withLock { $0.plugged } }

    public func close() async {
        state.withLock { $0.isClosed = true }
        await unplug()
        received.finish()
    }
}

// MARK: Plugging

extension SimulatedLine {
    /// Takes the adapter away: the reader's open port is hung up, and the path is gone.
    public func unplug() async {
        let plugged = state.withLock { state in
            defer { state.plugged = nil }
            return state.plugged
        }
        guard let plugged else { return }
        if Self.target(of: path) == plugged.terminal.path { _ = unsafe Glibc.unlink(path) }
        await plugged.stream.close()
        plugged.terminal.close()
        await plugged.pump.value
    }

    /// Brings the adapter back: another terminal behind the same path.
    public func replug() async throws(TransportError) {
        await unplug()
        try await plug()
    }

    private func plug() async throws(TransportError) {
        let terminal = try PseudoTerminal()
        let stream = try await terminal.stream()
        let pump = Task { [weak self] in
            var iterator = stream.inbound.makeAsyncIterator()
            while let input = try? await iterator.next(isolation: nil) {
                guard let self else { return }
                await receive(input.bytes, from: terminal)
            }
        }
        let isClosed = state.withLock { state in
            if !state.isClosed { state.plugged = Plugged(terminal: terminal, stream: stream, pump: pump) }
            return state.isClosed
        }
        guard !isClosed else { throw TransportError(.closed, "\(path) is closed") }
        try link(to: terminal.path)
    }

    /// Renaming replaces an earlier link in one step.
    private func link(to target: String) throws(TransportError) {
        if Self.exists(path), Self.target(of: path) == nil {
            throw TransportError(.configuration, "\(path) exists and is no symbolic link; choose another path")
        }
        let new = path + ".new"
        // Point to the paths for the calls only.
        _ = unsafe Glibc.unlink(new)
        guard unsafe symlink(target, new) == 0, unsafe rename(new, path) == 0 else {
            throw TransportError(.io, "cannot make the symbolic link \(path): error \(errno)")
        }
    }

    private static func exists(_ path: String) -> Bool {
        var status = stat()
        // Point to path and local value for the call only.
        return unsafe lstat(path, &status) == 0
    }

    /// Where a symbolic link points; nil for anything else.
    private static func target(of path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 256)
        // The buffer lives for the call and is as long as said.
        let count = unsafe buffer.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return -1 }
            return unsafe readlink(path, base, buffer.count)
        }
        guard count >= 0 else { return nil }
        return String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

// MARK: Bytes

extension SimulatedLine {
    private static let piece = 512

    public func send(_ bytes: [UInt8]) async {
        guard let plugged else { return }
        var rest = bytes[...]
        let clock = ContinuousClock()
        var due = clock.now
        while !rest.isEmpty {
            let line = line
            let piece = Array(rest.prefix(pieceLength(line)))
            rest = rest.dropFirst(piece.count)
            if pacing == .baudRate {
                due += line.duration(ofCharacters: piece.count)
                try? await clock.sleep(until: due)
            }
            await deliver(piece, line, to: plugged)
        }
    }

    /// With pacing, some twenty milliseconds.
    private func pieceLength(_ line: LineSettings) -> Int {
        pacing == .instant ? Self.piece : max(1, min(Self.piece, line.baud / 500))
    }

    private func deliver(_ bytes: [UInt8], _ line: LineSettings, to plugged: Plugged) async {
        guard let reader = plugged.terminal.readerLine else { return }
        let uart = UART(sender: UARTFormat(line), receiver: UARTFormat(reader, meter: line))
        let arriving = uart.transfer(bytes).map { $0.isValid || !uart.receiver.checks ? $0.byte : 0 }
        await write(arriving, to: plugged.terminal)
    }

    /// Without pacing, the reader gets a second to take what came before, once until it does. What has no room is
    /// lost.
    private func write(_ bytes: [UInt8], to terminal: PseudoTerminal) async {
        var rest = bytes[...]
        let isPatient = pacing == .instant && !state.withLock { $0.isOverrun }
        let isWritten = await Self.poll(for: isPatient ? .seconds(1) : .zero) {
            rest = rest.dropFirst(terminal.write(rest))
            return rest.isEmpty
        }
        state.withLock { $0.isOverrun = !isWritten }
    }

    /// Without pacing, waits up to a second for the reader to change its speed as well; with pacing the meter's
    /// reaction time does that.
    public func setLine(_ line: LineSettings) async {
        state.withLock { $0.line = line }
        guard pacing == .instant else { return }
        _ = await waitForReader(baud: line.baud, within: .seconds(1))
    }

    /// - Returns: whether the reader has this speed.
    public func waitForReader(baud: Int, within limit: Duration) async -> Bool {
        await Self.poll(for: limit) { self.readerLine?.baud == baud }
    }

    private static func poll(for limit: Duration, _ condition: () -> Bool) async -> Bool {
        let end = ContinuousClock.now + limit
        while !condition() {
            guard ContinuousClock.now < end, !Task.isCancelled else { return false }
            try? await Task.sleep(for: .milliseconds(2))
        }
        return true
    }

    /// The meter ignores characters with a wrong parity or stop bit.
    private func receive(_ bytes: [UInt8], from terminal: PseudoTerminal) async {
        guard let reader = terminal.readerLine else { return }
        let line = line
        let uart = UART(sender: UARTFormat(reader, meter: line), receiver: UARTFormat(line))
        if pacing == .baudRate, reader.baud > 0 {
            let reading = LineSettings(baud: reader.baud, dataBits: 8, parity: .none, stopBits: reader.stopBits)
            try? await Task.sleep(for: reading.duration(ofCharacters: bytes.count))
        }
        let arriving = uart.transfer(bytes).filter(\.isValid).map(\.byte)
        if !arriving.isEmpty { received.yield(arriving) }
    }
}
