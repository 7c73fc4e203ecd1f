/// One point in the line protocol of InfluxDB, which VictoriaMetrics and Telegraf read too:
/// `measurement,tag=value field=1.5,other="text" 1768476896120000000`.
///
/// Source: the reference of the line protocol in InfluxDB's documentation (special characters, data types).
public struct LineProtocol: Sendable {
    private var head: [UInt8]
    private var fields: [UInt8] = []

    /// - Parameter measurement: not empty.
    public init(measurement: String) {
        head = Self.escaped(measurement, ", ")
    }

    /// A tag, which the server keeps as an index. An empty one cannot be written, and is left out.
    public mutating func tag(_ name: String, _ value: String) {
        guard !value.isEmpty else { return }
        head += [UInt8(ascii: ",")] + Self.escaped(name, ", =") + [UInt8(ascii: "=")] + Self.escaped(value, ", =")
    }

    /// A floating-point number; the server decides how many of the digits it keeps.
    ///
    /// - Parameter digits: `-12.50`, as JSON has it.
    public mutating func float(_ name: String, _ digits: String) {
        field(name, Array(digits.utf8))
    }

    /// A whole number of 64 bits. A field that is one once has to be one for ever.
    public mutating func integer(_ name: String, _ value: Int64) {
        field(name, Array("\(value)i".utf8))
    }

    public mutating func text(_ name: String, _ value: String) {
        var bytes = [UInt8(ascii: "\"")]
        for byte in value.utf8 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { bytes.append(UInt8(ascii: "\\")) }
            bytes.append(Self.printable(byte))
        }
        field(name, bytes + [UInt8(ascii: "\"")])
    }

    /// The line without its end.
    ///
    /// - Returns: nil without a field: there is no such point.
    public func line(at time: Timestamp) -> [UInt8]? {
        guard !fields.isEmpty else { return nil }
        let (nanoseconds, overflow) = time.milliseconds.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? nil : head + [UInt8(ascii: " ")] + fields + Array(" \(nanoseconds)".utf8)
    }

    private mutating func field(_ name: String, _ value: [UInt8]) {
        if !fields.isEmpty { fields.append(UInt8(ascii: ",")) }
        fields += Self.escaped(name, ", =") + [UInt8(ascii: "=")] + value
    }

    /// With a backslash before what has a meaning. One that belongs to the name would be taken for such a mark where it
    /// stands before one of these or at the end, and becomes a slash.
    private static func escaped(_ text: String, _ special: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for byte in text.utf8.map({ $0 == UInt8(ascii: "\\") ? UInt8(ascii: "/") : printable($0) }) {
            if special.utf8.contains(byte) { bytes.append(UInt8(ascii: "\\")) }
            bytes.append(byte)
        }
        return bytes
    }

    /// The end of a line would be the end of the point.
    private static func printable(_ byte: UInt8) -> UInt8 { byte < 0x20 || byte == 0x7F ? UInt8(ascii: " ") : byte }
}
