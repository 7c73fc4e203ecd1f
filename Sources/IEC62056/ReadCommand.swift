import OBIS
import Wire

/// How a register is asked for in programming mode (IEC 62056-21, 6.3 and 6.5):
///
///     SOH  R d  STX  code ( ) ETX  BCC
///
/// These four read. There is no way here to make a command that writes or executes.
public enum ReadCommand: String, Sendable, Hashable, CaseIterable {
    /// ASCII-coded read.
    case r1
    /// Formatted read with a communication coding method.
    case r2
    /// The maker's own read, for load profiles and for the meters of some makers for all registers.
    case r5
    /// The same in partial blocks.
    case r6

    /// - Parameters:
    ///   - code: see `isValid(code:)`; characters that may not stand there are left out.
    ///   - data: digits and semicolons between the parentheses, anything else is left out.
    public func message(code: String, data: String = "") -> [UInt8] {
        let name = code.utf8.filter(Self.isCodeCharacter).prefix(Self.longestCode)
        let argument = data.utf8.filter { $0.isDigit || $0 == UInt8(ascii: ";") }
        let command = Array(rawValue.uppercased().utf8)
        return Self.command(command, [UInt8](name) + [UInt8(ascii: "(")] + argument + [UInt8(ascii: ")")])
    }

    /// Whether a register can have this code: 1 to 32 letters, digits and the separators of a code.
    public static func isValid(code: String) -> Bool {
        (1...longestCode).contains(code.utf8.count) && code.utf8.allSatisfy(isCodeCharacter)
    }

    /// What reads where the configuration does not say: meters of Landis+Gyr answer R5, others R1.
    static func usual(for meter: Identification) -> ReadCommand {
        meter.manufacturer.uppercased() == "LGZ" || meter.text.hasPrefix("L+G") ? .r5 : .r1
    }

    /// `SOH command STX data ETX BCC`.
    fileprivate static func command(_ command: [UInt8], _ data: [UInt8]) -> [UInt8] {
        let checked = command + [Control.stx] + data + [Control.etx]
        return [Control.soh] + checked + [checked.reduce(0) { $0 ^ $1 }]
    }

    static let longestCode = 32

    private static func isCodeCharacter(_ byte: UInt8) -> Bool {
        byte.isLetter || byte.isDigit || separators.contains(byte)
    }

    private static let separators = Set("-:.*&".utf8)
}

/// The password of programming mode, `SOH P 1 STX (password) ETX BCC` (IEC 62056-21, 6.5).
public enum ProgrammingPassword {
    /// Whether a meter can have it: 1 to 32 printable characters without `( ) / ! *`, as data of the protocol are.
    public static func isValid(_ password: Secret) -> Bool {
        password.withBytes { bytes in
            (1...longest).contains(bytes.count) && bytes.allSatisfy { $0.isPrintable && !excluded.contains($0) }
        }
    }

    /// - Returns: nil for a password that no meter can have.
    static func message(_ password: Secret) -> [UInt8]? {
        guard isValid(password) else { return nil }
        return password.withBytes { bytes in
            ReadCommand.command(Array("P1".utf8), [UInt8(ascii: "(")] + bytes + [UInt8(ascii: ")")])
        }
    }

    private static let longest = 32
    private static let excluded = Set("()/!*".utf8)
}
