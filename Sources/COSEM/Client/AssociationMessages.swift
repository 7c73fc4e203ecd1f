import OBIS
import Wire

/// What client and server agree to use (IEC 62056-5-3, 7.3.1), 24 bits of which bit 0 stands first on the wire.
struct Conformance: OptionSet, Sendable, Hashable {
    let rawValue: UInt32

    static let generalProtection = bit(1)
    static let generalBlockTransfer = bit(2)
    static let priority = bit(9)
    static let blockTransferWithGet = bit(11)
    static let multipleReferences = bit(14)
    static let get = bit(19)
    static let selectiveAccess = bit(21)
    static let action = bit(23)

    private static func bit(_ number: UInt32) -> Conformance { Conformance(rawValue: 1 << (23 - number)) }

    /// Everything that this client uses: it reads, and ACTION answers a challenge.
    static let reading: Conformance = [
        .generalProtection, .generalBlockTransfer, .priority, .blockTransferWithGet, .multipleReferences, .get,
        .selectiveAccess, .action,
    ]

    /// Tag and length of the bit string, no unused bits, three bytes.
    fileprivate var encoded: [UInt8] { [0x5F, 0x1F, 0x04, 0x00] + rawValue.octets.dropFirst() }
}

/// Proposes how messages are exchanged (IEC 62056-5-3, 7.3.2). Carried by the association request.
///
///     01 | dedicated key 00, or 01 10 16 bytes | 00 response allowed | 00 quality of service | 06 version
///        | 5F 1F 04 00 conformance 3 | PDU size 2
struct InitiateRequest: Sendable, Hashable {
    static let tag: UInt8 = 0x01

    var dedicatedKey: Secret?
    var conformance = Conformance.reading
    /// Bytes of a message that the client takes.
    var maximumPDU: UInt16

    var encoded: [UInt8] {
        let key = dedicatedKey?.withBytes { [0x01] + $0.withLength } ?? [0x00]
        return [Self.tag] + key + [0x00, 0x00, 0x06] + conformance.encoded + maximumPDU.octets
    }
}

/// The server's answer to it.
///
///     08 | 00 quality of service | 06 version | 5F 1F 04 00 conformance 3 | PDU size 2 | 00 07 name of the objects
struct InitiateResponse: Sendable, Hashable {
    static let tag: UInt8 = 0x08
    private static let logicalNames: UInt16 = 0x0007

    let conformance: Conformance
    /// Bytes of a message that the server takes; 0: it does not say.
    let maximumPDU: UInt16

    /// - Throws: `unsupported` for short-name referencing and other versions than 6.
    init(_ bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.rawSpan)
        guard try reader.uint8() == Self.tag else {
            throw WireError(.malformed, "the association's answer holds no initiate response", offset: 0)
        }
        if try reader.uint8() != 0 { try reader.skip(1) }
        let version = try reader.uint8()
        guard version == 6 else {
            throw WireError(.unsupported, "the meter speaks version \(version) of DLMS, this program version 6")
        }
        guard try reader.uint8() == 0x5F else { throw WireError(.malformed, "no conformance block") }
        // Some meters leave out the second byte of the tag.
        if reader.peek() == 0x1F { try reader.skip(1) }
        guard try reader.uint8() == 4 else { throw WireError(.malformed, "a conformance block that is not 24 bits") }
        conformance = Conformance(rawValue: try reader.uint32() & 0xFF_FFFF)
        maximumPDU = try reader.uint16()
        guard try reader.uint16() == Self.logicalNames else {
            throw WireError(
                .unsupported,
                "the meter names its objects by short names (SN referencing), which this program does not read")
        }
    }

    /// Whether bytes begin like one: what a right key decrypts to.
    static func isPlausible(_ bytes: [UInt8]) -> Bool {
        bytes.first == tag || ConfirmedServiceError(bytes) != nil
    }
}

