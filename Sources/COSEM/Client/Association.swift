import OBIS
import Wire

/// One association with a meter, from its request to its end: who is asked, what was agreed, how messages are protected.
struct Association: Sendable {
    private let settings: ClientSettings
    private let mechanism: AuthenticationMechanism
    private let initiateRequest: InitiateRequest
    private let challenge: [UInt8]
    private var ciphering: AssociationCiphering?
    private var response: AssociationResponse?
    private var agreed: InitiateResponse?

    /// Fits a datagram over IPv6.
    private static let maximumPDU: UInt16 = 1200
    private static let challengeLength = 16
    private static let keyLength = 16

    /// - Parameters:
    ///   - isPublic: without rights and protection.
    ///   - newest: the newest invocation counter of the meter that was seen before.
    init(_ settings: ClientSettings, isPublic: Bool, newest: SeenCounter? = nil) {
        self.settings = settings
        mechanism = isPublic ? .none : settings.mechanism
        challenge = mechanism.isMutual ? settings.random(Self.challengeLength) : []
        let control = isPublic ? nil : settings.ciphering.securityControl
        let dedicatedKey =
            control != nil && settings.usesDedicatedKey ? Secret(settings.random(Self.keyLength)) : nil
        initiateRequest = InitiateRequest(dedicatedKey: dedicatedKey, maximumPDU: Self.maximumPDU)
        ciphering = control.map {
            AssociationCiphering(
                securityControl: $0, keys: settings.keys, dedicatedKey: dedicatedKey,
                clientTitle: settings.systemTitle, newest: newest)
        }
    }

    // MARK: Sending

    /// The initiate request, plain.
    var initiate: [UInt8] { initiateRequest.encoded }

    /// What the end of the association repeats; nil for a plain one.
    var initiateOfRelease: [UInt8]? { ciphering == nil ? nil : initiate }

    /// Whether a message needs a number of the global key.
    func needsCounter(for apdu: [UInt8]?) -> Bool {
        guard let apdu, let ciphering else { return false }
        return ciphering.usesGlobalCounter(apdu)
    }

    func request(_ counter: inout InvocationCounter?) throws(WireError) -> [UInt8] {
        var copy = self
        let information = try copy.protect(initiate, &counter)
        let needsTitle = ciphering != nil || mechanism == .hlsGMAC || mechanism == .hlsSHA256
        return AssociationRequest(
            isCiphered: ciphering != nil, systemTitle: needsTitle ? settings.systemTitle : nil, mechanism: mechanism,
            authentication: try authentication(), userInformation: information
        ).encoded
    }

    private func authentication() throws(WireError) -> [UInt8] {
        guard mechanism == .lls else { return challenge }
        guard let password = settings.password else {
            throw WireError(.keyMissing, "no password is configured for the low level security")
        }
        return password.withBytes { $0 }
    }

    /// The message as it is sent.
    mutating func protect(_ apdu: [UInt8], _ counter: inout InvocationCounter?) throws(WireError) -> [UInt8] {
        guard ciphering != nil else { return apdu }
        var numbers = counter ?? InvocationCounter(next: 1)
        defer { counter = numbers }
        guard let sealed = try ciphering?.seal(apdu, &numbers) else { return apdu }
        return sealed
    }

    mutating func release(_ counter: inout InvocationCounter?) throws(WireError) -> [UInt8] {
        guard let initiateOfRelease else { return ReleaseRequest.encoded(userInformation: nil) }
        return ReleaseRequest.encoded(userInformation: try protect(initiateOfRelease, &counter))
    }

    // MARK: The meter's answer

    /// Whether the answer belongs to something that was asked before.
    static func isLate(_ apdu: [UInt8]) -> Bool {
        [0x0F, 0x63, 0xC4, 0xC7, 0xCC, 0xCF, 0xD4, 0xD7, GeneralCiphering.tag].contains(apdu.first ?? 0)
    }

    /// - Throws: why there is no association.
    mutating func take(_ apdu: [UInt8]) throws(WireError) {
        if let exception = ExceptionResponse(apdu) { throw exception.error }
        if let error = ConfirmedServiceError(apdu) {
            throw WireError(.meterError, "the meter refuses the association: \(error.name); check keys and counter")
        }
        let response = try AssociationResponse(apdu)
        try response.require(isCiphered: ciphering != nil)
        if let title = response.systemTitle, title.count != GeneralCiphering.titleLength {
            throw WireError(.malformed, "a system title of \(title.count) bytes instead of 8")
        }
        ciphering?.serverTitle = response.systemTitle
        guard let information = response.userInformation else {
            throw WireError(.malformed, "the meter agrees to the association and does not say on what")
        }
        agreed = try InitiateResponse(try open(information))
        self.response = response
        guard !mechanism.isMutual || response.requiresProof else {
            throw WireError(
                .authentication,
                "the meter does not ask for a proof, although `security:` is \(mechanism.name): refused")
        }
    }

