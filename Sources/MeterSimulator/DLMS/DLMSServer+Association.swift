import OBIS
import Wire

extension DLMSServer {
    /// What a client and the meter agreed on.
    struct Association {
        /// How far the client's proof is.
        enum Stage {
            case proven
            /// High level security: the client has still to answer the meter's challenge.
            case challenged(byMeter: [UInt8], byClient: [UInt8])
        }

        let client: Client
        let clientTitle: [UInt8]
        let conformance: Conformance
        /// The longest message that both sides take.
        let pduSize: Int
        let dedicatedKey: Secret?
        var stage: Stage
        /// The client's newest counter under the dedicated key, and the meter's next.
        var dedicatedCounters: (client: UInt32?, server: UInt32) = (nil, 1)
        var longGet: LongGet?
        var blocks: GeneralBlocks?

        func cipher(_ key: Protection.Key) -> DLMSCipher? {
            guard let keys = client.keys else { return nil }
            switch key {
            case .none: return nil
            case .global: return client.cipher
            case .dedicated:
                return dedicatedKey.map { DLMSCipher(encryptionKey: $0, authenticationKey: keys.authentication) }
            }
        }

        /// Message bytes that are left of the PDU size for what is ciphered.
        var room: Int {
            guard client.isCiphered else { return pduSize }
            // A tag, a length of up to three bytes, and for the general services a title.
            let general = conformance.contains(.generalProtection) ? 9 : 0
            return pduSize - (1 + 3 + DLMSCipher.headerLength + DLMSCipher.tagLength) - general
        }
    }

    /// Why an association is refused.
    private struct Refusal: Error {
        let diagnostic: AssociationResponse.Diagnostic
        var serviceError: [UInt8]?

        init(_ diagnostic: AssociationResponse.Diagnostic, serviceError: [UInt8]? = nil) {
            self.diagnostic = diagnostic
            self.serviceError = serviceError
        }

        /// A confirmed service error of initiating: reading the version (6, 1), or what was ciphered (0, 5).
        static let version = Refusal(.noReason, serviceError: [Tag.confirmedServiceError, 1, 6, 1])
        static let ciphering = Refusal(.noReason, serviceError: [Tag.confirmedServiceError, 1, 0, 5])
    }

    private static let version: UInt8 = 6

    // MARK: AARQ

    mutating func associate(_ apdu: [UInt8], _ address: UInt16) -> [UInt8] {
        associations[address] = nil
        guard let request = try? AssociationRequest(apdu), let client = configuration.client(at: address),
            !memory.faults.refusedAssociations.take()
        else { return refuse(Refusal(.noReason), nil) }
        do {
            return try accept(request, client)
        } catch let refusal as Refusal {
            return refuse(refusal, client)
        } catch let exception as ServiceException {
            // Half a message under a wrong key tells nothing: meters differ in what they make of it.
            return configuration.cipheringRefusal == .exception ? exception.bytes : refuse(.ciphering, nil)
        } catch {
            return refuse(Refusal(.noReason), client)
        }
    }

    private mutating func accept(_ request: AssociationRequest, _ client: Client) throws -> [UInt8] {
        guard request.context == client.context else { throw Refusal(.contextNotSupported) }
        try check(request, client)
        let initiate = try initiate(request, client)
        guard initiate.version >= Self.version else { throw Refusal.version }
        memory.associations += 1
        let (stage, challenge) = challenge(request, client)
        associations[client.address] = Association(
            client: client, clientTitle: request.callingTitle,
            conformance: initiate.conformance.intersection(configuration.conformance),
            pduSize: Self.smaller(initiate.pduSize, configuration.pduSize),
            dedicatedKey: initiate.dedicatedKey.map { Secret($0) }, stage: stage)
        let response = AssociationResponse(
            context: client.context, isAccepted: true,
            diagnostic: challenge == nil ? .null : .authenticationRequired,
            title: client.isCiphered || !request.callingTitle.isEmpty ? configuration.systemTitle : nil,
            challenge: challenge.map { (client.mechanism.rawValue, $0) },
            userInformation: initiateResponse(initiate.conformance, client))
        return response.encoded
    }

    /// 0 is no limit.
    private static func smaller(_ size: Int, _ own: Int) -> Int {
        max(64, size == 0 ? own : min(size, own))
    }

    private func check(_ request: AssociationRequest, _ client: Client) throws(Refusal) {
        guard client.mechanism != .none else {
            guard request.mechanism ?? 0 == 0 else { throw Refusal(.mechanismNotRecognised) }
            return
        }
        guard let mechanism = request.mechanism else {
            throw Refusal(request.authentication == nil ? .authenticationRequired : .mechanismRequired)
        }
        guard mechanism == client.mechanism.rawValue else { throw Refusal(.mechanismNotRecognised) }
        guard let authentication = request.authentication else { throw Refusal(.authenticationRequired) }
        // A challenge has 8 to 64 bytes.
        let isRight =
            client.mechanism.isHigh ? (8...64).contains(authentication.count) : Secret(authentication) == client.secret
        guard isRight else { throw Refusal(.authenticationFailure) }
    }

