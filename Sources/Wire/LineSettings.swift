/// How characters stand on a serial line, written `2400 8E1`.
public struct LineSettings: Hashable, Sendable {
    public enum Parity: String, Sendable, Hashable {
        case none = "N"
        case even = "E"
        case odd = "O"
    }

    public var baud: Int
    public var dataBits: Int
    public var parity: Parity
    public var stopBits: Int

    public init(baud: Int, dataBits: Int = 8, parity: Parity = .none, stopBits: Int = 1) {
        self.baud = baud
        self.dataBits = dataBits
        self.parity = parity
        self.stopBits = stopBits
    }

    /// The rates that a line may have.
    public static let baudRates = [300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115_200]

    /// Reads `2400 8E1`, `9600 8N1`, `300 7E1`.
    ///
    /// - Returns: nil for anything else, and for a rate that no line has.
    public init?(_ text: String) {
        let parts = text.split(separator: " ")
        guard parts.count == 2, let baud = Int(parts[0]), Self.baudRates.contains(baud) else { return nil }
        let format = Array(parts[1])
        guard format.count == 3, let dataBits = format[0].wholeNumberValue, (7...8).contains(dataBits),
            let parity = Parity(rawValue: format[1].uppercased()),
            let stopBits = format[2].wholeNumberValue, (1...2).contains(stopBits)
        else { return nil }
        self.init(baud: baud, dataBits: dataBits, parity: parity, stopBits: stopBits)
    }

    /// The time that `count` characters take on the line.
    public func duration(ofCharacters count: Int) -> Duration {
        let bits = 1 + dataBits + (parity == .none ? 0 : 1) + stopBits
        return .nanoseconds(Int64(count) * Int64(bits) * 1_000_000_000 / Int64(max(1, baud)))
    }
}

extension LineSettings: CustomStringConvertible {
    public var description: String { "\(baud) \(dataBits)\(parity.rawValue)\(stopBits)" }
}
