import OBIS
import Wire

/// What a slave says instead of data (EN 13757-3): an application error or its alarms. Both are reported as errors of
/// the meter, since neither has values.
enum ApplicationReport {
    /// CI 70, one byte.
    static func error(_ data: [UInt8]) -> WireError {
        let code = data.first ?? 0
        let name = errors[code] ?? "application error \(code)"
        return WireError(.meterError, "the meter reports: \(name)")
    }

    private static let errors: [UInt8: String] = [
        0x00: "unspecified error", 0x01: "unimplemented CI field", 0x02: "buffer too long, truncated",
        0x03: "too many records", 0x04: "premature end of record", 0x05: "more than 10 DIFE",
        0x06: "more than 10 VIFE", 0x07: "reserved error", 0x08: "too busy for a readout", 0x09: "too many readouts",
        0x10: "access denied", 0x11: "application unknown", 0x12: "parameter unknown", 0x13: "temporary error",
    ]

    /// CI 71, one byte of bits that are the maker's.
    static func alarm(_ data: [UInt8]) -> WireError {
        WireError(.meterError, "the meter reports alarms, bits \(Hex.string(data))")
    }
}
