import Crypto
import OBIS

/// Security suite 0: AES-128 in Galois/counter mode with tags of 12 bytes (IEC 62056-5-3, 5.3.6).
///
///     SC | IC 4 | content | tag 12      initialisation vector = system title ‖ IC
///
///     SC 10 authenticated   associated data SC ‖ AK ‖ content, content is plain
///     SC 20 encrypted       none, no tag
///     SC 30 both            associated data SC ‖ AK
struct DLMSCipher {
    static let tagLength = 12
    static let headerLength = 5
    static let authenticated: UInt8 = 0x10
    static let encrypted: UInt8 = 0x20

    let encryptionKey: Secret
    let authenticationKey: Secret

    func seal(_ plain: [UInt8], control: UInt8, title: [UInt8], counter: UInt32) -> [UInt8]? {
        guard let sealed = transform(plain, control, title, counter) else { return nil }
        return [control] + GeneralGloCiphering.bigEndian(counter) + sealed.content + sealed.tag
    }

    struct Opened {
        let plain: [UInt8]
        let control: UInt8
        let counter: UInt32
    }

    /// - Returns: nil for a wrong tag, and for what is too short.
    func open(_ bytes: ArraySlice<UInt8>, title: [UInt8]) -> Opened? {
        guard bytes.count >= Self.headerLength, let control = bytes.first else { return nil }
        let counter = bytes.dropFirst().prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let length = control & Self.authenticated != 0 ? Self.tagLength : 0
        let rest = bytes.dropFirst(Self.headerLength)
        guard rest.count >= length else { return nil }
        let content = Array(rest.dropLast(length))
        // Counter mode is its own inverse: what is encrypted twice is plain again.
        guard let plain = transform(content, control & Self.encrypted, title, counter)?.content,
            let expected = transform(plain, control, title, counter), expected.tag == Array(rest.suffix(length))
        else { return nil }
        return Opened(plain: plain, control: control, counter: counter)
    }

    /// The proof of a side under GMAC: the tag alone, of a challenge.
    func code(of challenge: [UInt8], title: [UInt8], counter: UInt32) -> [UInt8]? {
        transform(challenge, Self.authenticated, title, counter)?.tag
    }

    private func transform(
        _ bytes: [UInt8], _ control: UInt8, _ title: [UInt8], _ counter: UInt32
    ) -> (content: [UInt8], tag: [UInt8])? {
        let isEncrypted = control & Self.encrypted != 0
        var associated: [UInt8] = []
        if control & Self.authenticated != 0 {
            authenticationKey.withBytes { associated = [control] + $0 }
            if !isEncrypted { associated += bytes }
        }
        guard let nonce = try? AES.GCM.Nonce(data: title + GeneralGloCiphering.bigEndian(counter)),
            let sealed = try? encryptionKey.withBytes({
                try AES.GCM.seal(
                    isEncrypted ? bytes : [], using: SymmetricKey(data: $0), nonce: nonce, authenticating: associated)
            })
        else { return nil }
        return (
            isEncrypted ? [UInt8](sealed.ciphertext) : bytes,
            associated.isEmpty ? [] : Array(sealed.tag.prefix(Self.tagLength))
        )
    }
}
