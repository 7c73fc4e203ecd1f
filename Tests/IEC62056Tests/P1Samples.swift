import IEC62056
import OBIS
import TestSupport
import Wire

/// Telegrams as a P1 port sends them.
enum P1 {
    static func telegrams(_ bytes: [UInt8], checksum: P1Checksum = .auto) -> [Telegram] {
        FramerVerifier.frames(P1Decoder(checksum: checksum), chunks: [bytes])
    }

    static func telegrams(_ text: String) -> [Telegram] { telegrams(Array(text.utf8)) }

    static func errors(_ bytes: [UInt8], checksum: P1Checksum = .auto) -> [WireError] {
        FramerVerifier.outputs(P1Decoder(checksum: checksum), chunks: [bytes]).compactMap {
            if case .rejected(let error, _) = $0 { error } else { nil }
        }
    }

    /// A telegram with its check.
    static func telegram(_ lines: [String], identification: String = "/ISK5\\2M550T-1012") -> [UInt8] {
        checked(([identification, ""] + lines).map { $0 + "\r\n" }.joined() + "!")
    }

    /// The text from `/` to `!` with the digits behind it.
    static func checked(_ text: String, by check: (RawSpan) -> UInt16 = Checksum.arc) -> [UInt8] {
        let bytes = Array(text.utf8)
        return bytes + digits(check(bytes.rawSpan)) + [0x0D, 0x0A]
    }

    static func digits(_ value: UInt16) -> [UInt8] {
        Array(Hex.string([UInt8(value >> 8), UInt8(value & 0xFF)]).uppercased().utf8)
    }

    /// The registers of a telegram with these lines.
    static func registers(_ lines: String...) -> [Register] {
        telegrams(telegram(lines)).first?.registers ?? []
    }
}

extension Telegram {
    /// The values with their names, as they stand on the wire.
    var printed: [String] {
        registers.map { "\($0.code ?? "-") \($0.text ?? "") \($0.value) \($0.unit?.symbol ?? "") \($0.index ?? -1)" }
    }
}
