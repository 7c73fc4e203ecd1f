import OBIS
import Wire

/// Turns encrypted records into plain ones: AES-128 in CBC mode without padding.
///
/// - Parameters: the ciphertext, whole blocks of 16 bytes, and the initialisation vector of 16 bytes.
public typealias Decipher =
    @Sendable (_ ciphertext: [UInt8], _ initialisationVector: [UInt8]) throws(WireError) -> [UInt8]

/// What a slave answers: the content of a long frame, decoded (EN 13757-3).
///
///     72, 76, 5B  identification 4 | manufacturer 2 | version | medium
///                 | access number | status | configuration 2 | records
///     7A, 5A      access number | status | configuration 2 | records
///     78          records
///     73, 77      see `FixedStructure`
///     70, 71      see `ApplicationReport`
///
/// The lower CI of a pair has the least significant byte first, 76 and 77 the most significant.
public struct MeterResponse: Sendable, Hashable {
    public private(set) var telegram = Telegram()
    private var records = RecordList([])
    private var device: DeviceType?
    /// The meter has more to say: it is asked again, with the frame count bit toggled.
    public var moreRecordsFollow: Bool { records.moreRecordsFollow }
    /// The primary address of the slave, as its answer carries it.
    public let address: UInt8
    /// The secondary address, where the answer carries it whole.
    public private(set) var secondaryAddress: SecondaryAddress?

    /// - Parameter decipher: opens encrypted records; nil without a key.
    /// - Throws: `.meterError` for what the meter reports; `.malformed` and `.truncated` for a header or record that is
    ///   none; `.keyMissing`, `.decryption`, `.unsupported` for encrypted ones; `.unsupported` for other applications.
    ///   The offset counts from the start of the frame.
    public init(_ frame: LongFrame, decipher: Decipher? = nil) throws(WireError) {
        address = frame.address
        switch ControlInformation(rawValue: frame.controlInformation) {
        case .longHeader, .longHeaderCommand: try readLongHeader(frame.data, isReversed: false, decipher)
        case .longHeaderReversed: try readLongHeader(frame.data, isReversed: true, decipher)
        case .shortHeader, .shortHeaderCommand: try readShortHeader(frame.data, decipher)
        case .noHeader: try readRecords(frame.data, isReversed: false, device: nil, headerLength: 0)
        case .fixedStructure: try readFixedStructure(frame.data, isReversed: false)
        case .fixedStructureReversed: try readFixedStructure(frame.data, isReversed: true)
        case .applicationError: throw ApplicationReport.error(frame.data)
        case .alarm: throw ApplicationReport.alarm(frame.data)
        case .applicationReset, .sendData, .select:
            throw WireError(.unsupported, "the frame goes from the master to a slave")
        case nil: throw Self.foreign(frame.controlInformation)
        }
    }

    private static func foreign(_ information: UInt8) -> WireError {
        let name = Hexadecimal.text(UInt64(information), digits: 2)
        return WireError(
            .unsupported,
            information < 0x20
                ? "an M-Bus frame of CI \(name) carries DLMS: it is read as dlms-push"
                : "an M-Bus frame of CI \(name) carries no records that are known")
    }

    // MARK: Headers

    private static let longHeaderLength = 12
    private static let shortHeaderLength = 4

    private mutating func readLongHeader(
        _ data: [UInt8], isReversed: Bool, _ decipher: Decipher?
    ) throws(WireError) {
        guard data.count >= Self.longHeaderLength else { throw Self.shortHeader(data) }
        let sent = Array(data[..<Self.longHeaderLength])
        let header = isReversed ? Self.reversedFields(sent) : sent
        guard let sender = SecondaryAddress(bytes: header) else { throw Self.shortHeader(data) }
        identify(sender, accessNumber: header[8], status: header[9])
        let configuration = Configuration(low: header[10], high: header[11])
        let vector = header[4..<6] + header[0..<4] + header[6..<8] + [UInt8](repeating: header[8], count: 8)
        let records = try configuration.open(
            Array(data[Self.longHeaderLength...]), vector: Array(vector), sender: sender, decipher)
        try readRecords(
            records, isReversed: isReversed, device: DeviceType(sender.medium), headerLength: Self.longHeaderLength)
    }

    private mutating func readShortHeader(_ data: [UInt8], _ decipher: Decipher?) throws(WireError) {
        guard data.count >= Self.shortHeaderLength else { throw Self.shortHeader(data) }
        telegram.meter.accessNumber = data[0]
        telegram.meter.status = data[1]
        let configuration = Configuration(low: data[2], high: data[3])
        // Without the identification there is no initialisation vector.
        let records = try configuration.open(
            Array(data[Self.shortHeaderLength...]), vector: nil, sender: nil, decipher)
        try readRecords(records, isReversed: false, device: nil, headerLength: Self.shortHeaderLength)
    }

