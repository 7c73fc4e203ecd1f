import Crypto
import CryptoExtras
import OBIS
import Wire

/// The keys of security suites 0 and 1 that a utility gives to its customer. Each is 16 bytes.
public struct CipheringKeys: Sendable, Hashable {
    /// Global unicast encryption key.
    public var encryption: Secret?
    /// Authentication key. Many utilities do not hand it out: then the tag cannot be checked.
    public var authentication: Secret?

    public init(encryption: Secret? = nil, authentication: Secret? = nil) {
        self.encryption = encryption
        self.authentication = authentication
    }
}

/// What stands behind the header of every ciphered message (IEC 62056-5-3, 5.3.5): AES-128 in Galois/counter mode.
///
///     SC | IC 4 bytes | content | tag 12 bytes
///
///     SC 10  authenticated   AAD = SC ‖ AK ‖ content    content is plain
///     SC 20  encrypted       no AAD, no tag
///     SC 30  both            AAD = SC ‖ AK
///
/// The initialisation vector is system title of the sender ‖ IC.
struct CipheredContent: Sendable {
    private static let tagLength = 12

    enum SecurityControl {
        static let authenticated: UInt8 = 0x10
        static let encrypted: UInt8 = 0x20
        static let suite: UInt8 = 0x0F
        static let broadcastKey: UInt8 = 0x40
        static let compressed: UInt8 = 0x80
    }

    let systemTitle: [UInt8]
    let securityControl: UInt8
    let invocationCounter: UInt32
    private let content: [UInt8]
    let authenticationTag: [UInt8]

    /// Takes over `length` bytes; nothing is decrypted yet.
    init(_ reader: inout WireReader, length: Int, from systemTitle: [UInt8]) throws(WireError) {
        guard length <= reader.remaining else {
            throw WireError(
                .truncated, "a ciphered message of \(length) bytes, \(reader.remaining) are there",
                offset: reader.offset)
        }
        let end = reader.offset + length
        self.systemTitle = systemTitle
        securityControl = try reader.uint8()
        invocationCounter = try reader.uint32()
        try Self.check(securityControl, at: reader.offset)
        let tagLength = securityControl & SecurityControl.authenticated != 0 ? Self.tagLength : 0
        guard end - reader.offset >= tagLength else {
            throw WireError(.malformed, "a ciphered message too short for its tag", offset: reader.offset)
        }
        content = try reader.bytes(end - reader.offset - tagLength)
        authenticationTag = try reader.bytes(tagLength)
    }

    /// Protects a message of our own.
    ///
    /// - Parameter keys: both are there, unless the security control asks for encryption only.
    /// - Throws: `keyMissing`.
    init(
        sealing plaintext: [UInt8], securityControl: UInt8, invocationCounter: UInt32, from systemTitle: [UInt8],
        with keys: CipheringKeys
    ) throws(WireError) {
        guard let encryptionKey = keys.encryption.map(Self.symmetric) else {
            throw WireError(.keyMissing, "no encryption key is configured")
        }
        self.systemTitle = systemTitle
        self.securityControl = securityControl
        self.invocationCounter = invocationCounter
        let isEncrypted = securityControl & SecurityControl.encrypted != 0
        let vector = Self.vector(systemTitle, invocationCounter)
        content = isEncrypted ? try Self.crypt(plaintext, vector, encryptionKey) : plaintext
        guard securityControl & SecurityControl.authenticated != 0 else {
            authenticationTag = []
            return
        }
        guard let authenticationKey = keys.authentication else {
            throw WireError(.keyMissing, "no authentication key is configured")
        }
        let tag = try Self.tag(
            of: plaintext, securityControl: securityControl, vector, encryptionKey, authenticationKey)
        authenticationTag = Array(tag.prefix(Self.tagLength))
    }

    /// As it stands on the wire.
    var encoded: [UInt8] { [securityControl] + invocationCounter.octets + content + authenticationTag }

    private static func check(_ securityControl: UInt8, at offset: Int) throws(WireError) {
        // Suite 1 differs from suite 0 in signatures and key agreement only, which no customer interface uses.
        guard securityControl & SecurityControl.suite <= 1 else {
            throw WireError(
                .unsupported, "security suite \(securityControl & SecurityControl.suite); suites 0 and 1 are read",
                offset: offset)
        }
        guard securityControl & SecurityControl.broadcastKey == 0 else {
            throw WireError(.unsupported, "a message under the broadcast key", offset: offset)
        }
        guard securityControl & SecurityControl.compressed == 0 else {
            throw WireError(.unsupported, "a compressed message", offset: offset)
        }
        guard securityControl & (SecurityControl.authenticated | SecurityControl.encrypted) != 0 else {
            throw WireError(
                .malformed, "a ciphered message that is neither encrypted nor authenticated", offset: offset)
        }
    }

    // MARK: Opening

    struct Opened {
        let plaintext: [UInt8]
        /// Whether the tag was there, checked and right.
        let isAuthenticated: Bool
    }

