import OBIS
import Wire

/// Finds the registers in the body of a data-notification, whatever its layout.
///
///     object list     structure { array of {class, code, attribute, index}, value 1, value 2, … }
///     pairs           structure { code, value, [scaler-unit], code, value, … }
///     structures      array of structure { code, value, [scaler-unit] }
///     bare values     structure { value, value, … }, named by a profile; with the name of the push in front at some meters
struct PushBody {
    private var reader: AxdrReader

    private(set) var registers: [Register] = []
    private(set) var warnings: [String] = []
    /// The push object of an object list, else the types of a list without codes.
    private(set) var list: String?

    /// - Throws: `malformed` where an object list and its values do not belong together.
    init(_ tape: AxdrTape, of bytes: [UInt8]) throws(WireError) {
        reader = AxdrReader(tape: tape, bytes: bytes)
        if isObjectList {
            try readObjectList()
        } else if reader[0].tag.isContainer {
            registers.reserveCapacity(reader[0].count)
            if isBareListWithName { readBareValues() } else { walk(0) }
            if registers.indices.allSatisfy({ registers[$0].obis == nil }) { numberBareValues() }
        } else {
            append(at: 0, obis: nil, scalerUnit: nil)
        }
    }

    /// An object list whose entries all have the usual form: its values are read where they stand.
    ///
    /// - Parameter values: behind the entries.
    /// - Throws: what a tape does.
    init(_ objects: ObjectList, _ values: inout WireReader, of bytes: [UInt8]) throws(WireError) {
        self.init()
        registers.reserveCapacity(objects.count)
        var entries = values.rewound(to: objects.entries)
        var scalers: [ObisCode: ScalerUnit] = [:]
        for position in 0..<objects.count {
            guard let entry = ObjectList.entry(&entries) else { break }
            if position == 0 {
                // The first value is the list itself.
                list = entry.code.description
            } else if Self.isScalerUnit(entry) {
                reader = AxdrReader(tape: try objects.tape(&values), bytes: bytes)
                if let scalerUnit = reader.scalerUnit(at: 0) {
                    scalers[entry.code] = scalerUnit
                } else {
                    emit(at: 0, obis: entry.code, scalerUnit: nil)
                }
            } else if let value = try ObjectList.scalar(&values) {
                append(value, obis: entry.code, scalerUnit: nil)
            } else {
                reader = AxdrReader(tape: try objects.tape(&values), bytes: bytes)
                emit(at: 0, obis: entry.code, scalerUnit: nil)
            }
        }
        apply(scalers)
    }

    /// A body whose layout is known from elsewhere.
    init() {
        reader = AxdrReader(tape: AxdrTape(), bytes: [])
    }

    /// Adds the value or values of one code.
    mutating func append(
        _ code: ObisCode, _ tape: AxdrTape, at index: Int = 0, of bytes: [UInt8], scalerUnit: ScalerUnit? = nil,
        time: MeterTime? = nil
    ) {
        reader = AxdrReader(tape: tape, bytes: bytes)
        let first = registers.count
        emit(at: index, obis: code, scalerUnit: scalerUnit)
        guard let time else { return }
        for index in first..<registers.count { registers[index].time = time }
    }

    // MARK: Object list

    /// The first element of the structure is an array of object definitions, one for each element.
    private var isObjectList: Bool {
        guard reader[0].tag == .structure, reader[0].count >= 1, reader[1].tag == .array, reader[1].count >= 1 else {
            return false
        }
        return definition(at: 2) != nil
    }

    typealias Definition = ObjectList.Entry

    /// `structure { class u16, logical name, attribute i8, index u16, … }` (IEC 62056-6-2, push setup).
    private func definition(at index: Int) -> Definition? {
        let item = reader[index]
        guard item.tag == .structure, item.count >= 4, reader[index + 1].tag == .uint16,
            reader[index + 2].tag == .octetString, reader[index + 3].tag == .int8,
            let classID = reader.integer(at: index + 1), let code = reader.code(at: index + 2),
            let attribute = reader.integer(at: index + 3)
        else { return nil }
        return Definition(classID: classID, code: code, attribute: attribute)
    }

