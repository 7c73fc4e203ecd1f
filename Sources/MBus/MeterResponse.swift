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
    private var meter = MeterIdentity()
    private var records = RecordList()
    private var device: DeviceType?

    public var telegram: Telegram {
        Telegram(
            meter: meter, meterTime: records.meterTime, registers: records.registers, warnings: records.warnings)
    }

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
        case .noHeader: try readRecords(frame.data, behind: 0, isReversed: false)
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
        var reader = WireReader(data.rawSpan)
        let sender = SecondaryAddress(
            identification: UInt32(truncatingIfNeeded: try reader.number(4, isReversed: isReversed)),
            manufacturer: UInt16(truncatingIfNeeded: try reader.number(2, isReversed: isReversed)),
            version: try reader.uint8(), medium: try reader.uint8())
        let accessNumber = try reader.uint8()
        identify(sender, accessNumber: accessNumber, status: try reader.uint8())
        let configuration = Configuration(
            UInt16(truncatingIfNeeded: try reader.number(2, isReversed: isReversed)), sender, accessNumber)
        device = DeviceType(sender.medium)
        try readRecords(data, behind: Self.longHeaderLength, isReversed: isReversed, configuration, decipher)
    }

    private mutating func readShortHeader(_ data: [UInt8], _ decipher: Decipher?) throws(WireError) {
        guard data.count >= Self.shortHeaderLength else { throw Self.shortHeader(data) }
        meter.accessNumber = data[0]
        meter.status = data[1]
        let configuration = Configuration(UInt16(data[3]) << 8 | UInt16(data[2]), nil, data[0])
        try readRecords(data, behind: Self.shortHeaderLength, isReversed: false, configuration, decipher)
    }

    private static func shortHeader(_ data: [UInt8]) -> WireError {
        WireError(.truncated, "the header ends after \(data.count) bytes", offset: contentOffset + data.count)
    }

    private mutating func identify(_ sender: SecondaryAddress, accessNumber: UInt8, status: UInt8) {
        secondaryAddress = sender
        meter = MeterIdentity(
            id: Hexadecimal.text(UInt64(sender.identification), digits: 8),
            manufacturer: Manufacturer.letters(of: sender.manufacturer),
            medium: DeviceType(sender.medium)?.medium ?? .other, version: String(sender.version),
            accessNumber: accessNumber, status: status)
    }

    // MARK: Content

    /// Start, both lengths, start, C, A, CI.
    private static let contentOffset = LongFrame.headerLength + LongFrame.minimumContent

    private mutating func readRecords(
        _ data: [UInt8], behind header: Int, isReversed: Bool, _ configuration: Configuration? = nil,
        _ decipher: Decipher? = nil
    ) throws(WireError) {
        if let plain = try configuration?.open(data.dropFirst(header), decipher) {
            try readRecords(plain, from: 0, isReversed: isReversed, origin: Self.contentOffset + header)
        } else {
            try readRecords(data, from: header, isReversed: isReversed, origin: Self.contentOffset)
        }
    }

    /// - Parameter origin: where the bytes begin in the frame, for errors.
    private mutating func readRecords(
        _ bytes: [UInt8], from start: Int, isReversed: Bool, origin: Int
    ) throws(WireError) {
        var reader = WireReader(bytes.rawSpan).rewound(to: start)
        do {
            records = try RecordList(&reader, isReversed: isReversed)
        } catch { throw error.shifted(by: origin) }
        records.interpret(device)
    }

    /// Goes on with the next telegram of the same answer: a meter with much to say cuts its list anywhere, and dates and
    /// doubtful names count over the whole of it.
    mutating func append(_ next: MeterResponse) {
        records.append(next.records)
        records.interpret(device)
    }

    /// Leaves out the mark that more telegrams follow.
    mutating func dropMark() {
        records.dropMark()
        records.interpret(device)
    }

    private mutating func readFixedStructure(_ data: [UInt8], isReversed: Bool) throws(WireError) {
        let content: FixedStructure
        do {
            content = try FixedStructure(data, isReversed: isReversed)
        } catch { throw error.shifted(by: Self.contentOffset) }
        device = DeviceType(fixed: content.medium)
        meter = MeterIdentity(
            id: Hexadecimal.text(UInt64(content.identification), digits: 8), medium: device?.medium ?? .other,
            accessNumber: content.accessNumber, status: content.status)
        records = content.records
        records.interpret(device)
    }
}

/// The configuration word of the header: whether and how the records are encrypted (EN 13757-7).
///
///     mode 5   bits 12–8 mode   7–4 encrypted blocks of 16 bytes; what is behind them is plain
private struct Configuration {
    let mode: UInt8
    let encryptedBlocks: Int
    /// Nil where the header does not name the meter.
    let sender: SecondaryAddress?
    let accessNumber: UInt8

    init(_ word: UInt16, _ sender: SecondaryAddress?, _ accessNumber: UInt8) {
        mode = UInt8(truncatingIfNeeded: word >> 8 & 0x1F)
        encryptedBlocks = Int(word >> 4 & 0xF)
        self.sender = sender
        self.accessNumber = accessNumber
    }

    private static let blockLength = 16

    /// - Returns: plain records; nil where they are so already.
    func open(_ data: ArraySlice<UInt8>, _ decipher: Decipher?) throws(WireError) -> [UInt8]? {
        switch mode {
        case 5: return try openCBC(data, decipher)
        // Those that a standard defines. In others the word is the signature that old meters have there.
        case 2...4, 6...10, 13:
            throw WireError(.unsupported, "meter \(name) encrypts in mode \(mode), which is not known")
        default: return nil
        }
    }

    private var name: String { sender?.description ?? "of unknown number" }

    private func openCBC(_ data: ArraySlice<UInt8>, _ decipher: Decipher?) throws(WireError) -> [UInt8]? {
        guard encryptedBlocks > 0 else { return nil }
        let length = encryptedBlocks * Self.blockLength
        guard data.count >= length else {
            throw WireError(.truncated, "\(length) encrypted bytes, \(data.count) are there")
        }
        // Without the identification there is no initialisation vector.
        guard let sender else {
            throw WireError(.unsupported, "encrypted records behind a header that does not name the meter")
        }
        guard let decipher else {
            throw WireError(.keyMissing, "meter \(name) encrypts its records, and no key is configured")
        }
        let plain = try decipher(Array(data.prefix(length)), vector(sender))
        // Two fillers prove the key.
        guard plain.count == length, plain.starts(with: [0x2F, 0x2F]) else {
            throw WireError(.decryption, "the records of meter \(name) do not decrypt with this key")
        }
        return plain + data.dropFirst(length)
    }

    /// The maker, the identification, version and medium, and eight times the access number.
    private func vector(_ sender: SecondaryAddress) -> [UInt8] {
        let address = sender.bytes
        return address[4..<6] + address[0..<4] + address[6..<8] + [UInt8](repeating: accessNumber, count: 8)
    }
}
