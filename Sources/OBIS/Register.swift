/// What stands in one register of a meter.
public enum RegisterValue: Hashable, Sendable {
    case number(FixedDecimal)
    /// A number of more than 64 bits, as digits.
    case wide(String)
    case text(String)
    case flag(Bool)
    case time(MeterTime)
    /// The meter said that it has no value. Never zero.
    case unavailable

    /// The exact number, where it is one.
    public var number: FixedDecimal? {
        if case .number(let number) = self { number } else { nil }
    }
}

/// One value of a telegram with its name.
///
/// Telegrams have dozens of them, so the members stand in an order that leaves few gaps between them, and
/// `Optional` is spelled out where `?` would have every one written twice, first with nil.
public struct Register: Hashable, Sendable {
    /// The value in `unit`: scaled where the wire or a profile carries a scale, else the number as sent.
    public var value: RegisterValue
    /// The normalised name, nil where the wire carries none.
    public var obis: Optional<ObisCode>
    /// Nil where neither the wire nor a profile names one.
    public var unit: Optional<Unit>
    /// The number as sent, before scaling (binary protocols).
    public var wireValue: Optional<RegisterValue>
    /// A time stamp printed in front of a value that carries it as its own `time`: readings leave it out.
    public var isTimeOfNext = false
    /// Whether the energy flows in or out, where the value is an amount and the meter says so elsewhere.
    public var flow: Optional<EnergyFlow> = nil
    private var printedName: Optional<String>
    /// The value exactly as printed, blanks included (text protocols).
    public var text: Optional<String>
    /// When the value held, where it carries its own time.
    public var time: Optional<MeterTime>
    /// The position, where several values share a name or a list carries no names.
    public var index: Optional<Int>
    /// Which record of its telegram it is (M-Bus).
    public var record: Optional<RecordIdentity>

    /// Never inlined: what is built here moves to where it stays, while an inlined one is copied there member by member.
    @inline(never)
    public init(
        obis: ObisCode?, printedCode: String? = nil, value: RegisterValue, unit: Unit? = nil,
        wireValue: RegisterValue? = nil, text: String? = nil, time: MeterTime? = nil, index: Int? = nil,
        record: RecordIdentity? = nil
    ) {
        self.obis = obis
        printedName = printedCode
        self.value = value
        self.unit = unit
        self.wireValue = wireValue
        self.text = text
        self.time = time
        self.index = index
        self.record = record
    }

    /// The name as printed by a text protocol, or that of the record; nil where it is the canonical spelling.
    public var printedCode: String? {
        get { printedName ?? record?.code }
        set { printedName = newValue }
    }

    /// What its key is made of, to be compared without making texts.
    struct Name: Hashable, Sendable {
        fileprivate let obis: ObisCode?
        fileprivate let printedName: String?
        fileprivate let record: RecordIdentity?
        fileprivate let index: Int?
    }

    var name: Name { Name(obis: obis, printedName: printedName, record: record, index: index) }

    /// The name as it stands on the wire.
    public var code: String? { printedCode ?? obis?.description }
}

/// Which way energy flows, as the meter sees it.
public enum EnergyFlow: Hashable, Sendable { case importing, exporting }

/// A counter that goes on when the meter is exchanged, by the key of its register.
public struct RegisterTotal: Hashable, Sendable {
    public let key: String
    /// Nil where it is not known at present.
    public let value: FixedDecimal?
    public let unit: Unit?

    public init(key: String, value: FixedDecimal?, unit: Unit?) {
        self.key = key
        self.value = value
        self.unit = unit
    }
}

extension Register {
    /// Gives a number as sent the scale and the unit that the wire carries for it. What is no number gets the unit.
    ///
    /// - Parameter power: within `Limits.scaler`; a number that 64 bits do not hold scaled stays as sent.
    public mutating func scale(byPowerOfTen power: Int, unit: Unit?) {
        self.unit = unit
        value = value.scaled(byPowerOfTen: power)
    }
}

extension RegisterValue {
    /// A number with the point moved; anything else, and a number that cannot be written then, as it is.
    @inlinable
    public func scaled(byPowerOfTen power: Int) -> RegisterValue {
        switch self {
        case .number(let number): .number(number.scaled(byPowerOfTen: power) ?? number)
        case .wide(let digits): .wide(Self.scaled(digits, byPowerOfTen: power))
        case .text, .flag, .time, .unavailable: self
        }
    }

    /// More digits than 64 bits hold, with the point moved.
    @usableFromInline
    static func scaled(_ digits: String, byPowerOfTen power: Int) -> String {
        guard digits.allSatisfy(\.isNumber) else { return digits }
        guard power < 0 else { return digits + String(repeating: "0", count: power) }
        let padded = String(repeating: "0", count: max(0, 1 - power - digits.count)) + digits
        return padded.dropLast(-power) + "." + padded.suffix(-power)
    }
}
