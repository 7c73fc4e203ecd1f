import COSEM
import MBus
import OBIS

/// A meter that pushes like an E450, without input or output of its own: asked for the next push, it gives bytes.
public struct PushMeter: Sendable {
    /// How the values stand in a push.
    public enum List: String, Sendable, CaseIterable {
        /// Object list, then values, as Swiss utilities configure it.
        case objects
        /// Code and value in turn, as in Styria.
        case pairs
        /// Values without codes, as in Burgenland.
        case bare
    }

    /// What carries a push.
    public enum Carrier: String, Sendable, CaseIterable {
        /// HDLC frames, long messages in general blocks, as an E450 sends them.
        case hdlc
        /// HDLC frames, long messages in segments, as Iskraemeco's meters send them.
        case segments
        /// Long frames of M-Bus, as in Austria.
        case mbus
        /// The header of TCP and UDP in front of the message.
        case wrapper
        /// The LLC header in front of the message, and no frame.
        case llc
        /// The message alone.
        case apdu
    }

    public struct Configuration: Sendable {
        public var list: List
        public var carrier: Carrier
        /// The number on the meter.
        public var serial: String
        /// Nil: not encrypted.
        public var encryptionKey: Secret?
        /// Nil with an encryption key: encrypted without a tag (security control 20).
        public var authenticationKey: Secret?
        /// Message bytes of one frame; longer messages are cut as the carrier does it.
        public var blockSize: Int
        /// What goes wrong.
        public var faults: Faults

        public init(
            list: List = .objects, carrier: Carrier = .hdlc, serial: String = "12345678", encryptionKey: Secret? = nil,
            authenticationKey: Secret? = nil, blockSize: Int = 0x70, faults: Faults = Faults()
        ) {
            self.list = list
            self.carrier = carrier
            self.serial = serial
            self.encryptionKey = encryptionKey
            self.authenticationKey = authenticationKey
            self.blockSize = blockSize
            self.faults = faults
        }
    }

    /// Every n-th push is damaged in this way; 0 for never.
    public struct Faults: Sendable {
        public var noiseEvery = 0
        public var flippedBitEvery = 0
        public var lostFrameEvery = 0

        public init() {}
    }

    public let configuration: Configuration
    private var counter: UInt32
    private var pushes = 0

    /// The call with which the meter, as master of its line, looks for slaves between two pushes.
    public static let beat: [UInt8] = [0x10, 0x40, 0x01, 0x41, 0x16]
    private static let manufacturer = Array("LGZ".utf8)

    /// - Parameter counter: the first invocation counter.
    public init(configuration: Configuration, counter: UInt32 = 1) {
        self.configuration = configuration
        self.counter = counter
    }

    /// The bytes of the next push.
    ///
    /// - Parameter time: what the meter's clock shows.
    public mutating func push(_ house: Household, time: MeterTime) -> [UInt8] {
        pushes += 1
        defer { counter &+= 1 }
        let plain = notification(house, time: time)
        let message = ciphering?.encrypt(plain, counter: counter) ?? plain
        var frames = frames(of: message)
        damage(&frames)
        return frames.flatMap { $0 } + configuration.carrier.pause
    }

    private var ciphering: GeneralGloCiphering? {
        configuration.encryptionKey.map {
            GeneralGloCiphering(
                manufacturer: Self.manufacturer, serial: configuration.serial, encryptionKey: $0,
                authenticationKey: configuration.authenticationKey)
        }
    }

    // MARK: Content

    private func notification(_ house: Household, time: MeterTime) -> [UInt8] {
        var writer = AxdrWriter()
        switch configuration.list {
        case .objects: objects(house, time, &writer)
        case .pairs: pairs(house, time, &writer)
        case .bare: bare(house, &writer)
        }
        let header = [0x0F] + GeneralGloCiphering.bigEndian(counter) + [12] + time.cosemOctets
        return header + writer.bytes
    }

    private typealias Value = (classID: Int, code: ObisCode, write: (inout AxdrWriter) -> Void)

    private func objects(_ house: Household, _ time: MeterTime, _ writer: inout AxdrWriter) {
        let listCode = ObisCode(0, 8, 25, 9, 0)
        var values: [Value] = [
            (1, ObisCode(0, 0, 42, 0, 0), { $0.octets(Self.manufacturer + Array("00\(configuration.serial)".utf8)) }),
            (1, ObisCode(0, 0, 96, 1, 1), { $0.octets(Array(configuration.serial.utf8)) }),
            (8, ObisCode(0, 0, 1, 0, 0), { $0.octets(time.cosemOctets) }),
            (3, ObisCode(1, 1, 1, 8, 0), { $0.uint32(house.imported) }),
            (3, ObisCode(1, 1, 2, 8, 0), { $0.uint32(house.exported) }),
            (3, ObisCode(1, 0, 1, 7, 0), { $0.uint32(max(0, house.power)) }),
            (3, ObisCode(1, 0, 2, 7, 0), { $0.uint32(max(0, -house.power)) }),
        ]
        for (index, phase) in house.phases.enumerated() {
            values.append((3, ObisCode(1, 0, UInt8(32 + 20 * index), 7, 0), { $0.uint16(phase.voltage) }))
        }
        for (index, phase) in house.phases.enumerated() {
            values.append((3, ObisCode(1, 0, UInt8(31 + 20 * index), 7, 0), { $0.uint16(phase.current) }))
        }
        writer.structure(values.count + 1)
        writer.array(values.count + 1)
        define(40, listCode, &writer)
        for value in values { define(value.classID, value.code, &writer) }
        for value in values { value.write(&writer) }
    }

