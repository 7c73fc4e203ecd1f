/// Why bytes from a wire could not be used.
///
/// Compared by code, so that a test or a caller does not depend on wording.
public struct WireError: Error, Sendable {
    /// The stable names of the contract.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// BCC, CRC, FCS, HCS or sum is wrong.
        case checksum
        /// The message ends before it is complete.
        case truncated
        /// No frame is where one should be.
        case framing
        /// The ciphertext does not decrypt to a message: wrong key or damaged.
        case decryption
        /// It decrypts, but the authentication tag is wrong.
        case authentication
        /// The message is encrypted and no key is configured.
        case keyMissing = "key-missing"
        /// Well-formed, but nothing that this program reads.
        case unsupported
        /// A length, tag or value that its protocol does not allow.
        case malformed
        /// A bound of `Limits` was reached.
        case limit
        /// The meter itself reported an error.
        case meterError = "meter-error"
        /// The meter did not answer in time.
        case timeout
    }

    public let code: Code
    /// A sentence for a person.
    public let message: String
    /// The byte that it is about, counted from the start of the input or of the message.
    public var offset: Int?
    /// Of a message that could not be opened: how it is protected, as far as its header says in plain text.
    public var protection: MessageProtection?

    public init(_ code: Code, _ message: String, offset: Int? = nil) {
        self.code = code
        self.message = message
        self.offset = offset
    }

    /// The same error seen from an enclosing message that starts `bytes` earlier.
    public func shifted(by bytes: Int) -> WireError {
        var copy = self
        copy.offset = offset.map { $0 + bytes }
        return copy
    }
}

/// How a message is protected, as its header says in plain text (IEC 62056-5-3, 5.3).
public struct MessageProtection: Sendable, Hashable {
    /// Eight bytes: three letters of the maker and a number.
    public let systemTitle: [UInt8]
    public let securityControl: UInt8
    public let invocationCounter: UInt32

    public init(systemTitle: [UInt8], securityControl: UInt8, invocationCounter: UInt32) {
        self.systemTitle = systemTitle
        self.securityControl = securityControl
        self.invocationCounter = invocationCounter
    }
}

extension WireError: Equatable {
    public static func == (lhs: WireError, rhs: WireError) -> Bool {
        lhs.code == rhs.code
    }
}

extension WireError: CustomStringConvertible {
    public var description: String {
        "\(code.rawValue): \(message)" + (offset.map { " (byte \($0))" } ?? "")
    }
}
