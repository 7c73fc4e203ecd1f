import OBIS
import Wire

/// Finds the registers in the body of a data-notification, whatever its layout.
///
///     object list     structure { array of {class, code, attribute, index}, value 1, value 2, … }
///     pairs           structure { code, value, [scaler-unit], code, value, … }
///     structures      array of structure { code, value, [scaler-unit] }
///     bare values     structure { value, value, … }, named by a profile
struct PushBody {
    private var reader: AxdrReader
    private var tape: AxdrTape { reader.tape }

    private(set) var registers: [Register] = []
    private(set) var warnings: [String] = []
    /// The push object of an object list, else the types of a list without codes.
    private(set) var list: String?

    /// - Throws: `malformed` where an object list and its values do not belong together.
    init(_ tape: AxdrTape, of bytes: [UInt8]) throws(WireError) {
        reader = AxdrReader(tape: tape, bytes: bytes)
        if isObjectList {
            try readObjectList()
        } else if tape[0].tag.isContainer {
            walk(0)
            if registers.allSatisfy({ $0.obis == nil }) { numberBareValues() }
        } else {
            append(at: 0, obis: nil, scalerUnit: nil)
        }
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
        guard tape[0].tag == .structure, tape[0].count >= 1, tape[1].tag == .array, tape[1].count >= 1 else {
            return false
        }
        return definition(at: 2) != nil
    }

    private struct Definition {
        let classID: Int64
        let code: ObisCode
        let attribute: Int64
    }

    /// `structure { class u16, logical name, attribute i8, index u16, … }` (IEC 62056-6-2, push setup).
    private func definition(at index: Int) -> Definition? {
        let item = tape[index]
        guard item.tag == .structure, item.count >= 4, tape[index + 1].tag == .uint16,
            tape[index + 2].tag == .octetString, tape[index + 3].tag == .int8,
            let classID = reader.integer(at: index + 1), let code = reader.code(at: index + 2),
            let attribute = reader.integer(at: index + 3)
        else { return nil }
        return Definition(classID: classID, code: code, attribute: attribute)
    }

    private mutating func readObjectList() throws(WireError) {
        let objects = tape[1].count
        guard objects == tape[0].count else {
            throw WireError(
                .malformed, "the list names \(objects) objects, \(tape[0].count) values are there",
                offset: tape[1].offset)
        }
        var definitionIndex = 2
        var valueIndex = 1
        var scalers: [ObisCode: ScalerUnit] = [:]
        registers.reserveCapacity(objects)
        for position in 0..<objects {
            guard let definition = definition(at: definitionIndex) else {
                throw WireError(
                    .malformed, "entry \(position) of the list is no object", offset: tape[definitionIndex].offset)
            }
            if position == 0 {
                // The first value is the list itself.
                list = definition.code.description
            } else if Self.isScalerUnit(definition), let scalerUnit = reader.scalerUnit(at: valueIndex) {
                scalers[definition.code] = scalerUnit
            } else {
                emit(at: valueIndex, obis: definition.code, scalerUnit: nil)
            }
            definitionIndex = tape[definitionIndex].next
            valueIndex = tape[valueIndex].next
        }
        guard !scalers.isEmpty else { return }
        for index in registers.indices {
            guard let code = registers[index].obis, let scalerUnit = scalers[code] else { continue }
            var register = registers[index]
            apply(scalerUnit, to: &register)
            registers[index] = register
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
        let end = tape[container].next
        // Where entries are structures, what stands beside them belongs to none.
        let hasEntries = holdsEntries(container)
        while index < end {
            let following = tape[index].next
            if !hasEntries, let code = reader.code(at: index), following < end {
                index = pair(code, at: following, end: end)
            } else if tape[index].tag.isContainer {
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
        while index < tape[container].next {
            if tape[index].tag == .structure, tape[index].count >= 2, reader.code(at: index + 1) != nil { return true }
            index = tape[index].next
        }
        return false
    }

    /// A code's value, with a scaler and unit behind it where there is one: as a structure, or as two elements.
    ///
    /// - Returns: the index behind all that belongs to the code.
    private mutating func pair(_ code: ObisCode, at index: Int, end: Int) -> Int {
        let following = tape[index].next
        guard following < end else {
            emit(at: index, obis: code, scalerUnit: nil)
            return following
        }
        if let scalerUnit = reader.scalerUnit(at: following) {
            emit(at: index, obis: code, scalerUnit: scalerUnit)
            return tape[following].next
        }
        let unitIndex = following + 1
        if unitIndex < end, tape[following].tag == .int8, tape[unitIndex].tag == .enumeration,
            let scaler = reader.integer(at: following).flatMap(Int8.init(exactly:)),
            let unit = reader.integer(at: unitIndex).flatMap(UInt8.init(exactly:))
        {
            emit(at: index, obis: code, scalerUnit: ScalerUnit(scaler: scaler, unit: Unit(code: unit)))
            return unitIndex + 1
        }
        emit(at: index, obis: code, scalerUnit: nil)
        return following
    }

    /// Values without a code are told apart by their position, and their list by its types.
    private mutating func numberBareValues() {
        for index in registers.indices { registers[index].index = index }
        list = tape.items.filter { !$0.tag.isContainer }.map(\.tag.name).joined(separator: ",")
    }

    // MARK: Registers

    /// One register for a scalar, one for each scalar inside of a container.
    private mutating func emit(at index: Int, obis: ObisCode, scalerUnit: ScalerUnit?) {
        guard tape[index].tag.isContainer else { return append(at: index, obis: obis, scalerUnit: scalerUnit) }
        var position = 0
        for inner in index..<tape[index].next where !tape[inner].tag.isContainer {
            append(at: inner, obis: obis, scalerUnit: scalerUnit, position: position)
            position += 1
        }
    }

    private mutating func append(at index: Int, obis: ObisCode?, scalerUnit: ScalerUnit?, position: Int? = nil) {
        let value = reader.value(at: index)
        var register = Register(obis: obis, value: value, index: position)
        switch value {
        case .number, .wide: register.wireValue = value
        case .text, .flag, .time, .unavailable: break
        }
        if let scalerUnit { apply(scalerUnit, to: &register) }
        registers.append(register)
    }

    private mutating func apply(_ scalerUnit: ScalerUnit, to register: inout Register) {
        guard abs(Int(scalerUnit.scaler)) <= Limits.scaler else {
            warnings.append(
                "\(register.code ?? "a value") has the impossible scaler \(scalerUnit.scaler): left as sent")
            return
        }
        register.scale(byPowerOfTen: Int(scalerUnit.scaler), unit: scalerUnit.unit)
    }
}
