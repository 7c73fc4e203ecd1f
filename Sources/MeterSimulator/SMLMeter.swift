import OBIS
import Wire

/// A meter that pushes SML files like one of EMH, without input or output of its own: asked for the next push, it gives
/// bytes.
public struct SMLMeter: Sendable {
    public struct Configuration: Sendable {
        /// The digits behind maker and block of the printed number, at most eight.
        public var serial: String
        /// Three letters.
        public var manufacturer: String
        /// Whether checksums are CRC-16/Kermit, as of meters of Holley (`HLY`).
        public var usesKermit: Bool
        /// What goes wrong.
        public var faults: Faults

        public init(
            serial: String = "12345678", manufacturer: String = "EMH", usesKermit: Bool = false,
            faults: Faults = Faults()
        ) {
            self.serial = serial
            self.manufacturer = manufacturer
            self.usesKermit = usesKermit
            self.faults = faults
        }
    }

    /// Every n-th push is damaged in this way; 0 for never.
    public struct Faults: Sendable {
        public var noiseEvery = 0
        public var flippedBitEvery = 0

        public init() {}
    }

    public let configuration: Configuration
    private var pushes = 0
    private var transaction: UInt32 = 1

    public init(configuration: Configuration) {
        self.configuration = configuration
    }

    /// The bytes of the next push: one file.
    ///
    /// - Parameter time: what the meter's clock shows; sent as UTC.
    public mutating func push(_ house: Household, time: MeterTime) -> [UInt8] {
        pushes += 1
        let messages =
            message(0x0101, openResponse) + message(0x0701, listResponse(house, time)) + message(0x0201, [0x71, 0x01])
        var file = Self.file(messages, usesKermit: configuration.usesKermit)
        damage(&file)
        return file
    }

    /// Puts messages into the transport: doubles escape sequences, fills up, adds the checksum.
    package static func file(_ messages: [UInt8], usesKermit: Bool) -> [UInt8] {
        let escape: [UInt8] = [0x1B, 0x1B, 0x1B, 0x1B]
        let fill = (4 - messages.count % 4) % 4
        var file = escape + [0x01, 0x01, 0x01, 0x01]
        var run = 0
        for byte in messages + [UInt8](repeating: 0, count: fill) {
            file.append(byte)
            run = byte == 0x1B ? run + 1 : 0
            if run == 4 {
                file += escape
                run = 0
            }
        }
        file += escape + [0x1A, UInt8(fill)]
        let checksum = usesKermit ? Checksum.kermit(file.rawSpan) : Checksum.x25(file.rawSpan)
        return file + [UInt8(checksum & 0xFF), UInt8(checksum >> 8)]
    }

    // MARK: Messages

    /// Medium, maker, block and number (DIN 43863-5).
    private var serverID: [UInt8] {
        let number = UInt32(configuration.serial) ?? 0
        return [0x0A, 0x01] + Array(configuration.manufacturer.utf8.prefix(3)) + [0x00] + Self.bigEndian(number)
    }

    private mutating func message(_ tag: UInt16, _ content: [UInt8]) -> [UInt8] {
        defer { transaction &+= 1 }
        let head = [0x76, 0x05] + Self.bigEndian(transaction) + [0x62, 0x00, 0x62, 0x00]
        let body = head + [0x72, 0x63, UInt8(tag >> 8), UInt8(tag & 0xFF)] + content
        let checksum = configuration.usesKermit ? Checksum.kermit(body.rawSpan) : Checksum.x25(body.rawSpan)
        return body + [0x63, UInt8(checksum & 0xFF), UInt8(checksum >> 8), 0x00]
    }

    private var openResponse: [UInt8] {
        [0x76, 0x01, 0x01, 0x05] + Self.bigEndian(transaction) + Self.octets(serverID) + [0x01, 0x01]
    }

