import Configuration
import Daemon
import Logging
import Metering
import OBIS
import Testing
import Transport
import Wire

/// What a live line refuses is refused in its capture as well.
@Suite("A replay is as strict as the line was")
struct ReplayStrictnessTests {
    private func replay(
        mode: ReadoutMode = .auto, _ pieces: [(second: Int64, text: String)]
    ) async throws -> (readings: Int, rejected: [String: Int], payloads: [String]) {
        var settings = ProtocolSettings()
        settings.mode = mode
        let meter = Meter(
            id: "main", protocolName: "iec62056-21", endpoint: .file(path: "/dev/null"), settings: settings)
        let capture = Capture(
            pieces: pieces.map { second, text in
                Capture.Piece(
                    time: Timestamp(milliseconds: 1_768_480_496_000 + 1000 * second), bytes: Array(text.utf8),
                    isSent: text.hasPrefix("\u{6}"))
            })
        let (outcome, payloads) = try await Replay(
            configuration: Configuration(node: "n", meters: [meter]), meter: meter, capture: capture, speed: .full,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ).rehearse()
        return (outcome.readings, outcome.rejected, payloads.map { String(decoding: $0, as: UTF8.self) })
    }

    private static let identification = "/LGZ3ZMD\r\n"
    private static let good = "\r\n1.8.0(001234.5*kWh)\r\n!\r\n"
    private static let damaged = "\r\n1.8.0(00#234.5*kWh)\r\n!\r\n"

    @Test("a number with a damaged digit in a readout without check", arguments: [ReadoutMode.d, .auto])
    func damagedNumber(mode: ReadoutMode) async throws {
        let (readings, rejected, payloads) = try await replay(
            mode: mode, [(0, Self.identification + Self.good), (10, Self.identification + Self.damaged)])
        #expect(readings == 1 && payloads.count == 1)
        #expect(rejected == ["malformed": 1])
    }

    @Test("data lines without the identification line before them", arguments: [ReadoutMode.d, .auto])
    func headless(mode: ReadoutMode) async throws {
        let (readings, rejected, _) = try await replay(mode: mode, [(0, Self.good)])
        #expect(readings == 0)
        #expect(rejected == ["framing": 1])
    }

    @Test("a readout that follows the acknowledgement of its identification is whole")
    func acknowledged() async throws {
        let (readings, _, payloads) = try await replay([
            (0, Self.identification), (2, "\u{6}030\r\n"), (4, Self.good),
        ])
        #expect(readings == 1)
        #expect(payloads.first?.contains(#""manufacturer":"LGZ""#) == true)
    }
}
