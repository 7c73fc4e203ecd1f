import MQTT
import OBIS

/// The texts that are published.
extension Workload {
    static let encoding: [Workload] = [
        Workload(name: "encode reading", unit: .readings) {
            var meter = JudgedMeter(telegram: try telegram(of: smlFile(serial: "12345678"), "sml"))
            let reading = meter.next()
            return { count in
                var bytes = 0
                for seq in 0..<Int64(count) {
                    bytes +=
                        ReadingPayload.reading(
                            ReadingBody(reading), node: "home", meter: "main", stream: stream, seq: seq
                        ).count
                }
                return bytes
            }
        },
        Workload(name: "encode state", unit: .readings) {
            var meter = JudgedMeter(telegram: try telegram(of: smlFile(serial: "12345678"), "sml"))
            let reading = meter.next()
            return { count in
                var bytes = 0
                for seq in 0..<Int64(count) {
                    bytes +=
                        ReadingPayload.state(
                            ReadingBody(reading), totals: reading.values, of: nil, node: "home", meter: "main",
                            stream: stream, seq: seq
                        ).count
                }
                return bytes
            }
        },
    ]

    static let stream = "0123456789abcdef0123456789abcdef"
}
