import Crypto
import OBIS
import Wire

/// Pass 3 of high level security: `C3 01 id | 00 0F | 0000280000FF | 01 | 01 | 09 len proof`.
struct ProofRequest {
    let invokeID: UInt8
    let proof: [UInt8]

    /// - Returns: nil for any other action.
    init?(_ apdu: [UInt8]) {
        let head: [UInt8] = [0x00, 0x0F] + ObisCode.currentAssociation.octets + [0x01, 0x01, 0x09]
        guard apdu.count > 3 + head.count, apdu[1] == 1, Array(apdu[3..<(3 + head.count)]) == head else { return nil }
        invokeID = apdu[2]
        var reader = WireReader(apdu.rawSpan).rewound(to: 3 + head.count)
        guard let length = try? reader.berLength(), let bytes = try? reader.bytes(length), reader.isAtEnd else {
            return nil
        }
        proof = bytes
    }
}

extension DLMSServer {
    /// Checks the client's proof and gives the meter's (IEC 62056-5-3, 5.3.3, passes 3 and 4).
    ///
    /// - Returns: nil where no proof is wanted.
    mutating func prove(_ request: ProofRequest, _ address: UInt16) -> [UInt8]? {
        guard var association = associations[address],
            case .challenged(let byMeter, let byClient) = association.stage
        else { return nil }
        let sides = Sides(client: association.clientTitle, meter: configuration.systemTitle)
        guard isRight(request.proof, of: byMeter, byClient, association.client, sides),
            let proof = proof(of: byClient, byMeter, association.client, sides)
        else {
            associations[address] = nil
            return [Tag.actionResponse, 1, request.invokeID, AccessResult.other.rawValue, 0]
        }
        association.stage = .proven
        associations[address] = association
        var writer = AxdrWriter()
        writer.octets(proof)
        return [Tag.actionResponse, 1, request.invokeID, 0, 1, 0] + writer.bytes
    }

    /// System titles. Whose is whose matters.
    private struct Sides {
        let client: [UInt8]
        let meter: [UInt8]
    }

    private func isRight(
        _ proof: [UInt8], of challenge: [UInt8], _ other: [UInt8], _ client: Client, _ sides: Sides
    ) -> Bool {
        guard client.mechanism == .gmac else {
            return proof == Self.hash(client, sides.client, sides.meter, challenge, other)
        }
        // SC 10 ‖ IC 4 ‖ tag 12
        guard proof.count == DLMSCipher.headerLength + DLMSCipher.tagLength, proof[0] == DLMSCipher.authenticated
        else { return false }
        let counter = proof[1...4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return client.cipher?.code(of: challenge, title: sides.client, counter: counter) == Array(proof.suffix(12))
    }

    private mutating func proof(
        of challenge: [UInt8], _ other: [UInt8], _ client: Client, _ sides: Sides
    ) -> [UInt8]? {
        guard client.mechanism == .gmac else {
            return Self.hash(client, sides.meter, sides.client, challenge, other)
        }
        let counter = Self.counter(&memory.nextCounter, &memory.faults)
        guard let tag = client.cipher?.code(of: challenge, title: sides.meter, counter: counter) else { return nil }
        return [DLMSCipher.authenticated] + GeneralGloCiphering.bigEndian(counter) + tag
    }

    /// MD5 and SHA-1 of challenge ‖ secret; SHA-256 of secret ‖ own title ‖ other title ‖ challenge ‖ own challenge.
    private static func hash(
        _ client: Client, _ own: [UInt8], _ other: [UInt8], _ challenge: [UInt8], _ ownChallenge: [UInt8]
    ) -> [UInt8]? {
        client.secret.withBytes { secret in
            switch client.mechanism {
            case .md5: [UInt8](Insecure.MD5.hash(data: challenge + secret))
            case .sha1: [UInt8](Insecure.SHA1.hash(data: challenge + secret))
            case .sha256: [UInt8](SHA256.hash(data: secret + own + other + challenge + ownChallenge))
            case .none, .password, .gmac: nil
            }
        }
    }
}
