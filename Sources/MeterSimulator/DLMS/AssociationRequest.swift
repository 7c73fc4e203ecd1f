import Wire

/// A client's wish to associate (AARQ, IEC 62056-5-3, 9.4.5), and its wish to end that (RLRQ).
///
///     60 len | A1 context | A6 calling title | 8A requirements | 8B mechanism | AC authentication | BE user information
///     62 len | 80 reason | BE user information
struct AssociationRequest {
    /// The last octet of the application context's name: 1 with logical names, 3 with ciphering too.
    private(set) var context: UInt8?
    /// The last octet of the mechanism's name.
    private(set) var mechanism: UInt8?
    var callingTitle: [UInt8] = []
    /// The password or the challenge.
    private(set) var authentication: [UInt8]?
    private(set) var userInformation: [UInt8] = []
    /// Why the client releases.
    private(set) var reason: UInt8?

    private static let nameLength = 7

    init(_ apdu: [UInt8]) throws(WireError) {
        var reader = WireReader(apdu.rawSpan)
        try reader.skip(1)
        guard try reader.berLength() == reader.remaining else {
            throw WireError(.malformed, "a length that is not that of the message", offset: reader.offset)
        }
        while !reader.isAtEnd {
            let tag = try reader.uint8()
            let content = try reader.bytes(try reader.berLength())
            try take(tag, content)
        }
    }

    private mutating func take(_ tag: UInt8, _ content: [UInt8]) throws(WireError) {
        switch tag {
        case 0x80: reason = content.last
        case 0xA1: context = try Self.name(Self.inner(content))
        case 0xA6: callingTitle = try Self.inner(content)
        case 0x8B: mechanism = try Self.name(content)
        case 0xAC: authentication = try Self.inner(content)
        case 0xBE: userInformation = try Self.inner(content)
        default: break
        }
    }

    private static func inner(_ content: [UInt8]) throws(WireError) -> [UInt8] {
        var reader = WireReader(content.rawSpan)
        try reader.skip(1)
        return try reader.bytes(try reader.berLength())
    }

    /// `60 85 74 05 08 01 n` is an application context, `60 85 74 05 08 02 n` a mechanism.
    private static func name(_ content: [UInt8]) throws(WireError) -> UInt8 {
        guard content.count == nameLength, content.prefix(5) == [0x60, 0x85, 0x74, 0x05, 0x08], let last = content.last
        else { throw WireError(.malformed, "a name that is none of DLMS") }
        return last
    }
}

/// What a client wishes for its association (IEC 62056-5-3, InitiateRequest).
///
///     01 | dedicated key 01 10 … or 00 | response allowed 00 | quality 00 | 06 | 5F 1F 04 00 conformance 3 | PDU size 2
struct InitiateRequest {
    let dedicatedKey: [UInt8]?
    let version: UInt8
    let conformance: DLMSServer.Conformance
    /// The longest message that the client takes; 0 for any.
    let pduSize: Int

    init(_ bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes.rawSpan)
        guard try reader.uint8() == DLMSServer.Tag.initiateRequest else {
            throw WireError(.malformed, "no initiate request")
        }
        dedicatedKey = try reader.uint8() == 0 ? nil : try reader.bytes(try reader.berLength())
        // Whether a response is allowed and which quality is asked for: left out, or one byte.
        for _ in 0..<2 where try reader.uint8() != 0 { try reader.skip(1) }
        version = try reader.uint8()
        for byte: UInt8 in [0x5F, 0x1F, 0x04, 0x00] where try reader.uint8() != byte {
            throw WireError(.malformed, "no conformance", offset: reader.offset)
        }
        var bits: UInt32 = 0
        for _ in 0..<3 { bits = bits << 8 | UInt32(try reader.uint8()) }
        conformance = DLMSServer.Conformance(rawValue: bits)
        pduSize = Int(try reader.uint16())
    }
}

/// The meter's answer to an AARQ.
///
///     61 len | A1 context | A2 result | A3 diagnostic | A4 title | 88 requirements | 89 mechanism | AA challenge | BE user
struct AssociationResponse {
    /// Who says why (IEC 62056-5-3, Associate-source-diagnostic): the meter's side.
    enum Diagnostic: UInt8 {
        case null = 0
        case noReason = 1
        case contextNotSupported = 2
        case mechanismNotRecognised = 11
        case mechanismRequired = 12
        case authenticationFailure = 13
        case authenticationRequired = 14
    }

    var context: UInt8
    var isAccepted: Bool
    var diagnostic: Diagnostic
    var title: [UInt8]?
    var challenge: (mechanism: UInt8, bytes: [UInt8])?
    var userInformation: [UInt8]

    var encoded: [UInt8] {
        var content: [UInt8] = [0xA1, 0x09, 0x06, 0x07, 0x60, 0x85, 0x74, 0x05, 0x08, 0x01, context]
        content += [0xA2, 0x03, 0x02, 0x01, isAccepted ? 0 : 1]
        content += [0xA3, 0x05, 0xA1, 0x03, 0x02, 0x01, diagnostic.rawValue]
        if let title { content += Self.tagged(0xA4, Self.tagged(0x04, title)) }
        if let challenge {
            content += [0x88, 0x02, 0x07, 0x80]
            content += [0x89, 0x07, 0x60, 0x85, 0x74, 0x05, 0x08, 0x02, challenge.mechanism]
            content += Self.tagged(0xAA, Self.tagged(0x80, challenge.bytes))
        }
        content += Self.tagged(0xBE, Self.tagged(0x04, userInformation))
        return Self.tagged(DLMSServer.Tag.associationResponse, content)
    }

    static func tagged(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        [tag] + AxdrWriter.length(content.count) + content
    }
}