    /// The plain message in one that the meter sent.
    mutating func open(_ apdu: [UInt8]) throws(WireError) -> [UInt8] {
        guard let opened = try ciphering?.open(apdu) else { return apdu }
        return opened
    }

    /// Whether it is something that the meter says by itself.
    func isPush(_ apdu: [UInt8]) -> Bool {
        apdu.first == DataNotification.tag || (ciphering == nil && apdu.first == GeneralCiphering.tag)
    }

    /// How the answers were protected; nil where they were not.
    var protection: Ciphering? { ciphering?.lastOpened }

    /// The newest invocation counter of the meter.
    var newest: SeenCounter? { ciphering?.newest }

    // MARK: Proof

    var requiresProof: Bool { mechanism.isMutual }

    private func proofs() throws(WireError) -> ChallengeProof {
        guard let response, let serverChallenge = response.challenge, !serverChallenge.isEmpty else {
            throw WireError(.malformed, "the meter asks for a proof and gives no challenge")
        }
        let needsTitles = mechanism == .hlsGMAC || mechanism == .hlsSHA256
        guard let title = response.systemTitle ?? (needsTitles ? nil : []) else {
            throw WireError(.malformed, "the meter does not tell its system title, without which no proof can be made")
        }
        return ChallengeProof(
            mechanism: mechanism, password: settings.password, keys: settings.keys, clientChallenge: challenge,
            serverChallenge: serverChallenge, clientTitle: settings.systemTitle, serverTitle: title)
    }

    /// - Parameter counter: numbers a GMAC, so it has one reserved.
    func proof(_ counter: inout InvocationCounter?) throws(WireError) -> [UInt8] {
        let proofs = try proofs()
        // Its own challenge sent back would make the client prove the secret to whoever does not know it.
        guard proofs.serverChallenge != proofs.clientChallenge else {
            throw WireError(.authentication, "the meter sends the challenge of the client back: refused")
        }
        guard mechanism == .hlsGMAC else { return try proofs.ofClient(invocationCounter: 0) }
        guard let number = counter?.take() else { throw WireError(.limit, "no invocation counter is reserved") }
        return try proofs.ofClient(invocationCounter: number)
    }

    /// - Throws: `authentication` where the meter does not prove that it knows the secret.
    func check(_ proof: [UInt8]?) throws(WireError) {
        guard let proof, try proofs().isRight(proof) else {
            throw WireError(
                .authentication, "the meter does not prove that it knows the secret: check the password and the keys")
        }
    }

    // MARK: What was agreed

    /// How many attributes one request may have.
    var mostAttributes: Int {
        guard let agreed, agreed.conformance.contains(.multipleReferences) else { return 1 }
        let size = agreed.maximumPDU == 0 ? Int(Self.maximumPDU) : Int(agreed.maximumPDU)
        // Tag, length, security control, counter, tag of the authentication; or a title as well.
        let overhead = ciphering == nil ? 0 : 32
        let room = size - overhead - GetExchange.length(ofRequestFor: 0)
        return max(1, min(Self.mostInList, room / 10))
    }

    private static let mostInList = 32
}

/// General block transfer of answers (IEC 62056-5-3, 9.4.2): the meter sends a window of blocks, the client says which it
/// has.
///
///     E0 | last 1 bit, streaming 1 bit, window 6 bits | block number 2 | acknowledged 2 | length | data
struct AnswerBlocks: Sendable {
    private var data: [UInt8] = []
    private var received: UInt16 = 0
    /// Of the client's own blocks, which carry nothing.
    private var sent: UInt16 = 0

    enum Outcome: Sendable {
        case message([UInt8])
        /// The window is over: this tells what arrived.
        case acknowledge([UInt8])
        case pending
    }

    mutating func take(_ bytes: [UInt8]) throws(WireError) -> Outcome {
        guard bytes.first == GeneralBlock.tag else { return .message(bytes) }
        var reader = WireReader(bytes.rawSpan)
        let block = try GeneralBlock(&reader)
        guard reader.isAtEnd else { throw WireError(.malformed, "bytes behind a block", offset: reader.offset) }
        if block.number == received &+ 1 {
            guard data.count + block.data.count <= Limits.apdu else {
                throw WireError(.limit, "an answer of more than \(Limits.apdu) bytes")
            }
            data += block.data
            received = block.number
            if block.isLast {
                defer { self = AnswerBlocks() }
                return .message(data)
            }
        }
        guard !block.isStreaming else { return .pending }
        sent &+= 1
        guard sent <= Self.mostAcknowledged else { throw WireError(.limit, "the meter's blocks do not end") }
        return .acknowledge([GeneralBlock.tag, 0x80 | 1] + sent.octets + received.octets + [0x00])
    }

    private static let mostAcknowledged: UInt16 = 2048
}
