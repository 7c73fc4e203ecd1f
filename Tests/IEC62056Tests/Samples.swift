import IEC62056
import OBIS
import TestSupport
import Wire

/// Messages as a meter sends them.
enum Sample {
    static let identification = "/LGZ4ZMF100AC.M26\r\n"

    static let lines = [
        "F.F(00)", "0.0(          120858)", "C.1.0(13647123)", "1.8.0(061561.289*kWh)", "1.6.1(00.485*kW)(2401151230)",
        "32.7(241*V)", "31.7(000.35*A)",
    ]

    /// Identification, STX, data sets, end line, ETX and BCC.
    static let readout = bytes(identification) + block(text(lines) + "!\r\n")

    /// The same without block check, as in modes A and D.
    static let plainReadout = bytes(identification + "\r\n" + text(lines) + "!\r\n")

    static func text(_ lines: [String]) -> String { lines.map { $0 + "\r\n" }.joined() }

    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// `STX content ETX BCC`.
    static func block(_ content: String, end: UInt8 = 0x03) -> [UInt8] {
        let checked = bytes(content) + [end]
        return [0x02] + checked + [checked.reduce(0) { $0 ^ $1 }]
    }

    static func withParity(_ bytes: [UInt8]) -> [UInt8] { bytes.map(Parity.added) }
}

func telegrams(_ bytes: [UInt8], source: ReadoutDecoder.Source = .recording) -> [Telegram] {
    FramerVerifier.frames(ReadoutDecoder(source: source), chunks: [bytes])
}

func errors(_ bytes: [UInt8], source: ReadoutDecoder.Source = .recording) -> [WireError] {
    FramerVerifier.outputs(ReadoutDecoder(source: source), chunks: [bytes]).compactMap {
        if case .rejected(let error, _) = $0 { error } else { nil }
    }
}

/// The registers of a block with these lines.
func registers(_ lines: String...) -> [Register] {
    telegrams(Sample.bytes(Sample.identification) + Sample.block(Sample.text(lines) + "!\r\n")).first?.registers ?? []
}
