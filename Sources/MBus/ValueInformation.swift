import OBIS
import Wire

/// The value information block of a record: VIF and VIFE (EN 13757-3, value information block).
///
///     VIF  bits 6–0 code, 7 VIFE follows      FB, FD: the code stands in the VIFE, of another table
///          7C: a name in plain text           7F: of the maker, with all VIFE
///
/// The VIFE behind it change what it says: see `CombinableExtension`.
struct ValueInformation: Hashable, Sendable {
    var quantity: String
    var unit: Unit?
    /// What the number as sent is multiplied by, as a power of ten.
    var power = 0
    var kind = ValueEntry.Kind.number
    /// What is added to the scaled number.
    var addend: FixedDecimal?
    /// What the VIFE add to the name, in their order.
    var qualifiers: [String] = []
    var phase: Phase?
    var direction: Direction?
    /// Why the meter has no value, in its own words.
    var recordError: String?

    enum Phase: UInt8, Hashable, Sendable { case l1 = 1, l2, l3, neutral }
    enum Direction: Hashable, Sendable { case forward, backward }

    /// The name with what the VIFE add: `Voltage, L1`.
    var name: String { ([quantity] + qualifiers).joined(separator: ", ") }

    /// Whether phase and direction say all that the VIFE do.
    var isPlain: Bool { qualifiers.count == (phase == nil ? 0 : 1) + (direction == nil ? 0 : 1) }

    /// Characters that a plain text name may have where VIFE in front of it are the other reading.
    private static let longestName = 32

    init(_ reader: inout WireReader) throws(WireError) {
        let first = try reader.uint8()
        var chain = ExtensionChain(after: first)
        let code = first & 0x7F
        switch code {
        case 0x7B where chain.continues:
            let extended = try chain.next(&reader)
            self.init(ValueTable.alternate[Int(extended)], code: extended, table: "FB")
        case 0x7C:
            try self.init(named: &chain, &reader)
            return
        case 0x7D where chain.continues:
            try self.init(main: &chain, &reader)
        case 0x7F:
            self.init(quantity: Quantity.manufacturerSpecific)
            apply(try chain.manufacturerEffects(&reader))
            return
        default:
            self.init(ValueTable.primary[Int(code)], code: code, table: "")
        }
        apply(try chain.effects(&reader))
    }

    private init(quantity: String) {
        self.quantity = quantity
    }

    /// - Parameter table: the VIF of the table, which with the code names a reserved one.
    private init(_ entry: ValueEntry?, code: UInt8, table: String) {
        guard let entry else {
            quantity = Quantity.reserved
            qualifiers = [table + Hexadecimal.text(UInt64(code), digits: 2)]
            return
        }
        quantity = entry.quantity
        unit = entry.unit
        power = entry.power + Int(code) - Int(entry.codes.lowerBound)
        kind = entry.kind
    }

    private init(main chain: inout ExtensionChain, _ reader: inout WireReader) throws(WireError) {
        let extended = try chain.next(&reader)
        guard extended == 0x7D, chain.continues else {
            self.init(ValueTable.main[Int(extended)], code: extended, table: "FD")
            return
        }
        let second = try chain.next(&reader)
        self.init(ValueTable.secondMain[Int(second)], code: second, table: "FDFD")
    }

    /// - Parameter isHistoric: stored at an earlier date.
    init(fixed unit: FixedUnit, isHistoric: Bool) {
        quantity = unit.quantity
        self.unit = unit.unit
        power = unit.power
        if isHistoric { qualifiers = ["historic"] }
    }

    // MARK: Plain text

    /// A length and characters, the last one first. The standard has them behind all VIFE; many meters send them
    /// at once behind the VIF.
    private init(named chain: inout ExtensionChain, _ reader: inout WireReader) throws(WireError) {
        let isNameFirst = !chain.continues || Self.nameStands(reader)
        self.init(quantity: "")
        if isNameFirst { try takeName(&reader) }
        let effects = try chain.effects(&reader)
        if !isNameFirst { try takeName(&reader) }
        apply(effects)
    }

    private mutating func takeName(_ reader: inout WireReader) throws(WireError) {
        let length = Int(try reader.uint8())
        quantity = Latin1.text(try reader.bytes(length).reversed())
        unit = Self.unit(spelled: quantity)
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

    /// What all that follow change.
    mutating func effects(_ reader: inout WireReader) throws(WireError) -> [CombinableExtension] {
        var effects: [CombinableExtension] = []
        while continues {
            let field = try next(&reader)
            switch field {
            // What follows is the maker's, but the DIF still says how long the data are.
            case 0x7F: return effects + [.named("manufacturer")] + (try manufacturerEffects(&reader))
            case 0x7C where continues: effects.append(CombinableExtension.second(try next(&reader)))
            default: effects.append(CombinableExtension(field))
            }
        }
        return effects
    }

    /// All that follow as digits, which is all that is known of them.
    mutating func manufacturerEffects(_ reader: inout WireReader) throws(WireError) -> [CombinableExtension] {
        var fields = ""
        while continues { fields += Hexadecimal.text(UInt64(try next(&reader)), digits: 2) }
        return fields.isEmpty ? [] : [.named(fields)]
    }
}

// MARK: - What the extensions change

extension ValueInformation {
    private mutating func apply(_ effects: [CombinableExtension]) {
        for effect in effects { apply(effect) }
    }

    private mutating func apply(_ effect: CombinableExtension) {
        switch effect {
        case .nothing: break
        case .error(let reason): recordError = recordError ?? reason
        case .named(let name): qualifiers.append(name)
        case .per(let name, let suffix):
            qualifiers.append(name)
            unit = unit.flatMap { Unit(printed: $0.symbol + suffix) }
        case .phase(let phase, let name):
            if self.phase == nil { self.phase = phase }
            qualifiers.append(name)
        case .direction(let direction, let name):
            if self.direction == nil { self.direction = direction }
            qualifiers.append(name)
        case .scaled(let power): self.power += power
        case .added(let power):
            addend = FixedDecimal(1, exponent: Int8(power)).adding(addend ?? .zero) ?? addend
        case .counted(let name): become(name, unit: nil, kind: .number)
        case .lasting(let name, let unit): become(name, unit: unit, kind: .number)
        case .timed(let name): become(name, unit: nil, kind: .time)
        }
    }

    /// The value is no longer one of the quantity, but something about it.
    private mutating func become(_ name: String, unit: Unit?, kind: ValueEntry.Kind) {
        qualifiers.append(name)
        self.unit = unit
        self.kind = kind
        power = 0
        addend = nil
    }
}
