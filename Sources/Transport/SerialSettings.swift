import Glibc
import Wire

/// The terminal settings of a line on which bytes pass unchanged.
struct SerialSettings {
    private(set) var attributes: termios

    /// - Parameter checksParity: a byte with wrong parity is read as 0. It is neither dropped nor marked: the
    ///   length of a frame stays right, and marking would need a second escape in every protocol.
    /// - Returns: nil for a speed that the system does not know.
    init?(_ line: LineSettings, checksParity: Bool) {
        guard let speed = SerialSpeed.constant(line.baud) else { return nil }
        var attributes = termios()
        // Points to the local value for the call only. Sets VMIN 1 and VTIME 0: with VMIN 0, "nothing yet"
        // would look like the end of the line to a non-blocking read.
        unsafe cfmakeraw(&attributes)
        attributes.c_cflag = tcflag_t(CREAD | CLOCAL) | Self.format(line)
        if line.parity != .none, checksParity { attributes.c_iflag |= tcflag_t(INPCK) }
        if line.dataBits == 7 { attributes.c_iflag |= tcflag_t(ISTRIP) }
        // As above.
        guard unsafe cfsetispeed(&attributes, speed) == 0, unsafe cfsetospeed(&attributes, speed) == 0 else {
            return nil
        }
        self.attributes = attributes
    }

    private static func format(_ line: LineSettings) -> tcflag_t {
        var flags = tcflag_t(line.dataBits == 7 ? CS7 : CS8)
        if line.parity != .none { flags |= tcflag_t(PARENB) }
        if line.parity == .odd { flags |= tcflag_t(PARODD) }
        if line.stopBits == 2 { flags |= tcflag_t(CSTOPB) }
        return flags
    }

    /// Applies the settings and reads them back.
    ///
    /// - Returns: what the port did not take over, for a person; nil when all is as asked.
    /// - Throws: the error number.
    func apply(to descriptor: CInt, isPseudoTerminal: Bool) throws(ErrorNumber) -> String? {
        var wanted = attributes
        // Points to the local value for the call only.
        let answer = unsafe tcsetattr(descriptor, TCSANOW, &wanted)
        // EINVAL may only mean that one of several settings was not taken over, as on a pseudo-terminal.
        if answer != 0, errno != EINVAL { throw ErrorNumber() }
        var actual = termios()
        // As above.
        guard unsafe tcgetattr(descriptor, &actual) == 0 else { throw ErrorNumber() }
        return difference(to: actual, isPseudoTerminal: isPseudoTerminal)
    }

    /// A pseudo-terminal always has 8 bits and no parity bit, so these say nothing there.
    private func difference(to actual: termios, isPseudoTerminal: Bool) -> String? {
        func differ(_ field: KeyPath<termios, tcflag_t>, _ mask: CInt) -> Bool {
            (attributes[keyPath: field] ^ actual[keyPath: field]) & tcflag_t(mask) != 0
        }
        // Point to the values for the call only.
        let speeds = unsafe withUnsafePointer(to: attributes) { wanted in
            unsafe withUnsafePointer(to: actual) { actual in
                unsafe cfgetospeed(wanted) == cfgetospeed(actual) && cfgetispeed(wanted) == cfgetispeed(actual)
            }
        }
        if !speeds { return "this speed" }
        if !isPseudoTerminal, differ(\.c_cflag, CSIZE) { return "this number of data bits" }
        if !isPseudoTerminal, differ(\.c_cflag, PARENB) { return "parity" }
        if differ(\.c_cflag, PARODD) { return "this parity" }
        if differ(\.c_cflag, CSTOPB) { return "this number of stop bits" }
        if differ(\.c_iflag, INPCK | ISTRIP | ICRNL | INLCR | IGNCR | IXON) || differ(\.c_oflag, OPOST)
            || differ(\.c_lflag, ICANON | ECHO | ISIG | IEXTEN)
        {
            return "raw bytes"
        }
        return nil
    }

}

/// `errno` as it was when a call failed.
struct ErrorNumber: Error, Equatable {
    let code: CInt

    init(_ code: CInt = errno) {
        self.code = code
    }

    /// What the system says, for example `Permission denied`.
    var text: String {
        // Valid until this thread's next call, and copied here.
        unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
    }
}
