import Configuration
import Daemon
import Logging
import Metering
import OBIS
import Testing
import Transport
import Wire

@Suite("Devices behind a meter that is another one than configured")
struct WrongMeterTests {
    private static func telegram(serial: String) -> String {
        "/ISK5ME\r\n\r\n0-0:96.1.1(\(serial))\r\n1-0:1.8.0(000123.4*kWh)\r\n0-1:24.1.0(003)\r\n0-1:96.1.0(77)\r\n"
            + "0-1:24.2.1(260115123000W)(00005.000*m3)\r\n!\r\n"
    }

    private func meters(serial: String) async throws -> [String] {
        let meter = Meter(
            id: "main", protocolName: "dsmr-p1", endpoint: .file(path: "/dev/null"), serial: "1000",
            subMeters: [SubMeter(channel: 1, id: "gas")])
        let piece = Capture.Piece(
            time: Timestamp(milliseconds: 1_768_480_496_000), bytes: Array(Self.telegram(serial: serial).utf8))
        let payloads = try await Replay(
            configuration: Configuration(node: "n", meters: [meter]), meter: meter, capture: Capture(pieces: [piece]),
            speed: .full, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ).rehearse().payloads.map { String(decoding: $0, as: UTF8.self) }
        return payloads.map { payload in
            let id = payload.contains(#""meter":"gas""#) ? "gas" : "main"
            return "\(id) \(payload.contains("wrong-serial") ? "wrong" : "right")"
        }
    }

    @Test("have no readings: they are the devices of somebody else")
    func wrong() async throws {
        #expect(try await meters(serial: "1000") == ["main right", "gas right"])
        #expect(try await meters(serial: "2000") == ["main wrong"])
    }
}
