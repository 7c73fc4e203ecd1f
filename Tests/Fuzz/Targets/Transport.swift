import MeterSimulator
import OBIS
import Transport
import Wire

/// Telnet with a serial port behind it, and recordings.
extension FuzzTarget {
    static let transport: [FuzzTarget] = [
        FuzzTarget("transport.telnet", .framer) {
            [
                Telnet.command(.will, 44) + Telnet.subnegotiation(44, [101, 0, 0, 9, 0x60])
                    + Telnet.escaped([1, 255, 2])
            ]
        } run: { bytes in
            var (whole, cut) = (TelnetDecoder(), TelnetDecoder())
            var (elements, others): ([TelnetDecoder.Element], [TelnetDecoder.Element]) = ([], [])
            let data = whole.decode(bytes) { elements.append($0) }
            let pieces = bytes.flatMap { cut.decode([$0]) { others.append($0) } }
            precondition(data == pieces && elements == others, "the pieces in which bytes arrive change what is read")
            precondition(data.count <= bytes.count, "more data than bytes")
        },
        FuzzTarget("transport.com-port", .session) {
            [
                [0] + Telnet.command(.do, 44) + Telnet.subnegotiation(44, [101, 0, 0, 0x25, 0x80]),
                [1] + Telnet.command(.will, 0) + Telnet.command(.dont, 44) + Array(repeating: 255, count: 64),
            ]
        } run: { bytes in
            comPort(bytes)
        },
        FuzzTarget("transport.capture", .decoder) {
            [
                Array("\(Capture.header)2026-01-15T11:34:56.120Z < 7EA07B\n2026-01-15T11:34:57.004Z <. 00\r\n".utf8),
                Array("2026-01-15T11:34:56.310Z > 2F3F210D0A\n\n".utf8),
            ]
        } run: { bytes in
            _ = Capture.isCapture(bytes)
            guard let capture = try? Capture(content: bytes) else { return }
            let written = Capture.header + capture.pieces.map(\.line).joined()
            precondition(
                (try? Capture(content: Array(written.utf8))) == capture,
                "a capture is read otherwise than it is written")
        },
    ]

    /// A server cannot make this side talk without end: what it answers stays below a bound.
    private static func comPort(_ bytes: [UInt8]) {
        var choices = Choices(bytes)
        var client = ComPortClient()
        var sent = client.greeting().count
        let settings = ComPort.settings(LineSettings(baud: 9600, dataBits: 7, parity: .even)) ?? []
        let asked = client.set(settings, purging: choices.flag()).count
        sent += asked
        var steps = 0
        while !choices.isUsedUp, steps < 400 {
            steps += 1
            let piece = choices.take(1 + choices.number(below: 32))
            let output = client.receive(piece)
            precondition(output.data.count <= piece.count, "more data than bytes")
            sent += output.reply.count
            _ = output.findings.map { "\($0)" }
        }
        // 256 options on either side, each of three bytes and changed at most twice, and the settings once.
        precondition(sent <= 2 * 256 * 3 * 2 + 1024, "a server makes the client talk without end")
    }
}