/// AARQ: who asks, how it is authenticated, how messages are protected (IEC 62056-5-3, 7.2).
///
///     60 len | A1 context | [A6 title] | [8A 02 07 80 | 8B mechanism | AC password or challenge] | BE initiate request
struct AssociationRequest: Sendable {
    var isCiphered = false
    /// Of the client; nil where nothing needs it.
    var systemTitle: [UInt8]?
    var mechanism = AuthenticationMechanism.none
    /// The password of LLS, the challenge of HLS.
    var authentication: [UInt8] = []
    /// The initiate request, ciphered where the context says so.
    var userInformation: [UInt8]

    var encoded: [UInt8] {
        var content = [0xA1] + (Self.object(0x01, isCiphered ? 3 : 1)).withLength
        if let systemTitle { content += [0xA6] + ([0x04] + systemTitle.withLength).withLength }
        if mechanism != .none {
            content += [0x8A, 0x02, 0x07, 0x80]
            content += [0x8B] + Array(Self.object(0x02, mechanism.rawValue).dropFirst(2)).withLength
            content += [0xAC] + ([0x80] + authentication.withLength).withLength
        }
        content += [0xBE] + ([0x04] + userInformation.withLength).withLength
        return [0x60] + content.withLength
    }

    /// An object identifier of the DLMS user association: 1 application contexts, 2 mechanisms.
    private static func object(_ branch: UInt8, _ number: UInt8) -> [UInt8] {
        [0x06, 0x07, 0x60, 0x85, 0x74, 0x05, 0x08, branch, number]
    }
}

/// AARE: whether the server agrees.
///
///     61 len | A1 context | A2 result | A3 diagnostic | [A4 title] | [88 … | 89 mechanism | AA challenge] | [BE answer]
struct AssociationResponse: Sendable {
    static let tag: UInt8 = 0x61

    private(set) var context: UInt8?
    private(set) var result: UInt8?
    private(set) var diagnostic: UInt8?
    /// Whether the diagnostic comes from below the application (A2 instead of A1).
    private(set) var isProviderDiagnostic = false
    private(set) var systemTitle: [UInt8]?
    private(set) var challenge: [UInt8]?
    private(set) var userInformation: [UInt8]?

    init(_ bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.rawSpan)
        guard try reader.uint8() == Self.tag else { throw WireError(.malformed, "no association response") }
        let length = try reader.axdrLength()
        guard length <= reader.remaining else {
            throw WireError(.truncated, "an association response of \(length) bytes, \(reader.remaining) are there")
        }
        while !reader.isAtEnd {
            let tag = try reader.uint8()
            let count = try reader.axdrLength()
            try take(tag, try reader.bytes(count))
        }
        guard result != nil else { throw WireError(.malformed, "an association response without a result") }
    }

    private mutating func take(_ tag: UInt8, _ content: [UInt8]) throws(WireError) {
        switch tag {
        case 0xA1: context = content.last
        case 0xA2: result = content.last
        case 0xA3:
            isProviderDiagnostic = content.first == 0xA2
            diagnostic = content.last
        case 0xA4: systemTitle = try Self.inner(content, 0x04)
        case 0xAA: challenge = try Self.inner(content, 0x80)
        case 0xBE: userInformation = try Self.inner(content, 0x04)
        default: break
        }
    }

    /// The value within one more tag and length.
    private static func inner(_ content: [UInt8], _ tag: UInt8) throws(WireError) -> [UInt8] {
        var reader = WireReader(content.rawSpan)
        guard try reader.uint8() == tag else {
            throw WireError(.malformed, "an unknown form in an association response")
        }
        let count = try reader.axdrLength()
        return try reader.bytes(count)
    }

    // MARK: Judging

    private enum Diagnostic {
        static let none: UInt8 = 0
        static let contextNotSupported: UInt8 = 2
        static let mechanismNotRecognised: UInt8 = 11
        static let mechanismRequired: UInt8 = 12
        static let authenticationFailure: UInt8 = 13
        static let authenticationRequired: UInt8 = 14
    }

    /// Whether the challenge of the server must be answered before anything is read.
    var requiresProof: Bool { diagnostic == Diagnostic.authenticationRequired && !isProviderDiagnostic }

    /// - Throws: why the meter refuses, with what can be done.
    func require(isCiphered: Bool) throws(WireError) {
        try requireAcceptance()
        let expected: UInt8 = isCiphered ? 3 : 1
        guard context == nil || context == expected else {
            throw WireError(
                .authentication,
                "the meter answers with another application context (\(context ?? 0) instead of \(expected)): refused, since it may be a downgrade"
            )
        }
    }

    func requireAcceptance() throws(WireError) {
        guard result == 0 else { throw refusal }
    }

    private var refusal: WireError {
        if let error = userInformation.flatMap(ConfirmedServiceError.init) {
            return WireError(.meterError, "the meter refuses the association: \(error.name); check keys and counter")
        }
        let prefix = "the meter refuses the association"
        guard !isProviderDiagnostic else {
            return WireError(.meterError, "\(prefix) (its provider, diagnostic \(diagnostic ?? 0))")
        }
        switch diagnostic {
        case Diagnostic.contextNotSupported:
            return WireError(
                .unsupported,
                "\(prefix): it does not support the application context; check whether it wants keys (`encryption_key_file:`) or none, and SN referencing is not read"
            )
        case Diagnostic.mechanismNotRecognised, Diagnostic.mechanismRequired:
            return WireError(.authentication, "\(prefix): it wants another authentication; check `security:`")
        case Diagnostic.authenticationFailure:
            return WireError(.authentication, "\(prefix): authentication failure; check the password and the keys")
        case Diagnostic.authenticationRequired:
            return WireError(.authentication, "\(prefix): it wants an authentication; check `security:`")
        default:
            return WireError(
                .meterError,
                "\(prefix) (diagnostic \(diagnostic ?? 0)); check `client:`, `server:`, the password and the keys")
        }
    }
}

