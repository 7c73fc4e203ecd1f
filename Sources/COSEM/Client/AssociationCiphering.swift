import OBIS
import Wire

/// Numbers the ciphered messages of a client, so that no number is used twice under one key, whatever happens.
///
/// Numbers are reserved in blocks before the first of them is used. After a crash the count goes on behind the block.
struct InvocationCounter: Sendable {
    private(set) var next: UInt32
    /// The first number that is not reserved.
    private var end: UInt32

    private static let block: UInt32 = 128
    private static let format: UInt8 = 1

    init(next: UInt32) {
        self.next = next
        end = next
    }

    /// - Returns: nil for what was not kept by this program.
    init?(kept: [UInt8]) {
        guard kept.count == 5, kept[0] == Self.format else { return nil }
        self.init(next: kept[1...].bigEndian)
    }

    /// What is to be kept before any further number is used; nil while reserved ones are left.
    func reservation() throws(WireError) -> (kept: [UInt8], end: UInt32)? {
        guard next == end else { return nil }
        let (end, overflow) = next.addingReportingOverflow(Self.block)
        guard !overflow else {
            throw WireError(.limit, "the invocation counter is used up: the meter needs a new key")
        }
        return ([Self.format] + end.octets, end)
    }

    mutating func reserve(upTo end: UInt32) { self.end = max(self.end, end) }

    /// Whether another reader with the same keys may have got so far.
    func isPlausible(_ seen: UInt32) -> Bool { seen < next || seen - next < Self.longestJump }

    private static let longestJump: UInt32 = 1 << 24

    /// The meter has seen numbers up to this one.
    mutating func exceed(_ seen: UInt32) {
        guard seen >= next, seen < .max else { return }
        next = seen + 1
        end = max(end, next)
    }

    /// - Returns: nil where none is reserved.
    mutating func take() -> UInt32? {
        guard next < end else { return nil }
        defer { next += 1 }
        return next
    }
}

/// An invocation counter that a meter used. Another meter begins its own count.
struct SeenCounter: Sendable, Hashable {
    let systemTitle: [UInt8]
    let number: UInt32
}

/// Protects the messages of one association and opens those of the meter (IEC 62056-5-3, 5.3 and 5.7.2).
///
///     C8 len SC IC …    glo-get, under the global key          CC   the meter's answer
///     D0 len SC IC …    ded-get, under the dedicated key       D4
///     DB 08 title len SC IC …   general-glo, where the meter uses it
///
/// What comes back less protected than what was sent is refused, and so is a message that came before.
struct AssociationCiphering: Sendable {
    private let securityControl: UInt8
    private let keys: CipheringKeys
    private let dedicatedKey: Secret?
    private let clientTitle: [UInt8]
    var serverTitle: [UInt8]?
    /// Whether the meter uses general-glo-ciphering.
    private var isGeneral = false
    private var dedicatedCounter: UInt32 = 1
    /// The newest counters of the meter under each key; that of the global key over all associations.
    private(set) var newest: SeenCounter?
    private var newestDedicated: SeenCounter?
    /// How the newest message under the global key was protected.
    private(set) var lastOpened: Ciphering?

    /// - Parameter newest: the newest counter of the meter that was seen before.
    init(
        securityControl: UInt8, keys: CipheringKeys, dedicatedKey: Secret?, clientTitle: [UInt8],
        newest: SeenCounter? = nil
    ) {
        self.newest = newest
        self.securityControl = securityControl
        self.keys = keys
        self.dedicatedKey = dedicatedKey
        self.clientTitle = clientTitle
    }

    private enum Tag {
        /// Plain, global, dedicated.
        static let requests: [(UInt8, UInt8, UInt8?)] = [(0x01, 0x21, nil), (0xC0, 0xC8, 0xD0), (0xC3, 0xCB, 0xD3)]
        static let responses: [(UInt8, UInt8, UInt8?)] = [(0x08, 0x28, nil), (0xC4, 0xCC, 0xD4), (0xC7, 0xCF, 0xD7)]
    }

    /// Whether the message is numbered by the counter of the global key.
    func usesGlobalCounter(_ apdu: [UInt8]) -> Bool { !isDedicated(apdu) }

    private func isDedicated(_ apdu: [UInt8]) -> Bool {
        dedicatedKey != nil && Tag.requests.contains { $0.0 == apdu.first && $0.2 != nil }
    }

    // MARK: Requests

