import MQTT
import OBIS

/// The texts that are published.
extension Workload {
    static let encoding: [Workload] = [
        encoding("reading") { reading, seq in
            ReadingPayload.reading(ReadingBody(reading), node: "home", meter: "main", stream: stream, seq: seq)
        },
        encoding("state") { reading, seq in
            ReadingPayload.state(
                ReadingBody(reading), totals: reading.values, of: nil, node: "home", meter: "main", stream: stream,
                seq: seq)
        },
    ]

    private static func encoding(
        _ name: String, _ encode: @escaping @Sendable (Reading, _ seq: Int64) -> [UInt8]
    ) -> Workload {
        Workload(name: "encode \(name)", unit: .readings) {
            var meter = JudgedMeter(telegram: try telegram(of: smlFile(serial: "12345678"), "sml"))
            let reading = meter.next()
            return { count in (0..<Int64(count)).reduce(0) { bytes, seq in bytes + encode(reading, seq).count } }
        }
    }

    private static let stream = "0123456789abcdef0123456789abcdef"
}