    private mutating func readObjectList() throws(WireError) {
        let objects = reader[1].count
        guard objects == reader[0].count else {
            throw WireError(
                .malformed, "the list names \(objects) objects, \(reader[0].count) values are there",
                offset: reader[1].offset)
        }
        var definitionIndex = 2
        var valueIndex = 1
        var scalers: [ObisCode: ScalerUnit] = [:]
        registers.reserveCapacity(objects)
        for position in 0..<objects {
            guard let definition = definition(at: definitionIndex) else {
                throw WireError(
                    .malformed, "entry \(position) of the list is no object", offset: reader[definitionIndex].offset)
            }
            if position == 0 {
                // The first value is the list itself.
                list = definition.code.description
            } else if Self.isScalerUnit(definition), let scalerUnit = reader.scalerUnit(at: valueIndex) {
                scalers[definition.code] = scalerUnit
            } else {
                emit(at: valueIndex, obis: definition.code, scalerUnit: nil)
            }
            definitionIndex = reader[definitionIndex].next
            valueIndex = reader[valueIndex].next
        }
        apply(scalers)
    }

    private mutating func apply(_ scalers: [ObisCode: ScalerUnit]) {
        guard !scalers.isEmpty else { return }
        for index in registers.indices {
            guard let code = registers[index].obis, let scalerUnit = scalers[code] else { continue }
            apply(scalerUnit, toRegisterAt: index)
        }
    }

    /// Register and extended register carry it in attribute 3, demand register in attribute 4.
    private static func isScalerUnit(_ definition: Definition) -> Bool {
        switch (definition.classID, definition.attribute) {
        case (3, 3), (4, 3), (5, 4): true
        default: false
        }
    }

    // MARK: Lists that carry codes between the values, or none

    private mutating func walk(_ container: Int) {
        var index = container + 1
        let end = reader[container].next
        // Where entries are structures, what stands beside them belongs to none.
        let hasEntries = holdsEntries(container)
        while index < end {
            let following = reader[index].next
            if !hasEntries, let code = reader.code(at: index), following < end {
                index = pair(code, at: following, end: end)
            } else if reader[index].tag.isContainer {
                walk(index)
                index = following
            } else {
                append(at: index, obis: nil, scalerUnit: nil)
                index = following
            }
        }
    }

    /// Whether a container's elements include structures that begin with a code.
    private func holdsEntries(_ container: Int) -> Bool {
        var index = container + 1
        while index < reader[container].next {
            if reader[index].tag == .structure, reader[index].count >= 2, reader.code(at: index + 1) != nil {
                return true
            }
            index = reader[index].next
        }
        return false
    }

    /// A code's value, with a scaler and unit behind it where there is one: as a structure, or as two elements.
    ///
    /// - Returns: the index behind all that belongs to the code.
    private mutating func pair(_ code: ObisCode, at index: Int, end: Int) -> Int {
        let following = reader[index].next
        guard following < end else {
            emit(at: index, obis: code, scalerUnit: nil)
            return following
        }
        if let scalerUnit = reader.scalerUnit(at: following) {
            emit(at: index, obis: code, scalerUnit: scalerUnit)
            return reader[following].next
        }
        let unitIndex = following + 1
        if unitIndex < end, reader[following].tag == .int8, reader[unitIndex].tag == .enumeration,
            let scaler = reader.integer(at: following).flatMap(Int8.init(exactly:)),
            let unit = reader.integer(at: unitIndex).flatMap(UInt8.init(exactly:))
        {
            emit(at: index, obis: code, scalerUnit: ScalerUnit(scaler: scaler, unit: Unit(code: unit)))
            return unitIndex + 1
        }
        emit(at: index, obis: code, scalerUnit: nil)
        return following
    }

    /// Iskraemeco AM550 of some utilities send the name of the push setup (`0-b:25.9.e`), and bare values behind it: two that
    /// are no names follow.
    private var isBareListWithName: Bool {
        guard reader[0].tag == .structure, reader[0].count > 2, let name = reader.code(at: 1),
            name.a == 0, name.c == 25, name.d == 9
        else { return false }
        let second = reader[1].next
        let third = reader[second].next
        return !reader[second].tag.isContainer && reader.code(at: second) == nil && reader.code(at: third) == nil
    }

    private mutating func readBareValues() {
        for index in 1..<reader[0].next where !reader[index].tag.isContainer {
            append(at: index, obis: nil, scalerUnit: nil)
        }
    }

    /// Values without a code are told apart by their position, and their list by its types.
    private mutating func numberBareValues() {
        for index in registers.indices { registers[index].index = index }
        list = reader.tape.items.filter { !$0.tag.isContainer }.map(\.tag.name).joined(separator: ",")
    }

    // MARK: Registers