    /// - Parameter counter: of the global key; with a number reserved, where that key is used.
    mutating func seal(_ apdu: [UInt8], _ counter: inout InvocationCounter) throws(WireError) -> [UInt8] {
        guard let tags = Tag.requests.first(where: { $0.0 == apdu.first }) else {
            throw WireError(.unsupported, "a message that is never ciphered")
        }
        if isDedicated(apdu), let tag = tags.2 {
            defer { dedicatedCounter += 1 }
            let keys = CipheringKeys(encryption: dedicatedKey, authentication: keys.authentication)
            return [tag] + (try content(apdu, dedicatedCounter, keys)).withLength
        }
        guard let number = counter.take() else {
            throw WireError(.limit, "no invocation counter is reserved")
        }
        let sealed = try content(apdu, number, keys).withLength
        return isGeneral && tags.0 != InitiateRequest.tag
            ? [GeneralCiphering.tag] + clientTitle.withLength + sealed : [tags.1] + sealed
    }

    private func content(_ apdu: [UInt8], _ number: UInt32, _ keys: CipheringKeys) throws(WireError) -> [UInt8] {
        try CipheredContent(
            sealing: apdu, securityControl: securityControl, invocationCounter: number, from: clientTitle, with: keys
        ).encoded
    }

    // MARK: Answers

    /// The plain message in a ciphered one.
    ///
    /// - Throws: `authentication` for one that is not protected as it must be, or came before; `decryption`.
    mutating func open(_ apdu: [UInt8]) throws(WireError) -> [UInt8] {
        var reader = WireReader(apdu.rawSpan)
        guard let tag = apdu.first else { throw WireError(.truncated, "an empty message") }
        if tag == GeneralCiphering.tag {
            let message = try GeneralCiphering(&reader)
            if serverTitle == nil { serverTitle = message.content.systemTitle }
            guard message.content.systemTitle == serverTitle else {
                throw WireError(.authentication, "a message of another meter (its system title is a different one)")
            }
            let plain = try open(message.content, keys, isDedicated: false)
            // What it says by itself tells nothing about how it answers.
            if plain.first != DataNotification.tag { isGeneral = true }
            return plain
        }
        guard let tags = Tag.responses.first(where: { $0.1 == tag || $0.2 == tag }) else {
            throw WireError(
                .authentication, "the meter answers without ciphering, although the association is ciphered: refused")
        }
        guard let serverTitle else {
            throw WireError(.malformed, "the meter ciphers and does not tell its system title")
        }
        try reader.skip(1)
        let length = try reader.axdrLength()
        let content = try CipheredContent(&reader, length: length, from: serverTitle)
        let isDedicated = tags.2 == tag
        guard !isDedicated || dedicatedKey != nil else {
            throw WireError(.authentication, "a message under a dedicated key that was never agreed")
        }
        let used = isDedicated ? CipheringKeys(encryption: dedicatedKey, authentication: keys.authentication) : keys
        return try open(content, used, isDedicated: isDedicated)
    }

    private mutating func open(
        _ content: CipheredContent, _ keys: CipheringKeys, isDedicated: Bool
    ) throws(WireError) -> [UInt8] {
        guard content.securityControl & CipheredContent.SecurityControl.suite == 0 else {
            throw WireError(.unsupported, "the meter uses security suite 1, this program asks by suite 0 only")
        }
        guard content.securityControl & securityControl == securityControl else {
            throw WireError(.authentication, "the meter's answer is less protected than the request: refused")
        }
        let opened = try content.open(with: keys) { Self.isMessage($0) }
        guard opened.isAuthenticated || securityControl & CipheredContent.SecurityControl.authenticated == 0 else {
            throw WireError(.authentication, "the meter's answer carries no authentication tag")
        }
        try require(rising: content, isDedicated: isDedicated)
        if !isDedicated {
            lastOpened = Ciphering(
                systemTitle: content.systemTitle, securityControl: content.securityControl,
                invocationCounter: content.invocationCounter, isAuthenticated: opened.isAuthenticated)
        }
        return opened.plaintext
    }

    private mutating func require(rising content: CipheredContent, isDedicated: Bool) throws(WireError) {
        let seen = SeenCounter(systemTitle: content.systemTitle, number: content.invocationCounter)
        let before = isDedicated ? newestDedicated : newest
        if let before, before.systemTitle == seen.systemTitle, seen.number <= before.number {
            throw WireError(
                .authentication,
                "the meter's invocation counter goes back (\(seen.number) after \(before.number)): a message that came before is refused"
            )
        }
        if isDedicated { newestDedicated = seen } else { newest = seen }
    }

    private static func isMessage(_ plain: [UInt8]) -> Bool {
        InitiateResponse.isPlausible(plain) || plain.first == GetExchange.responseTag
            || plain.first == ProofExchange.responseTag || plain.first == ExceptionResponse.tag
            || plain.first == DataNotification.tag
    }
}
