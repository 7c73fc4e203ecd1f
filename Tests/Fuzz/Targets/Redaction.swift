import Metering
import OBIS
import Redaction
import Transport
import Wire

/// Captures, texts and configurations that are made safe to be shown.
extension FuzzTarget {
    static let redaction: [FuzzTarget] = [
        FuzzTarget("redaction.capture", .decoder) {
            [
                [0, 0] + Sample.push(), [1, 0] + Sample.push(), [2, 30] + Sample.readouts[0], [3, 0] + Sample.p1(.v50),
                [4, 0] + Sample.sml[0], [5, 50] + Sample.mbus[0],
            ]
        } run: { bytes in
            capture(bytes)
        },
        FuzzTarget("redaction.text", .decoder) {
            Sample.texts([
                "12345678\u{0}Meter 12345678 at 192.168.1.7 and fd00::1, host.example.com, 00:11:22:33:44:55",
                "x\u{0}x y x", "LGZ12345678\u{0}4c475a3132333435363738",
            ])
        } run: { bytes in
            let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
                .map { String(decoding: $0, as: UTF8.self) }
            var redactor = Redactor(identifiers: [parts[0]], salt: salt)
            redactor.learn(word: parts[0])
            let text = redactor.redact(text: parts.last ?? "")
            _ = redactor.redact(text: text)
        },
        FuzzTarget("redaction.configuration", .decoder, maximumLength: 8192) {
            Sample.files("etc", suffix: "obisd.yaml") + Sample.files("etc/examples", suffix: ".yaml")
                + Sample.texts(["a: &a [*a]", "broker: {password: secret-of-mine}"])
        } run: { bytes in
            var redactor = Redactor(salt: salt)
            _ = redactor.redact(configuration: String(decoding: bytes, as: UTF8.self))
        },
    ]

    private static let salt = [UInt8](repeating: 7, count: 16)

    /// Times, directions and lengths stay as they were.
    private static func capture(_ bytes: [UInt8]) {
        var choices = Choices(bytes)
        let meterProtocol = choices.element(of: ProtocolRegistry.all)
        let size = 1 + Int(choices.byte())
        let content = choices.rest()
        let pieces = stride(from: 0, to: content.count, by: size == 1 ? 4096 : size).enumerated().map { index, start in
            let end = min(content.count, start + (size == 1 ? 4096 : size))
            return Capture.Piece(
                time: Timestamp(milliseconds: 1_768_000_000_000 + Int64(index) * 40),
                bytes: Array(content[start..<end]),
                isSent: content[start] & 0x0F == 0x0F, endsBurst: content[start] & 0xF0 == 0xF0)
        }
        var redactor = Redactor(identifiers: ["12345678"], salt: salt)
        let redacted = redactor.redact(Capture(pieces: pieces), of: meterProtocol)
        precondition(redacted.capture.pieces.count + redacted.droppedPieces == pieces.count, "a piece is lost or new")
        guard redacted.droppedPieces == 0 else { return }
        for (before, after) in zip(pieces, redacted.capture.pieces) {
            precondition(
                before.bytes.count == after.bytes.count && before.isSent == after.isSent && before.time == after.time,
                "a piece is of another length, direction or time")
        }
    }
}
