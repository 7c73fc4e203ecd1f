import Glibc
import Wire

/// An open serial port that nobody else may open. Every call may block for the driver's time.
final class SerialPort: Sendable {
    let path: String
    let descriptor: OwnedDescriptor
    private let checksParity: Bool
    private let isPseudoTerminal: Bool

    /// Opens, locks and sets a port, and drops what arrived before.
    ///
    /// A link such as `/dev/serial/by-id/…` is followed now, so that opening again finds a port that came back
    /// under another number.
    init(path: String, line: LineSettings, options: LinkOptions) throws(TransportError) {
        self.path = path
        checksParity = !options.receiveOnly
        // Points to the path for the call only.
        let number = unsafe open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        guard number >= 0 else { throw PathProblem(path: path).error(ErrorNumber()) }
        descriptor = OwnedDescriptor(number)
        let status = Self.status(number)
        isPseudoTerminal = (136...143).contains(DeviceNumber(status.st_rdev).major)

        guard isatty(number) == 1 else { throw PathProblem(path: path).notSerial(status.st_mode) }
        guard flock(number, LOCK_EX | LOCK_NB) == 0 else {
            throw PathProblem(path: path).locked(by: LockHolder.find(of: status))
        }
        excludeOthers(true)
        try apply(line)
        // What came before the line was set is garbage. From here on nothing is flushed: bytes that vanish between
        // NIO's poll and its read are a programming error to it.
        tcflush(number, TCIOFLUSH)
    }

    /// Sets speed and format.
    func apply(_ line: LineSettings) throws(TransportError) {
        guard let settings = SerialSettings(line, checksParity: checksParity) else {
            throw TransportError(.configuration, "cannot set \(path) to \(line): no port has \(line.baud) baud")
        }
        let outcome: Result<String?, ErrorNumber>? = descriptor.use { number in
            do throws(ErrorNumber) {
                return .success(try settings.apply(to: number, isPseudoTerminal: isPseudoTerminal))
            } catch {
                return .failure(error)
            }
        }
        switch outcome {
        case .success(nil): return
        case .success(let refused?): throw unsupported(line, refused)
        case .failure(let error): throw TransportError(.io, "cannot set \(path) to \(line): \(error.text)")
        case nil: throw TransportError(.closed, "\(path) is closed")
        }
    }

    private func unsupported(_ line: LineSettings, _ refused: String) -> TransportError {
        let remedy =
            line.dataBits == 7 || line.parity != .none
            ? "use `\(line.baud) 8N1`, where parity is taken off by the program" : "use another adapter"
        return TransportError(.configuration, "cannot set \(path) to \(line): it does not have \(refused); \(remedy)")
    }

    /// Whether the last bit has left the port, as far as the driver tells; nil when the port is gone.
    var isTransmitterEmpty: Bool? {
        let answer: Bool? = descriptor.use { number in
            var waiting: CInt = 0
            // Points to the local value for the call only.
            guard unsafe ioctl(number, UInt(TIOCOUTQ), &waiting) == 0 else { return true }
            var shiftRegister: CInt = 0
            // As above. Most drivers do not have it.
            let isKnown = unsafe ioctl(number, UInt(TIOCSERGETLSR), &shiftRegister) == 0
            return waiting == 0 && (!isKnown || shiftRegister & Self.transmitterEmpty != 0)
        }
        return answer
    }

    /// `TIOCSER_TEMT`, the one bit that TIOCSERGETLSR answers.
    private static let transmitterEmpty: CInt = 1

    func close() {
        _ = descriptor.use { number in
            // Without it the kernel waits up to half a minute for the rest to leave.
            tcflush(number, TCOFLUSH)
        }
        excludeOthers(false)
        descriptor.close()
    }

    /// The lock is advice that other programs may not know; this refuses their opening. The mark of a
    /// pseudo-terminal would stay behind a program that was killed, for as long as the other side has it.
    private func excludeOthers(_ exclude: Bool) {
        guard !isPseudoTerminal else { return }
        _ = descriptor.use { ioctl($0, UInt(exclude ? TIOCEXCL : TIOCNXCL)) }
    }

    private static func status(_ number: CInt) -> stat {
        var status = stat()
        // Points to the local value for the call only.
        _ = unsafe fstat(number, &status)
        return status
    }
}

/// The two parts of a device's number, as `<sys/sysmacros.h>` takes it apart.
struct DeviceNumber: Equatable {
    let major: UInt64
    let minor: UInt64

    init(_ number: dev_t) {
        let number = UInt64(number)
        major = (number >> 8) & 0xFFF | (number >> 32) & 0xFFFF_F000
        minor = number & 0xFF | (number >> 12) & 0xFFFF_FF00
    }
}