    private static func shortHeader(_ data: [UInt8]) -> WireError {
        WireError(.truncated, "the header ends after \(data.count) bytes", offset: contentOffset + data.count)
    }

    private static func reversedFields(_ header: [UInt8]) -> [UInt8] {
        header[0..<4].reversed() + header[4..<6].reversed() + header[6..<10] + header[10..<12].reversed()
    }

    private mutating func identify(_ sender: SecondaryAddress, accessNumber: UInt8, status: UInt8) {
        secondaryAddress = sender
        telegram.meter = MeterIdentity(
            id: Hexadecimal.text(UInt64(sender.identification), digits: 8),
            manufacturer: Manufacturer.letters(of: sender.manufacturer),
            medium: DeviceType(sender.medium)?.medium ?? .other, version: "\(sender.version)",
            accessNumber: accessNumber, status: status)
    }

    // MARK: Content

    /// Start, both lengths, start, C, A, CI.
    private static let contentOffset = LongFrame.headerLength + LongFrame.minimumContent

    private mutating func readRecords(
        _ data: [UInt8], isReversed: Bool, device: DeviceType?, headerLength: Int
    ) throws(WireError) {
        do {
            records = try RecordList(data, isReversed: isReversed)
        } catch { throw error.shifted(by: Self.contentOffset + headerLength) }
        self.device = device
        interpret()
    }

    private mutating func interpret() {
        telegram.meterTime = records.meterTime
        telegram.registers = records.registers
        telegram.warnings = records.warnings
        if let device { RegisterNames.name(&telegram.registers, records.records, device) }
    }

    /// Goes on with the next telegram of the same answer: a meter with much to say cuts its list anywhere, and dates and
    /// doubtful names count over the whole of it.
    mutating func append(_ next: MeterResponse) {
        records.append(next.records)
        interpret()
    }

    /// Leaves out the mark that more telegrams follow.
    mutating func dropMark() {
        records.dropMark()
        interpret()
    }

    private mutating func readFixedStructure(_ data: [UInt8], isReversed: Bool) throws(WireError) {
        let content: FixedStructure
        do {
            content = try FixedStructure(data, isReversed: isReversed)
        } catch { throw error.shifted(by: Self.contentOffset) }
        device = DeviceType(fixed: content.medium)
        telegram.meter = MeterIdentity(
            id: Hexadecimal.text(UInt64(content.identification), digits: 8), medium: device?.medium ?? .other,
            accessNumber: content.accessNumber, status: content.status)
        records = RecordList(content.records)
        interpret()
    }
}

/// The configuration word of the header: whether and how the records are encrypted (EN 13757-7).
///
///     mode 5   bits 12–8 mode   7–4 encrypted blocks of 16 bytes; what is behind them is plain
private struct Configuration {
    let mode: UInt8
    let encryptedBlocks: Int

    init(low: UInt8, high: UInt8) {
        mode = high & 0x1F
        encryptedBlocks = Int(low >> 4)
    }

    private static let blockLength = 16

    /// - Parameter vector: nil where the header does not name the sender.
    /// - Returns: plain records.
    func open(
        _ data: [UInt8], vector: [UInt8]?, sender: SecondaryAddress?, _ decipher: Decipher?
    ) throws(WireError) -> [UInt8] {
        switch mode {
        case 5: return try openCBC(data, vector: vector, sender: sender, decipher)
        // Those that a standard defines. In others the word is the signature that old meters have there.
        case 2...4, 6...10, 13:
            throw WireError(.unsupported, "meter \(Self.name(sender)) encrypts in mode \(mode), which is not known")
        default: return data
        }
    }

    private static func name(_ sender: SecondaryAddress?) -> String { sender?.description ?? "of unknown number" }

    private func openCBC(
        _ data: [UInt8], vector: [UInt8]?, sender: SecondaryAddress?, _ decipher: Decipher?
    ) throws(WireError) -> [UInt8] {
        guard encryptedBlocks > 0 else { return data }
        let length = encryptedBlocks * Self.blockLength
        guard data.count >= length else {
            throw WireError(.truncated, "\(length) encrypted bytes, \(data.count) are there")
        }
        guard let vector else {
            throw WireError(.unsupported, "encrypted records behind a header that does not name the meter")
        }
        guard let decipher else {
            throw WireError(.keyMissing, "meter \(Self.name(sender)) encrypts its records, and no key is configured")
        }
        let plain = try decipher(Array(data[..<length]), vector)
        // Two fillers prove the key.
        guard plain.count == length, plain.starts(with: [0x2F, 0x2F]) else {
            throw WireError(.decryption, "the records of meter \(Self.name(sender)) do not decrypt with this key")
        }
        return plain + data[length...]
    }
}