    /// Decrypts, and checks the tag where there are one and the keys for it.
    ///
    /// - Parameter isMessage: whether bytes are a whole plain message. It tells a wrong encryption key
    ///   from a wrong authentication key, and is the only check where no tag can be checked.
    func open(with keys: CipheringKeys, isMessage: ([UInt8]) -> Bool) throws(WireError) -> Opened {
        let isEncrypted = securityControl & SecurityControl.encrypted != 0
        guard let encryptionKey = keys.encryption.map(Self.symmetric) else {
            guard !isEncrypted else { throw keyMissing() }
            guard isMessage(content) else {
                throw WireError(.malformed, "the authenticated content is no DLMS message")
            }
            return Opened(plaintext: content, isAuthenticated: false)
        }
        let vector = Self.vector(systemTitle, invocationCounter)
        let plaintext = isEncrypted ? try Self.crypt(content, vector, encryptionKey) : content
        var isAuthenticated = false
        if !authenticationTag.isEmpty, let authenticationKey = keys.authentication {
            let expected = try Self.tag(
                of: plaintext, securityControl: securityControl, vector, encryptionKey, authenticationKey)
            guard Secret(authenticationTag) == Secret(Array(expected.prefix(Self.tagLength))) else {
                throw isMessage(plaintext) ? wrongAuthenticationKey() : wrongEncryptionKey()
            }
            isAuthenticated = true
        }
        guard isMessage(plaintext) else { throw wrongEncryptionKey() }
        return Opened(plaintext: plaintext, isAuthenticated: isAuthenticated)
    }

    // MARK: Galois/counter mode

    private static func vector(_ systemTitle: [UInt8], _ invocationCounter: UInt32) -> [UInt8] {
        var vector: [UInt8] = []
        vector.reserveCapacity(16)
        vector += systemTitle
        vector.append(UInt8(truncatingIfNeeded: invocationCounter >> 24))
        vector.append(UInt8(truncatingIfNeeded: invocationCounter >> 16))
        vector.append(UInt8(truncatingIfNeeded: invocationCounter >> 8))
        vector.append(UInt8(truncatingIfNeeded: invocationCounter))
        return vector
    }

    /// Encrypts or decrypts: GCM counts from 2 on; block 1 masks the tag.
    private static func crypt(
        _ bytes: [UInt8], _ vector: [UInt8], _ key: SymmetricKey
    ) throws(WireError) -> [UInt8] {
        try crypto {
            let nonce = try AES._CTR.Nonce(nonceBytes: vector + [0, 0, 0, 2])
            return copy(try AES._CTR.decrypt(bytes, using: key, nonce: nonce))
        }
    }

    /// The library wants tags of 16 bytes, the wire has the first 12: so the tag is computed anew.
    private static func tag(
        of plaintext: [UInt8], securityControl: UInt8, _ vector: [UInt8], _ encryptionKey: SymmetricKey,
        _ authenticationKey: Secret
    ) throws(WireError) -> [UInt8] {
        try crypto {
            let isEncrypted = securityControl & SecurityControl.encrypted != 0
            var associated = [securityControl]
            authenticationKey.withBytes { associated += $0 }
            if !isEncrypted { associated += plaintext }
            let sealed = try AES.GCM.seal(
                isEncrypted ? plaintext : [], using: encryptionKey,
                nonce: AES.GCM.Nonce(data: vector), authenticating: associated)
            return copy(sealed.tag)
        }
    }

    /// At once: an array made of a sequence of unknown kind takes it byte by byte.
    private static func copy(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        // The buffer lives for the call only; the array copies it.
        bytes.withContiguousStorageIfAvailable { unsafe [UInt8]($0) } ?? Array(bytes)
    }

    private static func symmetric(_ key: Secret) -> SymmetricKey {
        key.withBytes { SymmetricKey(data: $0) }
    }

    private static func crypto(_ body: () throws -> [UInt8]) throws(WireError) -> [UInt8] {
        do {
            return try body()
        } catch {
            throw WireError(.decryption, "the key cannot be used: it must have 16 bytes")
        }
    }

    // MARK: Errors

    private var sender: String {
        "system title \(Hex.string(systemTitle)), security control \(Hex.string([securityControl])), counter \(invocationCounter)"
    }

    private func refusal(_ code: WireError.Code, _ message: String) -> WireError {
        var error = WireError(code, message)
        error.protection = MessageProtection(
            systemTitle: systemTitle, securityControl: securityControl, invocationCounter: invocationCounter)
        return error
    }

    private func keyMissing() -> WireError {
        refusal(.keyMissing, "the message is encrypted (\(sender)) and no encryption key is configured")
    }

    private func wrongEncryptionKey() -> WireError {
        refusal(
            .decryption,
            "wrong encryption key, or a damaged message (\(sender)): what it decrypts to is no DLMS message")
    }

    private func wrongAuthenticationKey() -> WireError {
        refusal(
            .authentication,
            "wrong authentication key, or a tampered message (\(sender)): it decrypts, but its tag is wrong")
    }
}

/// A message under general-glo-ciphering (IEC 62056-5-3, 5.3.5).
///
///     DB | 08 system title | length | SC | IC 4 bytes | content | tag 12 bytes
struct GeneralCiphering: Sendable {
    static let tag: UInt8 = 0xDB
    static let titleLength = 8

    let content: CipheredContent

    /// Reads the header and takes the content over; nothing is decrypted yet.
    init(_ reader: inout WireReader) throws(WireError) {
        let start = reader.offset
        try reader.skip(1)
        let titleLength = try reader.axdrLength()
        guard titleLength == Self.titleLength else {
            throw WireError(.unsupported, "a system title of \(titleLength) bytes instead of 8", offset: start + 1)
        }
        let systemTitle = try reader.bytes(titleLength)
        let length = try reader.axdrLength()
        content = try CipheredContent(&reader, length: length, from: systemTitle)
    }

    /// What a telegram tells of its protection.
    func description(isAuthenticated: Bool) -> Ciphering {
        Ciphering(
            systemTitle: content.systemTitle, securityControl: content.securityControl,
            invocationCounter: content.invocationCounter, isAuthenticated: isAuthenticated)
    }

    /// Decrypts, and checks the tag where there are one and the keys for it; see `CipheredContent.open`.
    func open(
        with keys: CipheringKeys, isMessage: ([UInt8]) -> Bool
    ) throws(WireError) -> CipheredContent.Opened {
        try content.open(with: keys, isMessage: isMessage)
    }
}
