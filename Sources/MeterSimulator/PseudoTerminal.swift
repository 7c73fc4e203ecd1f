import CLinux
import Glibc
import NIOPosix
import Synchronization
import Transport
import Wire

/// A pair of descriptors that looks like a serial port to whoever opens its path.
///
/// It keeps the reader's side open itself, so that a reader that closes does not hang up the line.
public final class PseudoTerminal: Sendable {
    /// The path that a reader opens.
    public let path: String
    private let master: OwnedDescriptor
    private let slave: OwnedDescriptor

    /// - Throws: `io` when the system has no more of them.
    public init() throws(TransportError) {
        var buffer = [CChar](repeating: 0, count: 128)
        // The buffer lives for the call and is as long as said.
        let number = unsafe buffer.withUnsafeMutableBufferPointer { buffer in
            unsafe obisd_open_pseudo_terminal(buffer.baseAddress, buffer.count)
        }
        guard number >= 0 else { throw Self.failure() }
        master = OwnedDescriptor(number)
        path = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        // Points to the path for the call only.
        let slaveNumber = unsafe open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        slave = OwnedDescriptor(slaveNumber)
        guard slaveNumber >= 0 else { throw Self.failure() }
        Self.makeRaw(slaveNumber)
    }

    private static func failure() -> TransportError {
        TransportError(.io, "cannot open a pseudo-terminal: error \(errno)")
    }

    /// Without it the line would echo to the meter until a reader sets it.
    private static func makeRaw(_ number: CInt) {
        var attributes = termios()
        // Point to the local value for the calls only.
        guard unsafe tcgetattr(number, &attributes) == 0 else { return }
        unsafe cfmakeraw(&attributes)
        _ = unsafe tcsetattr(number, TCSANOW, &attributes)
    }

    /// Ends the line: whoever has it open is hung up.
    public func close() {
        slave.close()
        master.close()
    }

    /// Sends as they are as many bytes as there is room for, without waiting.
    ///
    /// - Returns: their number.
    func write(_ bytes: ArraySlice<UInt8>) -> Int {
        let count: Int? = master.use { number in
            // The buffer lives for the call and is as long as said.
            unsafe bytes.withUnsafeBytes { unsafe Glibc.write(number, $0.baseAddress, $0.count) }
        }
        return max(0, count ?? 0)
    }

    /// The meter's end as a stream of bytes as they are. To be closed before the terminal.
    func stream() async throws(TransportError) -> StreamLink {
        try await StreamLink.terminal(master, path: path, group: MultiThreadedEventLoopGroup.singleton)
    }
}

// MARK: What the reader set

extension PseudoTerminal {
    /// A reader's line settings. A pseudo-terminal keeps neither the parity bit (PARENB) nor 7 bits (CS7), so
    /// these are told by whether the reader checks parity (INPCK, PARODD) and strips bit 7 (ISTRIP).
    public struct ReaderLine: Hashable, Sendable {
        public var baud: Int
        public var stopBits: Int
        public var checksParity: Bool
        /// Odd or even. It says nothing where parity is not checked.
        public var parity: LineSettings.Parity
        public var stripsToSevenBits: Bool

        public init(
            baud: Int, stopBits: Int = 1, checksParity: Bool = false, parity: LineSettings.Parity = .even,
            stripsToSevenBits: Bool = false
        ) {
            self.baud = baud
            self.stopBits = stopBits
            self.checksParity = checksParity
            self.parity = parity
            self.stripsToSevenBits = stripsToSevenBits
        }
    }

    /// The settings at this moment; nil when the line is closed. A speed that no meter has reads as 0.
    public var readerLine: ReaderLine? {
        let attributes: termios?? = master.use { number in
            var attributes = termios()
            // Points to the local value for the call only.
            return unsafe tcgetattr(number, &attributes) == 0 ? attributes : nil
        }
        guard let attributes = attributes ?? nil else { return nil }
        // Points to the value for the call only.
        let speed = unsafe withUnsafePointer(to: attributes) { unsafe cfgetospeed($0) }
        return ReaderLine(
            baud: SerialSpeed.baud(speed) ?? 0,
            stopBits: attributes.c_cflag & tcflag_t(CSTOPB) != 0 ? 2 : 1,
            checksParity: attributes.c_iflag & tcflag_t(INPCK) != 0,
            parity: attributes.c_cflag & tcflag_t(PARODD) != 0 ? .odd : .even,
            stripsToSevenBits: attributes.c_iflag & tcflag_t(ISTRIP) != 0)
    }
}
