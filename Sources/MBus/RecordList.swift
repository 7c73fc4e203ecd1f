import OBIS
import Wire

/// The records of one telegram (EN 13757-3, variable data structure), up to its end.
///
///     DIF 0F            data of the maker, to the end
///     DIF 1F            the same, and more records follow in the next telegram
///     DIF 2F, 7F        filler, request for everything: no records
///     any other         DIF DIFE… VIF VIFE… data
///
/// A record that is cut, or whose length nothing says, makes the whole telegram wrong: nobody knows where the
/// next one begins.
struct RecordList: Hashable, Sendable {
    /// With their names and times after `interpret`.
    private(set) var registers: [Register] = []
    /// Of each register; nil for the maker's own data.
    private var meanings: [RecordMeaning?] = []
    private(set) var warnings: [String] = []
    private(set) var moreRecordsFollow = false
    /// The clock of the meter: a point in time that is neither stored nor of a part.
    private(set) var meterTime: MeterTime?
    /// The registers have names and times.
    private var isInterpreted = false

    private static let manufacturerData: UInt8 = 0x0F
    private static let manufacturerDataWithMore: UInt8 = 0x1F
    private static let filler: UInt8 = 0x2F
    private static let globalReadout: UInt8 = 0x7F
    /// Of one record, about.
    private static let usualLength = 8

    init() {}

    /// - Parameter isReversed: the most significant byte of data comes first.
    init(_ reader: inout WireReader, isReversed: Bool = false) throws(WireError) {
        registers.reserveCapacity(1 + reader.remaining / Self.usualLength)
        meanings.reserveCapacity(1 + reader.remaining / Self.usualLength)
        while !reader.isAtEnd {
            let first = try reader.uint8()
            if first == Self.filler || first == Self.globalReadout { continue }
            guard registers.count < Limits.mbusRecords else {
                throw WireError(.limit, "more than \(Limits.mbusRecords) records", offset: reader.offset - 1)
            }
            if first == Self.manufacturerData || first == Self.manufacturerDataWithMore {
                moreRecordsFollow = first == Self.manufacturerDataWithMore
                append(manufacturerData: try reader.take(reader.remaining))
            } else {
                let data = try DataInformation(first: first, &reader)
                var value = ValueInformation()
                try value.read(&reader)
                append(try DataField(data.coding, isReversed: isReversed, &reader), as: value, data)
            }
        }
    }

    mutating func append(
        _ field: borrowing DataField, as value: borrowing ValueInformation, _ data: DataInformation
    ) {
        let content = RecordContent(field, as: value)
        let identity = RecordIdentity(
            number: registers.count, function: data.function, storage: Int(data.storage), tariff: Int(data.tariff),
            subunit: Int(data.subunit), quantity: value.name)
        if let warning = content.warning { warnings.append("\(identity.code): \(warning)") }
        meanings.append(RecordMeaning(data, value, time: content.time))
        registers.append(
            Register(
                obis: nil, value: content.value, unit: value.unit, wireValue: content.wireValue, record: identity))
    }

    /// The maker's own data, from DIF 0F or 1F to the end.
    private mutating func append(manufacturerData: RawSpan) {
        meanings.append(nil)
        registers.append(
            Register(
                obis: nil, value: .text(Hex.string(manufacturerData)),
                record: RecordIdentity(number: registers.count, quantity: Quantity.manufacturerSpecific.rawValue)))
    }

    // MARK: Several telegrams

    /// Goes on with the records of the next telegram.
    mutating func append(_ next: RecordList) {
        let room = max(0, Limits.registers - registers.count)
        for (register, meaning) in zip(next.registers, next.meanings).prefix(room) {
            let number = registers.count
            registers.append(register)
            registers[number].record?.number = number
            meanings.append(meaning)
        }
        warnings += next.warnings
        moreRecordsFollow = next.moreRecordsFollow
    }

    /// The mark that more records follow is none itself, unless data of the maker stand behind it.
    mutating func dropMark() {
        guard moreRecordsFollow, registers.last?.value == .text("") else { return }
        registers.removeLast()
        meanings.removeLast()
    }

    // MARK: Meaning

    /// Gives each register its name and its time, which depend on all others.
    ///
    /// - Parameter device: nil where nothing says what the meter measures.
    mutating func interpret(_ device: DeviceType?) {
        meterTime = clock
        if isInterpreted { forget() }
        isInterpreted = true
        setTimes()
        setNames(device)
    }

    /// More records, or less, may change all names and times.
    private mutating func forget() {
        for index in registers.indices {
            registers[index].obis = nil
            registers[index].time = nil
        }
    }

    private var clock: MeterTime? {
        for case let meaning? in meanings where meaning.isClock {
            if case .dateTime(let time) = meaning.time?.value { return time }
        }
        return nil
    }

    /// A stored value has the time of its storage, an extreme the time at which it was.
    private mutating func setTimes() {
        var moments: [(data: DataInformation, time: MeterTime)] = []
        for case let meaning? in meanings {
            if let time = meaning.moment { moments.append((meaning.data, time)) }
        }
        for index in registers.indices where index < meanings.count {
            guard let meaning = meanings[index], meaning.time == nil,
                meaning.data.storage != 0 || meaning.data.function != .instantaneous
            else { continue }
            registers[index].time = Self.onlyTime(of: meaning.data, in: moments)
        }
    }

    /// A telegram has few points in time, so they are searched.
    ///
    /// - Returns: nil where several compete.
    private static func onlyTime(
        of data: DataInformation, in moments: [(data: DataInformation, time: MeterTime)]
    ) -> MeterTime? {
        var found: MeterTime?
        for moment in moments where moment.data.storage == data.storage && moment.data.function == data.function {
            if found != nil { return nil }
            found = moment.time
        }
        return found
    }

    /// A code that two registers would get names neither.
    private mutating func setNames(_ device: DeviceType?) {
        guard let device else { return }
        // The code above the index: equal codes are neighbours once the list is sorted.
        var codes: [UInt64] = []
        codes.reserveCapacity(registers.count)
        for index in registers.indices where index < meanings.count {
            guard let meaning = meanings[index], let code = RegisterNames.code(of: meaning, device) else { continue }
            codes.append(code.packed << 16 | UInt64(index))
        }
        codes.sort()
        for place in codes.indices {
            let code = codes[place] >> 16
            let isRepeated =
                place > 0 && codes[place - 1] >> 16 == code
                || place + 1 < codes.count && codes[place + 1] >> 16 == code
            if !isRepeated { registers[Int(codes[place] & 0xFFFF)].obis = ObisCode(packed: code) }
        }
    }
}