    /// One register for a scalar, one for each scalar inside of a container.
    private mutating func emit(at index: Int, obis: ObisCode, scalerUnit: ScalerUnit?) {
        guard reader[index].tag.isContainer else { return append(at: index, obis: obis, scalerUnit: scalerUnit) }
        var position = 0
        for inner in index..<reader[index].next where !reader[inner].tag.isContainer {
            append(at: inner, obis: obis, scalerUnit: scalerUnit, position: position)
            position += 1
        }
    }

    private mutating func append(at index: Int, obis: ObisCode?, scalerUnit: ScalerUnit?, position: Int? = nil) {
        append(reader.value(at: index), obis: obis, scalerUnit: scalerUnit, position: position)
    }

    private mutating func append(
        _ value: RegisterValue, obis: ObisCode?, scalerUnit: ScalerUnit?, position: Int? = nil
    ) {
        let wireValue: RegisterValue? =
            switch value {
            case .number, .wide: value
            case .text, .flag, .time, .unavailable: nil
            }
        registers.append(Register(obis: obis, value: value, wireValue: wireValue, index: position))
        if let scalerUnit { apply(scalerUnit, toRegisterAt: registers.count - 1) }
    }

    private mutating func apply(_ scalerUnit: ScalerUnit, toRegisterAt index: Int) {
        guard abs(Int(scalerUnit.scaler)) <= Limits.scaler else {
            warnings.append(
                "\(registers[index].code ?? "a value") has the impossible scaler \(scalerUnit.scaler): left as sent")
            return
        }
        registers[index].scale(byPowerOfTen: Int(scalerUnit.scaler), unit: scalerUnit.unit)
    }
}

/// An object list in the form that nearly all meters give it, with entries of 18 bytes:
///
///     02 n | 01 n | 02 04 · 12 class 2 · 09 06 name 6 · 0F attribute · 12 index 2 | … | value 2 | … | value n
///
/// The list itself is the first of its objects, and stands where the first value would.
struct ObjectList {
    struct Entry {
        let classID: Int64
        let code: ObisCode
        let attribute: Int64
    }

    let count: Int
    /// Where the entries begin.
    let entries: Int

    /// Elements of one entry and of its value.
    private static let elements = 6

    /// Looks at what comes next, and stands behind the entries where it is such a list.
    ///
    /// - Returns: nil for any other layout; then the reader stays where it is.
    init?(_ reader: inout WireReader) {
        var ahead = reader.rewound(to: reader.offset)
        guard (try? ahead.uint8()) == AxdrTag.structure.rawValue, let count = try? ahead.axdrLength(),
            (try? ahead.uint8()) == AxdrTag.array.rawValue, (try? ahead.axdrLength()) == count,
            count > 0, count < Limits.axdrElements / Self.elements
        else { return nil }
        self.count = count
        entries = ahead.offset
        for _ in 0..<count where Self.entry(&ahead) == nil { return nil }
        reader = ahead
    }

    /// - Returns: nil where an entry has another form, or a name that is no code.
    static func entry(_ reader: inout WireReader) -> Entry? {
        guard let first = try? reader.uint64(), let second = try? reader.uint64(), (try? reader.skip(2)) != nil,
            first & 0xFFFF_FF00_00FF_FF00 == 0x0204_1200_0009_0600, second & 0x00FF_00FF == 0x000F_0012,
            let code = AxdrReader.code(packed: (first & 0xFF) << 40 | second >> 24)
        else { return nil }
        return Entry(
            classID: Int64(first >> 24 & 0xFFFF), code: code,
            attribute: Int64(Int8(truncatingIfNeeded: second >> 8)))
    }

    /// - Returns: nil where the next value is no scalar that can be read at once; then the reader stays where it is.
    static func scalar(_ reader: inout WireReader) throws(WireError) -> RegisterValue? {
        guard let tag = reader.peek().flatMap({ AxdrTag(rawValue: $0) }) else { return nil }
        switch tag {
        case .array, .structure, .compactArray, .bitString: return nil
        default: break
        }
        try reader.skip(1)
        let count: Int
        if let length = tag.fixedLength { count = length } else { count = try reader.axdrLength() }
        return try AxdrReader.value(tag, count: count, &reader)
    }

    /// The next value, whatever it is.
    func tape(_ reader: inout WireReader) throws(WireError) -> AxdrTape {
        try AxdrTape(&reader, limit: Limits.axdrElements - Self.elements * count, depth: 1)
    }
}