    private mutating func initiate(_ request: AssociationRequest, _ client: Client) throws -> InitiateRequest {
        guard client.isCiphered else { return try InitiateRequest(request.userInformation) }
        return try InitiateRequest(opened(request, client))
    }

    /// The initiate request under the client's global key.
    private mutating func opened(_ request: AssociationRequest, _ client: Client) throws -> [UInt8] {
        let bytes = request.userInformation
        guard bytes.first == Tag.cipheredInitiateRequest, let cipher = client.cipher else {
            throw ServiceException.deciphering
        }
        var reader = WireReader(bytes.rawSpan)
        try reader.skip(1)
        guard try reader.berLength() == reader.remaining else { throw ServiceException.deciphering }
        let opened = try unseal(
            bytes[reader.offset...], cipher, title: request.callingTitle,
            above: memory.clientCounters[client.address])
        memory.clientCounters[client.address] = opened.counter
        return opened.plain
    }

    private func challenge(
        _ request: AssociationRequest, _ client: Client
    ) -> (stage: Association.Stage, challenge: [UInt8]?) {
        guard client.mechanism.isHigh else { return (.proven, nil) }
        let challenge = configuration.challenge ?? newChallenge()
        return (.challenged(byMeter: challenge, byClient: request.authentication ?? []), challenge)
    }

    /// Equal meters make equal challenges, so that a run can be repeated.
    private func newChallenge() -> [UInt8] {
        let seed = configuration.serial.utf8.reduce(UInt64(memory.associations)) { $0 &* 31 &+ UInt64($1) }
        var random = SplitMix64(seed: seed)
        return (0..<16).map { _ in UInt8(random.next(below: 256)) }
    }

    /// `08 | quality 00 | 06 | 5F 1F 04 00 conformance 3 | PDU size 2 | 00 07`, ciphered where the context is.
    private mutating func initiateResponse(_ asked: Conformance, _ client: Client) -> [UInt8] {
        let size = UInt16(clamping: configuration.pduSize)
        let plain =
            [Tag.initiateResponse, 0, Self.version, 0x5F, 0x1F, 0x04, 0x00]
            + asked.intersection(configuration.conformance).bytes + [UInt8(size >> 8), UInt8(size & 0xFF), 0x00, 0x07]
        guard client.isCiphered, let cipher = client.cipher else { return plain }
        return AssociationResponse.tagged(Tag.cipheredInitiateResponse, seal(plain, cipher))
    }

    private mutating func refuse(_ refusal: Refusal, _ client: Client?) -> [UInt8] {
        AssociationResponse(
            context: client?.context ?? 1, isAccepted: false, diagnostic: refusal.diagnostic,
            title: client?.isCiphered == true ? configuration.systemTitle : nil,
            userInformation: refusal.serviceError
                ?? initiateResponse(configuration.conformance, client ?? .publicClient)
        ).encoded
    }

    // MARK: RLRQ

    /// `62 00` is answered by `63 00`; a reason and user information by theirs.
    mutating func release(_ apdu: [UInt8], _ address: UInt16) -> [UInt8] {
        let association = associations[address]
        associations[address] = nil
        guard let request = try? AssociationRequest(apdu) else { return [Tag.releaseResponse, 0] }
        var content: [UInt8] = request.reason == nil ? [] : [0x80, 0x01, 0x00]
        if let association, !request.userInformation.isEmpty {
            let client = association.client
            if client.isCiphered {
                do {
                    _ = try opened(request.naming(association.clientTitle), client)
                } catch {
                    return (error as? ServiceException ?? .deciphering).bytes
                }
            }
            content += AssociationResponse.tagged(
                0xBE, AssociationResponse.tagged(0x04, initiateResponse(association.conformance, client)))
        }
        return AssociationResponse.tagged(Tag.releaseResponse, content)
    }
}

extension DLMSServer.Client {
    var context: UInt8 { isCiphered ? 3 : 1 }

    var cipher: DLMSCipher? {
        keys.map { DLMSCipher(encryptionKey: $0.encryption, authenticationKey: $0.authentication) }
    }
}

extension AssociationRequest {
    /// The same from a client that has told its title before.
    func naming(_ title: [UInt8]) -> AssociationRequest {
        var request = self
        if request.callingTitle.isEmpty { request.callingTitle = title }
        return request
    }
}
