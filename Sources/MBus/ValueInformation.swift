import OBIS
import Wire

/// The value information block of a record: VIF and VIFE (EN 13757-3, value information block).
///
///     VIF  bits 6–0 code, 7 VIFE follows      FB, FD: the code stands in the VIFE, of another table
///          7C: a name in plain text           7F: of the maker, with all VIFE
///
/// The VIFE behind it change what it says: see `CombinableExtension`.
///
/// It is never copied: it has texts, and a telegram dozens of it.
struct ValueInformation: ~Copyable {
    /// Without what the VIFE add.
    private(set) var quantityName = ""
    /// Nil where nothing but the name is known of it.
    var quantity: Quantity?
    var unit: Unit?
    /// What the number as sent is multiplied by, as a power of ten.
    var power = 0
    var kind = ValueEntry.Kind.number
    /// What is added to the scaled number.
    var addend: FixedDecimal?
    /// What the VIFE add to the name, in their order: `, L1, forward`.
    private var qualifiers = ""
    /// Whether phase and direction say all that the VIFE do.
    private(set) var isPlain = true
    var phase: Phase?
    var direction: Direction?
    /// Why the meter has no value, in its own words.
    var recordError: String?

    /// What they add to the name.
    enum Phase: String, Sendable { case l1 = ", L1", l2 = ", L2", l3 = ", L3", neutral = ", N" }
    enum Direction: String, Sendable { case forward = ", forward", backward = ", backward" }

    /// The name with what the VIFE add: `Voltage, L1`.
    var name: String { qualifiers.isEmpty ? quantityName : quantityName + qualifiers }

    /// Characters that a plain text name may have where VIFE in front of it are the other reading.
    private static let longestName = 32

    /// What nothing is known of.
    init() {}

    mutating func read(_ reader: inout WireReader) throws(WireError) {
        let first = try reader.uint8()
        var chain = ExtensionChain(after: first)
        let code = first & 0x7F
        switch code {
        case 0x7B where chain.continues: take(try chain.next(&reader), of: ValueTable.alternate, "FB")
        case 0x7C: return try readNamed(&chain, &reader)
        case 0x7D where chain.continues: try takeMain(&chain, &reader)
        case 0x7F:
            take(.manufacturerSpecific)
            return apply(try chain.manufacturerFields(&reader))
        default: take(code, of: ValueTable.primary, "")
        }
        while let effect = try chain.nextEffect(&reader) { apply(effect) }
    }

    /// - Parameter isHistoric: stored at an earlier date.
    init(fixed unit: FixedUnit, isHistoric: Bool) {
        quantityName = unit.name
        quantity = unit.quantity
        self.unit = unit.unit
        power = unit.power
        if isHistoric { qualify("historic") }
    }

    private mutating func take(_ quantity: Quantity) {
        quantityName = quantity.rawValue
        self.quantity = quantity
    }

    /// - Parameter name: the VIF of the table, which with the code names a reserved one.
    private mutating func take(_ code: UInt8, of table: [ValueEntry], _ name: String) {
        let index = Int(code)
        guard index < table.count, table[index].quantity != .reserved else {
            take(.reserved)
            return qualify(name + Hexadecimal.text(UInt64(code), digits: 2))
        }
        quantityName = table[index].name
        quantity = table[index].quantity
        unit = table[index].unit
        power = table[index].power + index - Int(table[index].codes.lowerBound)
        kind = table[index].kind
    }

    private mutating func takeMain(_ chain: inout ExtensionChain, _ reader: inout WireReader) throws(WireError) {
        let extended = try chain.next(&reader)
        guard extended == 0x7D, chain.continues else { return take(extended, of: ValueTable.main, "FD") }
        take(try chain.next(&reader), of: ValueTable.secondMain, "FDFD")
    }

    // MARK: Plain text

    /// A length and characters, the last one first. The standard has them behind all VIFE; many meters send them
    /// at once behind the VIF.
    private mutating func readNamed(_ chain: inout ExtensionChain, _ reader: inout WireReader) throws(WireError) {
        let isNameFirst = !chain.continues || Self.nameStands(reader)
        if isNameFirst { try takeName(&reader) }
        var effects: [CombinableExtension] = []
        while let effect = try chain.nextEffect(&reader) { effects.append(effect) }
        if !isNameFirst { try takeName(&reader) }
        for effect in effects { apply(effect) }
    }

