/// Takes the password of programming mode (IEC 62056-21, 6.5) out of what is written down of a line:
///
///     sent        SOH P 1 STX (password) ETX BCC
///     received    the same, where a head gives back what it is sent, whole or in part
///
/// Each character of it becomes an asterisk, and so does the check character, which would tell something of it. Until the next
/// message is sent, as many received characters are hidden as were sent, since an echo may be damaged.
struct PasswordVeil: Sendable {
    private static let beginning = Array("\u{1}P1\u{2}".utf8)
    private static let asterisk = UInt8(ascii: "*")

    /// Received characters that may still be echo.
    private var echo = 0

    mutating func hide(sent bytes: [UInt8]) -> [UInt8] {
        // The eighth bit may be a parity bit.
        let isPassword = bytes.count > Self.beginning.count && zip(bytes, Self.beginning).allSatisfy { $0 & 0x7F == $1 }
        echo = isPassword ? bytes.count : 0
        guard isPassword else { return bytes }
        let secret = bytes.dropFirst(Self.beginning.count)
        return bytes.prefix(Self.beginning.count) + secret.dropLast().map(Self.hidden) + [Self.asterisk]
    }

    mutating func hide(received bytes: [UInt8]) -> [UInt8] {
        guard echo > 0 else { return bytes }
        let count = min(echo, bytes.count)
        echo -= count
        return bytes.prefix(count).map(Self.hidden) + bytes.dropFirst(count)
    }

    /// ACK and NAK are the answer, and say nothing of a password.
    private static func hidden(_ byte: UInt8) -> UInt8 {
        let control: Set<UInt8> = [0x01, 0x02, 0x03, 0x06, 0x15]
        return control.contains(byte & 0x7F) ? byte : asterisk
    }
}
