import Crypto
import OBIS

/// General-glo-ciphering as a meter does it: suite 0, with a tag where there is an authentication key.
package struct GeneralGloCiphering {
    let manufacturer: [UInt8]
    let serial: String
    let encryptionKey: Secret
    /// Nil: encrypted without a tag (security control 20).
    let authenticationKey: Secret?

    package init(manufacturer: [UInt8], serial: String, encryptionKey: Secret, authenticationKey: Secret?) {
        self.manufacturer = manufacturer
        self.serial = serial
        self.encryptionKey = encryptionKey
        self.authenticationKey = authenticationKey
    }

    package func encrypt(_ plain: [UInt8], counter: UInt32) -> [UInt8] {
        let title =
            manufacturer + [0x67, 0x72] + Self.bigEndian(UInt32(truncatingIfNeeded: serial.hashed)).suffix(3)
        let control: UInt8 = authenticationKey == nil ? 0x20 : 0x30
        var associated: [UInt8] = []
        authenticationKey?.withBytes { associated = [control] + $0 }
        guard let nonce = try? AES.GCM.Nonce(data: title + Self.bigEndian(counter)),
            let sealed = try? encryptionKey.withBytes({
                try AES.GCM.seal(plain, using: SymmetricKey(data: $0), nonce: nonce, authenticating: associated)
            })
        else { return plain }
        let tag = associated.isEmpty ? [] : Array(sealed.tag.prefix(12))
        let content = [control] + Self.bigEndian(counter) + [UInt8](sealed.ciphertext) + tag
        return [0xDB, UInt8(title.count)] + title + AxdrWriter.length(content.count) + content
    }

    static func bigEndian(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    }
}

extension String {
    /// A stable number made of the text (FNV-1a).
    fileprivate var hashed: UInt64 {
        utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