    private mutating func takeName(_ reader: inout WireReader) throws(WireError) {
        let length = Int(try reader.uint8())
        quantityName = Latin1.text(try reader.bytes(length).reversed())
        unit = Self.unit(spelled: quantityName)
    }

    /// - Returns: nil for a text that is a name and no unit.
    private static func unit(spelled text: String) -> Unit? {
        if text == "%RH" { return .percent }
        guard let unit = Unit(printed: text) else { return nil }
        if case .other = unit { return nil }
        return unit
    }

    /// Whether a length and so many printable characters follow, rather than a VIFE.
    private static func nameStands(_ reader: WireReader) -> Bool {
        guard let length = reader.peek(), length > 0, length <= longestName else { return false }
        return (1...Int(length)).allSatisfy { distance in
            reader.peek(ahead: distance).map(Latin1.isPrintable) ?? false
        }
    }
}

/// Reads the extensions of one value information block, one by one.
private struct ExtensionChain {
    /// Whether one more follows.
    private(set) var continues: Bool
    private var count = 0
    /// What follows is the maker's.
    private var isManufacturers = false

    private static let more: UInt8 = 0x80

    init(after first: UInt8) {
        continues = first & Self.more != 0
    }

    /// The next VIFE without its extension bit.
    mutating func next(_ reader: inout WireReader) throws(WireError) -> UInt8 {
        guard count < Limits.mbusExtensions else {
            throw WireError(.malformed, "more than \(Limits.mbusExtensions) VIFE", offset: reader.offset)
        }
        let field = try reader.uint8()
        count += 1
        continues = field & Self.more != 0
        return field & ~Self.more
    }

    /// What the next one changes; nil behind the last.
    mutating func nextEffect(_ reader: inout WireReader) throws(WireError) -> CombinableExtension? {
        if isManufacturers {
            isManufacturers = false
            return try manufacturerFields(&reader)
        }
        guard continues else { return nil }
        let field = try next(&reader)
        switch field {
        case 0x7F:
            // What follows is the maker's, but the DIF still says how long the data are.
            isManufacturers = true
            return .named("manufacturer")
        case 0x7C where continues: return CombinableExtension.second(try next(&reader))
        default: return CombinableExtension(field)
        }
    }

    /// All that follow as digits, which is all that is known of them.
    mutating func manufacturerFields(_ reader: inout WireReader) throws(WireError) -> CombinableExtension? {
        var fields = ""
        while continues { fields += Hexadecimal.text(UInt64(try next(&reader)), digits: 2) }
        return fields.isEmpty ? nil : .named(fields)
    }
}

// MARK: - What the extensions change

extension ValueInformation {
    private mutating func apply(_ effect: CombinableExtension?) {
        switch effect {
        case nil, .nothing: break
        case .error(let reason): recordError = recordError ?? reason
        case .named(let name): qualify(name)
        case .per(let name, let suffix):
            qualify(name)
            unit = unit.flatMap { Unit(printed: $0.symbol + suffix) }
        case .phase(let phase):
            add(phase.rawValue, isPlain: self.phase == nil)
            self.phase = self.phase ?? phase
        case .direction(let direction):
            add(direction.rawValue, isPlain: self.direction == nil)
            self.direction = self.direction ?? direction
        case .scaled(let power): self.power += power
        case .added(let power):
            addend = FixedDecimal(1, exponent: Int8(clamping: power)).adding(addend ?? .zero) ?? addend
        case .counted(let name): become(name, unit: nil, kind: .number)
        case .lasting(let name, let unit): become(name, unit: unit, kind: .number)
        case .timed(let name): become(name, unit: nil, kind: .time)
        }
    }

    private mutating func qualify(_ name: String) { add(", " + name, isPlain: false) }

    /// - Parameter isPlain: phase or direction say the same.
    private mutating func add(_ qualifier: String, isPlain: Bool) {
        qualifiers = qualifiers.isEmpty ? qualifier : qualifiers + qualifier
        self.isPlain = self.isPlain && isPlain
    }

    /// The value is no longer one of the quantity, but something about it.
    private mutating func become(_ name: String, unit: Unit?, kind: ValueEntry.Kind) {
        qualify(name)
        self.unit = unit
        self.kind = kind
        power = 0
        addend = nil
    }
}
