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
    private(set) var records = RecordList()

    private static let binary: UInt8 = 0x01
    private static let stored: UInt8 = 0x02
    /// The unit of the other counter, at an earlier date.
    private static let sameButHistoric: UInt8 = 0x3E

    init(_ data: [UInt8], isReversed: Bool) throws(WireError) {
        var reader = WireReader(data.rawSpan)
        identification = UInt32(truncatingIfNeeded: try reader.number(4, isReversed: isReversed))
        accessNumber = try reader.uint8()
        status = try reader.uint8()
        let first = try reader.uint8()
        let second = try reader.uint8()
        medium = first >> 6 | (second >> 6) << 2
        let counters = [
            try reader.number(4, isReversed: isReversed), try reader.number(4, isReversed: isReversed),
        ]
        guard reader.isAtEnd else {
            throw WireError(.malformed, "\(reader.remaining) bytes behind two counters", offset: reader.offset)
        }
        let units = [first & 0x3F, second & 0x3F]
        let isStored = status & Self.stored != 0
        let isBinary = status & Self.binary != 0
        for number in 0..<2 {
            let isHistoric = units[number] == Self.sameButHistoric
            let unit = FixedUnit(isHistoric ? units[1 - number] : units[number])
            let information = ValueInformation(fixed: unit, isHistoric: isHistoric || isStored)
            // The fixed structure knows no storage numbers.
            records.append(
                DataField(isBinary ? .integer : .decimal(isNegative: false), number: counters[number], count: 4),
                as: information, DataInformation())
        }
    }
}

/// The units of the fixed structure (EN 13757-3, annex G): each in steps of ten.
struct FixedUnit: Hashable, Sendable {
    let name: String
    let quantity: Quantity?
    let unit: Unit?
    let power: Int

    init(_ code: UInt8) {
        let entry = Self.table.last { $0.first <= code && code < $0.first + $0.count }
        name = entry?.name ?? "Counter"
        quantity = entry?.quantity
        unit = entry?.unit
        power = entry.map { $0.power + Int(code - $0.first) } ?? 0
    }

    private struct Entry {
        let first: UInt8
        let count: UInt8
        let name: String
        let quantity: Quantity?
        let unit: Unit
        let power: Int

        init(_ first: UInt8, _ count: UInt8, _ name: String, quantity: Quantity? = nil, _ unit: Unit, power: Int = 0) {
            self.first = first
            self.count = count
            self.name = name
            self.quantity = quantity
            self.unit = unit
            self.power = power
        }

        init(_ first: UInt8, _ count: UInt8, _ quantity: Quantity, _ unit: Unit, power: Int = 0) {
            self.init(first, count, quantity.rawValue, quantity: quantity, unit, power: power)
        }
    }

    private static let table = [
        Entry(0x02, 9, .energy, .wattHour), Entry(0x0B, 9, .energy, .joule, power: 3),
        Entry(0x14, 9, .power, .watt), Entry(0x1D, 9, .power, .other("J/h"), power: 3),
        Entry(0x26, 9, .volume, .cubicMetre, power: -6),
        Entry(0x2F, 9, .volumeFlow, .cubicMetrePerHour, power: -6),
        Entry(0x38, 1, "Temperature", .degreeCelsius, power: -3),
    ]
}
