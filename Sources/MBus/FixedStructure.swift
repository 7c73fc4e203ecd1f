import OBIS
import Wire

/// Two counters behind a header of their own (EN 13757-3, annex G; CI 73): what old meters answer.
///
///     identification 4 | access number | status | medium and units 2 | counter 4 | counter 4
///
///     status  bit 0 binary, else digits   bit 1 stored at a fixed date, else present
///     units   bits 5–0 of each byte; bits 7–6 of both make the medium, those of the second byte the upper two
struct FixedStructure: Hashable, Sendable {
    let identification: UInt32
    let accessNumber: UInt8
    let status: UInt8
    let medium: UInt8
    let records: [Record]

    private static let binary: UInt8 = 0x01
    private static let stored: UInt8 = 0x02
    /// The unit of the other counter, at an earlier date.
    private static let sameButHistoric: UInt8 = 0x3E

    init(_ data: [UInt8], isReversed: Bool) throws(WireError) {
        var reader = WireReader(data.rawSpan)
        identification = try Self.field(&reader, isReversed).reversed().reduce(0) { $0 << 8 | UInt32($1) }
        accessNumber = try reader.uint8()
        status = try reader.uint8()
        let first = try reader.uint8()
        let second = try reader.uint8()
        medium = first >> 6 | (second >> 6) << 2
        let counters = [try Self.field(&reader, isReversed), try Self.field(&reader, isReversed)]
        guard reader.isAtEnd else {
            throw WireError(.malformed, "\(reader.remaining) bytes behind two counters", offset: reader.offset)
        }
        let units = [first & 0x3F, second & 0x3F]
        let isStored = status & Self.stored != 0
        let isBinary = status & Self.binary != 0
        records = zip(0..., zip(units, counters)).map { number, counter in
            let isHistoric = counter.0 == Self.sameButHistoric
            let unit = isHistoric ? units[1 - number] : counter.0
            return Record(
                counter: counter.1, isBinary: isBinary, FixedUnit(unit), isHistoric: isHistoric || isStored,
                number: number)
        }
    }

    private static func field(_ reader: inout WireReader, _ isReversed: Bool) throws(WireError) -> [UInt8] {
        let bytes = try reader.bytes(4)
        return isReversed ? bytes.reversed() : bytes
    }
}

extension Record {
    /// A counter of the fixed structure, which knows no storage numbers.
    fileprivate init(counter: [UInt8], isBinary: Bool, _ unit: FixedUnit, isHistoric: Bool, number: Int) {
        let information = ValueInformation(fixed: unit, isHistoric: isHistoric)
        let identity = RecordIdentity(number: number, quantity: information.name)
        self.init(
            DataField(isBinary ? .integer : .decimal(isNegative: false), bytes: counter), as: information, identity)
    }
}

/// The units of the fixed structure (EN 13757-3, annex G): each in steps of ten.
struct FixedUnit: Hashable, Sendable {
    let quantity: String
    let unit: Unit?
    let power: Int

    init(_ code: UInt8) {
        let entry = Self.table.last { $0.first <= code && code < $0.first + $0.count }
        quantity = entry?.quantity ?? "Counter"
        unit = entry?.unit
        power = entry.map { $0.power + Int(code - $0.first) } ?? 0
    }

    private struct Entry {
        let first: UInt8
        let count: UInt8
        let quantity: String
        let unit: Unit
        let power: Int

        init(_ first: UInt8, _ count: UInt8, _ quantity: String, _ unit: Unit, power: Int = 0) {
            self.first = first
            self.count = count
            self.quantity = quantity
            self.unit = unit
            self.power = power
        }
    }

    private static let table = [
        Entry(0x02, 9, Quantity.energy, .wattHour), Entry(0x0B, 9, Quantity.energy, .joule, power: 3),
        Entry(0x14, 9, Quantity.power, .watt), Entry(0x1D, 9, Quantity.power, .other("J/h"), power: 3),
        Entry(0x26, 9, Quantity.volume, .cubicMetre, power: -6),
        Entry(0x2F, 9, Quantity.volumeFlow, .cubicMetrePerHour, power: -6),
        Entry(0x38, 1, "Temperature", .degreeCelsius, power: -3),
    ]
}
