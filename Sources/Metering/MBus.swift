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
        },
        recognition: Recognition(
            // Slaves are silent; these are the lines on which another master may be heard with them.
            lines: [.mbus, busLine(9600), busLine(300)],
            heard: secondaryAddress,
            questions: [
                question("M-Bus request to all", .primary(LinkAddress.allAnswer), .mbus),
                question("M-Bus selection of any", .secondary(.any), .mbus),
                question("M-Bus request to all", .primary(LinkAddress.allAnswer), busLine(9600)),
                question("M-Bus request to all", .primary(LinkAddress.allAnswer), busLine(300)),
            ],
            advice: "the slaves of an M-Bus need a level converter that is a master, and talk only when they are asked"),
        survey: MBusSurvey.survey)

    private static func busLine(_ baud: Int) -> LineSettings { LineSettings(baud: baud, dataBits: 8, parity: .even) }

    private static func question(_ name: String, _ address: MasterSession.Address, _ line: LineSettings) -> Question {
        Question(
            name: name, line: line,
            makeSession: { line, settings in
                MasterSession(
                    settings: MasterSession.Settings(
                        address: address, line: line, retries: 1, isSearch: true,
                        decipher: settings.encryptionKey.map(Decipher.cbc)))
            },
            answered: secondaryAddress, search: "scan")
    }

    /// A slave says its secondary address in every answer.
    @Sendable private static func secondaryAddress(of telegram: Telegram) -> [StanzaEntry] {
        telegram.meter.secondaryAddress.map { [StanzaEntry(.secondary, "\"\($0)\"")] } ?? []
    }
}

extension MeterIdentity {
    /// Under which the slave can be selected, without its medium, for which there are several numbers; nil for one that has
    /// no number. A fixed structure names no maker.
    public var secondaryAddress: String? {
        guard let id else { return nil }
        guard let manufacturer, let version = version.flatMap({ UInt8($0) }) else { return id }
        return "\(id)/\(manufacturer)/\(Hex.string([version]).uppercased())"
    }
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