    private func define(_ classID: Int, _ code: ObisCode, _ writer: inout AxdrWriter) {
        writer.structure(4)
        writer.uint16(classID)
        writer.code(code)
        writer.int8(2)
        writer.uint16(0)
    }

    private func pairs(_ house: Household, _ time: MeterTime, _ writer: inout AxdrWriter) {
        let values: [(ObisCode, Int)] = [
            (ObisCode(1, 0, 1, 8, 0), house.imported), (ObisCode(1, 0, 1, 7, 0), max(0, house.power)),
            (ObisCode(1, 0, 2, 8, 0), house.exported), (ObisCode(1, 0, 2, 7, 0), max(0, -house.power)),
        ]
        writer.structure(1 + 2 * values.count)
        writer.octets(time.cosemOctets)
        for (code, value) in values {
            writer.code(code)
            writer.uint32(value)
        }
    }

    private func bare(_ house: Household, _ writer: inout AxdrWriter) {
        writer.structure(14)
        for phase in house.phases { writer.uint16(phase.voltage) }
        for phase in house.phases { writer.uint16(phase.current) }
        writer.uint32(max(0, house.power))
        writer.uint32(max(0, -house.power))
        writer.uint32(house.imported)
        writer.uint32(house.exported)
        for angle in [0, 240, 120] { writer.uint16(angle) }
        writer.octets(Array(configuration.serial.utf8))
    }

    // MARK: Frames

    private static let llc: [UInt8] = [0xE6, 0xE7, 0x00]

    private func frames(of message: [UInt8]) -> [[UInt8]] {
        switch configuration.carrier {
        case .hdlc: blocks(of: message)
        case .segments: segments(of: Self.llc + message)
        case .mbus: DLMSCarrier.frames(of: message, pieceLength: max(configuration.blockSize, message.count / 8))
        // From the management device to the client for consumer information (IEC 62056-47, 5.3).
        case .wrapper: [[0, 1, 0, 1, 0, 103, UInt8(message.count >> 8), UInt8(message.count & 0xFF)] + message]
        case .llc: [Self.llc + message]
        case .apdu: [message]
        }
    }

    private func pieces(of message: [UInt8]) -> [[UInt8]] {
        stride(from: 0, to: message.count, by: configuration.blockSize).map { start in
            Array(message[start..<min(message.count, start + configuration.blockSize)])
        }
    }

    private func blocks(of message: [UInt8]) -> [[UInt8]] {
        guard message.count > configuration.blockSize else { return [frame(Self.llc + message)] }
        let pieces = pieces(of: message)
        return pieces.enumerated().map { index, data in
            let isLast = index == pieces.count - 1
            let number = index + 1
            let block =
                [0xE0, isLast ? 0xC0 : 0x40, UInt8(number >> 8), UInt8(number & 0xFF), 0, 0]
                + AxdrWriter.length(data.count) + data
            return frame((index == 0 ? Self.llc : []) + block)
        }
    }

    private func segments(of message: [UInt8]) -> [[UInt8]] {
        let pieces = pieces(of: message)
        return pieces.enumerated().map { index, data in frame(data, isSegmented: index < pieces.count - 1) }
    }

    /// From the meter to the client for consumer information: unnumbered information.
    private func frame(_ information: [UInt8], isSegmented: Bool = false) -> [UInt8] {
        HDLCFrame(
            destination: [0xCE, 0xFF], source: [0x03], control: 0x13, isSegmented: isSegmented,
            information: information
        ).encoded() ?? []
    }

    private mutating func damage(_ frames: inout [[UInt8]]) {
        func isDue(_ every: Int) -> Bool { every > 0 && pushes % every == 0 }
        let faults = configuration.faults
        if isDue(faults.lostFrameEvery), frames.count > 1 { frames.remove(at: 1) }
        if isDue(faults.flippedBitEvery), !frames.isEmpty { frames[0][frames[0].count / 2] ^= 0x10 }
        if isDue(faults.noiseEvery) { frames.insert([0x00, 0x7E, 0xA0, 0xFF, 0x55, 0x10], at: 0) }
    }
}

extension PushMeter.Carrier {
    /// What the meter sends between two pushes: on HDLC the call of a master.
    public var pause: [UInt8] { self == .hdlc ? PushMeter.beat : [] }

    /// Whether the end of a message is told by nothing but the silence behind it.
    public var endsWithSilence: Bool { self == .llc || self == .apdu }
}

extension MeterTime {
    /// As COSEM sends it, with unspecified deviation: local time of the utility.
    var cosemOctets: [UInt8] {
        let days = CivilDate(year: year, month: month, day: day).daysSince1970
        // 1970-01-01 was a Thursday; Monday is 1.
        let weekday = UInt8((days + 3) % 7 + 1)
        return [
            UInt8(year >> 8), UInt8(year & 0xFF), UInt8(month), UInt8(day), weekday, UInt8(hour), UInt8(minute),
            UInt8(second), 0xFF, 0x80, 0x00, 0x00,
        ]
    }
}