/// The server could not serve at all: `0E service error-class error` (IEC 62056-5-3, 7.3.1).
struct ConfirmedServiceError: Sendable, Hashable {
    static let tag: UInt8 = 0x0E

    let service: UInt8
    let kind: UInt8
    let value: UInt8

    /// - Returns: nil for anything else.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == 4, bytes[0] == Self.tag else { return nil }
        (service, kind, value) = (bytes[1], bytes[2], bytes[3])
    }

    private static let kinds: [UInt8: String] = [
        0: "application reference", 1: "hardware resource", 2: "VDE state", 3: "service", 4: "definition", 5: "access",
        6: "initiate", 7: "load data set", 9: "task",
    ]

    var name: String { "confirmed service error, \(Self.kinds[kind] ?? "class \(kind)") \(value)" }
}

/// The server refuses a message (IEC 62056-5-3, 7.3.1): `D8 state error [counter]`.
struct ExceptionResponse: Sendable, Hashable {
    static let tag: UInt8 = 0xD8

    let state: UInt8
    let service: UInt8
    /// What the next counter must exceed, where the server says it.
    let counter: UInt32?

    private static let counterError: UInt8 = 6

    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 3, bytes[0] == Self.tag else { return nil }
        (state, service) = (bytes[1], bytes[2])
        counter = bytes.count >= 7 ? bytes[3..<7].bigEndian : nil
    }

    var isCounterError: Bool { service == Self.counterError }

    var error: WireError {
        switch service {
        case 1: WireError(.unsupported, "the meter refuses the request: operation not possible")
        case 2: WireError(.unsupported, "the meter refuses the request: service not supported")
        case 4: WireError(.limit, "the meter refuses the request: the message is too long for it")
        case 5: WireError(.decryption, "the meter cannot decipher the request: check the keys and `system_title:`")
        case Self.counterError:
            WireError(
                .authentication, "the meter refuses the invocation counter\(counter.map { ": it has \($0)" } ?? "")")
        default: WireError(.meterError, "the meter refuses the request (exception \(state), \(service))")
        }
    }
}

/// RLRQ: the end of an association. One that is ciphered says so once more.
enum ReleaseRequest {
    static let responseTag: UInt8 = 0x63

    /// - Parameter userInformation: the ciphered initiate request; nil for a plain association.
    static func encoded(userInformation: [UInt8]?) -> [UInt8] {
        guard let userInformation else { return [0x62, 0x00] }
        let content = [0x80, 0x01, 0x00, 0xBE] + ([0x04] + userInformation.withLength).withLength
        return [0x62] + content.withLength
    }
}
