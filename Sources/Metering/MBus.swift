import Crypto
import CryptoExtras
import MBus
import OBIS
import Wire

extension MeterProtocol {
    /// `mbus`: wired M-Bus, asked as the master of the bus.
    static let mbus = MeterProtocol(
        name: "mbus",
        summary:
            "wired M-Bus (EN 13757): heat, water, gas and electricity meters that are asked in turn, alone or on a bus",
        keys: [.address, .secondary, .baud, .encryptionKey],
        isPolled: { _ in true },
        defaultLine: { _ in .mbus },
        makeDecoder: { MBusDecoder(decipher: $0.encryptionKey.map(Decipher.cbc)) },
        makeSession: { settings in
            var line = settings.line
            if let baud = settings.maximumBaud { line?.baud = baud }
            return MasterSession(
                settings: MasterSession.Settings(
                    address: settings.slave ?? .primary(LinkAddress.allAnswer), line: line,
                    baud: settings.maximumBaud, decipher: settings.encryptionKey.map(Decipher.cbc)))
        },
        makeListener: { settings in
            PushSession(silence: .seconds(3)) { MBusDecoder(decipher: settings.encryptionKey.map(Decipher.cbc)) }
        })
}

/// Opens the records of encryption mode 5 (EN 13757-7): AES-128 in CBC mode, no padding.
private enum Decipher {
    static func cbc(with key: Secret) -> MBus.Decipher {
        { (ciphertext, vector) throws(WireError) in
            do {
                let plain = try key.withBytes { bytes in
                    try AES._CBC.decrypt(
                        ciphertext, using: SymmetricKey(data: bytes), iv: AES._CBC.IV(ivBytes: vector), noPadding: true)
                }
                return [UInt8](plain)
            } catch {
                throw WireError(.decryption, "the key cannot be used: it must have 16 bytes")
            }
        }
    }
}
