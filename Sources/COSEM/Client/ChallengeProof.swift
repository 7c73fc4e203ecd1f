import Crypto
import OBIS
import Wire

/// What proves the knowledge of a secret by a challenge (IEC 62056-5-3, 5.7.4; high level security).
///
///     MD5, SHA-1   hash(challenge ‖ secret)
///     SHA-256      hash(secret ‖ title of the prover ‖ title of the other ‖ challenge to the prover ‖ challenge of the prover)
///     GMAC         10 ‖ IC ‖ tag, AAD = 10 ‖ AK ‖ challenge
struct ChallengeProof: Sendable {
    let mechanism: AuthenticationMechanism
    let password: Secret?
    let keys: CipheringKeys
    /// CtoS and StoC.
    let clientChallenge: [UInt8]
    let serverChallenge: [UInt8]
    let clientTitle: [UInt8]
    let serverTitle: [UInt8]

    /// What the client answers.
    ///
    /// - Throws: `keyMissing`.
    func ofClient(invocationCounter: UInt32) throws(WireError) -> [UInt8] {
        switch mechanism {
        case .hlsGMAC: try mac(serverChallenge, invocationCounter, from: clientTitle)
        case .hlsSHA256: try sha256(clientTitle, serverTitle, serverChallenge, clientChallenge)
        default: try hash(serverChallenge)
        }
    }

    /// Whether the server knows the secret too.
    func isRight(_ proof: [UInt8]) throws(WireError) -> Bool {
        let expected: [UInt8]
        switch mechanism {
        case .hlsGMAC:
            guard proof.count == 17 else { return false }
            let counter = proof[1..<5].bigEndian
            expected = try mac(clientChallenge, counter, from: serverTitle)
        case .hlsSHA256: expected = try sha256(serverTitle, clientTitle, clientChallenge, serverChallenge)
        default: expected = try hash(clientChallenge)
        }
        return Secret(expected) == Secret(proof)
    }

    private func mac(_ challenge: [UInt8], _ counter: UInt32, from title: [UInt8]) throws(WireError) -> [UInt8] {
        let control = CipheredContent.SecurityControl.authenticated
        let sealed = try CipheredContent(
            sealing: challenge, securityControl: control, invocationCounter: counter, from: title, with: keys)
        return [control] + counter.octets + sealed.authenticationTag
    }

    private func secret() throws(WireError) -> Secret {
        guard let password else { throw WireError(.keyMissing, "no password is configured for the authentication") }
        return password
    }

    private func sha256(_ parts: [UInt8]...) throws(WireError) -> [UInt8] {
        let secret = try secret().withBytes { $0 }
        return Array(SHA256.hash(data: secret + parts.flatMap { $0 }))
    }

    private func hash(_ challenge: [UInt8]) throws(WireError) -> [UInt8] {
        let input = try secret().withBytes { challenge + $0 }
        return mechanism == .hlsMD5
            ? Array(Insecure.MD5.hash(data: input)) : Array(Insecure.SHA1.hash(data: input))
    }
}
