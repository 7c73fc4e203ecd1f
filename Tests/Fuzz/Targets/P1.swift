import IEC62056
import MeterSimulator
import Metering
import OBIS
import Wire

/// Telegrams of the P1 port, plain and encrypted.
extension FuzzTarget {
    static let p1: [FuzzTarget] = [
        FuzzTarget("p1.framer", .framer) {
            P1Meter.Version.allCases.map { Sample.p1($0) }
        } run: { bytes in
            FramerCheck.run(bytes) { P1Decoder() }
        },
        FuzzTarget("p1.port", .framer) {
            [
                Sample.p1(.v50), Sample.p1(.v50, encryption: true),
                Sample.p1(.be, encryption: true, authentication: true),
            ]
        } run: { bytes in
            FramerCheck.run(bytes, isEqual: false) { portDecoder(isAuthenticated: true) }
        },
        // The input is what stands between the identification and `!`, and its check is right.
        FuzzTarget("p1.content", .decoder) {
            P1Meter.Version.allCases.map { lines(of: Sample.p1($0)) }
        } run: { bytes in
            let telegrams = FramerCheck.telegrams(of: checked(bytes), P1Decoder())
            for telegram in telegrams {
                for (_, device) in SubMeters.telegrams(of: telegram) {
                    precondition(device.registers.count <= telegram.registers.count, "a device has more than its meter")
                }
            }
        },
        // The input is what was encrypted with the right keys.
        FuzzTarget("p1.plaintext", .decoder) {
            [Sample.p1(.v50), Sample.p1(.se)]
        } run: { bytes in
            let isAuthenticated = (bytes.last ?? 0) & 1 == 1
            let cipher = GeneralGloCiphering(
                manufacturer: Array("ISK".utf8), serial: "E0012", encryptionKey: Sample.encryptionKey,
                authenticationKey: isAuthenticated ? Sample.authenticationKey : nil)
            _ = FramerCheck.telegrams(
                of: cipher.encrypt(bytes, counter: 7), portDecoder(isAuthenticated: isAuthenticated))
        },
        FuzzTarget("p1.survey", .decoder) {
            [Sample.p1(.v50), Sample.p1(.v50, encryption: true)]
        } run: { bytes in
            if let survey = ProtocolRegistry.named("dsmr-p1")?.survey { SurveyCheck.run(bytes, survey) }
        },
    ]

    private static func portDecoder(isAuthenticated: Bool) -> any Framer<Telegram> {
        let settings = ProtocolSettings(
            encryptionKey: Sample.encryptionKey, authenticationKey: isAuthenticated ? Sample.authenticationKey : nil)
        guard let p1 = ProtocolRegistry.named("dsmr-p1") else { return P1Decoder() }
        return p1.makeDecoder(settings)
    }

    private static func lines(of telegram: [UInt8]) -> [UInt8] {
        guard let start = telegram.firstIndex(of: 0x0A), let end = telegram.lastIndex(of: 0x21), start < end else {
            return []
        }
        return Array(telegram[(start + 1)..<end])
    }

    private static func checked(_ lines: [UInt8]) -> [UInt8] {
        let content = Array("/OBI5SIM\r\n".utf8) + lines + [0x21]
        let check = Checksum.arc(content.rawSpan)
        let digits = Hex.string([UInt8(check >> 8), UInt8(check & 0xFF)]).uppercased()
        return content + Array("\(digits)\r\n".utf8)
    }
}
