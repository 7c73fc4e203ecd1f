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
    private(set) var records: [Record] = []
    private(set) var moreRecordsFollow = false

    private static let manufacturerData: UInt8 = 0x0F
    private static let manufacturerDataWithMore: UInt8 = 0x1F
    private static let filler: UInt8 = 0x2F
    private static let globalReadout: UInt8 = 0x7F

    /// - Parameter isReversed: the most significant byte of data comes first.
    init(_ bytes: [UInt8], isReversed: Bool = false) throws(WireError) {
        var reader = WireReader(bytes.rawSpan)
        while !reader.isAtEnd {
            let first = try reader.uint8()
            if first == Self.filler || first == Self.globalReadout { continue }
            guard records.count < Limits.mbusRecords else {
                throw WireError(.limit, "more than \(Limits.mbusRecords) records", offset: reader.offset - 1)
            }
            if first == Self.manufacturerData || first == Self.manufacturerDataWithMore {
                moreRecordsFollow = first == Self.manufacturerDataWithMore
                records.append(
                    Record(manufacturerData: try reader.bytes(reader.remaining), number: records.count))
            } else {
                records.append(
                    try Record(first: first, number: records.count, isReversed: isReversed, &reader))
            }
        }
    }

    init(_ records: [Record]) {
        self.records = records
    }

    /// Goes on with the records of the next telegram.
    mutating func append(_ next: RecordList) {
        records += next.records.prefix(max(0, Limits.registers - records.count)).enumerated().map { index, record in
            var record = record
            record.register.record?.number = records.count + index
            return record
        }
        moreRecordsFollow = next.moreRecordsFollow
    }

    /// The mark that more records follow is none itself, unless data of the maker stand behind it.
    mutating func dropMark() {
        if moreRecordsFollow, records.last?.register.value == .text("") { records.removeLast() }
    }

    /// The clock of the meter: a point in time that is neither stored nor of a part.
    var meterTime: MeterTime? {
        for record in records {
            guard let identity = record.register.record, record.information?.quantity == Quantity.dateTime,
                identity.isPresent, identity.tariff == 0, record.information?.isPlain == true,
                case .dateTime(let time) = record.time?.value
            else { continue }
            return time
        }
        return nil
    }

    /// The registers, each stored value with the time of its storage and each extreme with the time at which it was.
    var registers: [Register] {
        var times: [Moment: [MeterTime]] = [:]
        for record in records {
            guard let identity = record.register.record, let value = record.information, value.isPlain,
                value.quantity == Quantity.date || value.quantity == Quantity.dateTime, identity.tariff == 0,
                identity.subunit == 0, let time = record.time?.moment
            else { continue }
            times[Moment(identity), default: []].append(time)
        }
        return records.map { record in
            var register = record.register
            guard let identity = register.record, record.time == nil, record.information != nil,
                identity.storage != 0 || identity.function != .instantaneous,
                let found = times[Moment(identity)], found.count == 1
            else { return register }
            register.time = found.first
            return register
        }
    }

    /// What a point in time belongs to.
    private struct Moment: Hashable {
        let storage: Int
        let function: RecordIdentity.Function

        init(_ identity: RecordIdentity) {
            storage = identity.storage
            function = identity.function
        }
    }

    var warnings: [String] { records.compactMap(\.warning) }
}

extension RecordIdentity {
    /// Now, and of the meter as a whole.
    var isPresent: Bool { function == .instantaneous && storage == 0 && subunit == 0 }
}