    private func listResponse(_ house: Household, _ time: MeterTime) -> [UInt8] {
        let entries = entries(house)
        let seconds = UInt32(clamping: time.localSeconds - Int64(time.utcOffset ?? 0) * 60)
        return [0x77, 0x01] + Self.octets(serverID) + Self.octets([0x01, 0x00, 0x62, 0x0A, 0xFF, 0xFF])
            + [0x72, 0x62, 0x02, 0x65] + Self.bigEndian(seconds)
            + Self.listHead(entries.count) + entries.flatMap { $0 } + [0x01, 0x01]
    }

    private func entries(_ house: Household) -> [[UInt8]] {
        let maker = Array(configuration.manufacturer.utf8.prefix(3))
        var entries = [
            Self.entry(ObisCode(1, 0, 96, 50, 1, 1), value: Self.octets(maker)),
            Self.entry(ObisCode(1, 0, 96, 1, 0), value: Self.octets(serverID)),
            Self.entry(ObisCode(1, 0, 1, 8, 0), unit: 30, scaler: -1, value: Self.unsigned(house.imported * 10)),
            Self.entry(ObisCode(1, 0, 2, 8, 0), unit: 30, scaler: -1, value: Self.unsigned(house.exported * 10)),
            Self.entry(ObisCode(1, 0, 16, 7, 0), unit: 27, scaler: 0, value: Self.signed(house.power)),
        ]
        for (index, phase) in house.phases.enumerated() {
            let first = UInt8(20 * index)
            entries += [
                Self.entry(ObisCode(1, 0, 36 + first, 7, 0), unit: 27, scaler: 0, value: Self.signed(phase.power)),
                Self.entry(
                    ObisCode(1, 0, 32 + first, 7, 0), unit: 35, scaler: -1, value: Self.unsigned(phase.voltage * 10)),
                Self.entry(
                    ObisCode(1, 0, 31 + first, 7, 0), unit: 33, scaler: -2, value: Self.unsigned(phase.current)),
            ]
        }
        return entries
    }

    private static func entry(_ code: ObisCode, unit: UInt8, scaler: Int8, value: [UInt8]) -> [UInt8] {
        entry(code, unitAndScaler: [0x62, unit, 0x52, UInt8(bitPattern: scaler)], value: value)
    }

    private static func entry(
        _ code: ObisCode, unitAndScaler: [UInt8] = [0x01, 0x01], value: [UInt8]
    ) -> [UInt8] {
        [0x77] + octets([code.a, code.b, code.c, code.d, code.e, code.f]) + [0x01, 0x01] + unitAndScaler + value
            + [0x01]
    }

    // MARK: Elements

    /// Up to 14 octets.
    private static func octets(_ octets: [UInt8]) -> [UInt8] {
        [UInt8(octets.count + 1)] + octets
    }

    /// Up to 255 elements.
    private static func listHead(_ count: Int) -> [UInt8] {
        count < 16 ? [0x70 | UInt8(count)] : [0xF0 | UInt8(count >> 4), UInt8(count & 15)]
    }

    /// In as few bytes as the sign allows, as meters do.
    private static func signed(_ value: Int) -> [UInt8] {
        var bytes = (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) }
        while bytes.count > 1, bytes[0] == (bytes[1] & 0x80 == 0 ? 0x00 : 0xFF) { bytes.removeFirst() }
        return [0x50 | UInt8(bytes.count + 1)] + bytes
    }

    private static func unsigned(_ value: Int) -> [UInt8] {
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) }
        let shortened = bytes.drop { $0 == 0 }
        return shortened.isEmpty ? [0x62, 0x00] : [0x60 | UInt8(shortened.count + 1)] + shortened
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    }

    private mutating func damage(_ file: inout [UInt8]) {
        func isDue(_ every: Int) -> Bool { every > 0 && pushes % every == 0 }
        if isDue(configuration.faults.flippedBitEvery) { file[file.count / 2] ^= 0x10 }
        if isDue(configuration.faults.noiseEvery) { file.insert(contentsOf: [0x00, 0x1B, 0x1B, 0x1A, 0x55], at: 0) }
    }
}
