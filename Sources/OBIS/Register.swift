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
public struct Register: Hashable, Sendable {
    /// The normalised name, nil where the wire carries none.
    public var obis: ObisCode?
    /// The name as printed by a text protocol; nil where it is the canonical spelling.
    public var printedCode: String?
    /// The value in `unit`: scaled where the wire or a profile carries a scale, else the number as sent.
    public var value: RegisterValue
    /// Nil where neither the wire nor a profile names one.
    public var unit: Unit?
    /// The number as sent, before scaling (binary protocols).
    public var wireValue: RegisterValue?
    /// The value exactly as printed, blanks included (text protocols).
    public var text: String?
    /// When the value held, where it carries its own time.
    public var time: MeterTime?
    /// The position, where several values share a name or a list carries no names.
    public var index: Int?
    /// A time stamp printed in front of a value that carries it as its own `time`: readings leave it out.
    public var isTimeOfNext = false
    /// Which record of its telegram it is (M-Bus).
    public var record: RecordIdentity?

    public init(
        obis: ObisCode?, printedCode: String? = nil, value: RegisterValue, unit: Unit? = nil,
        wireValue: RegisterValue? = nil, text: String? = nil, time: MeterTime? = nil, index: Int? = nil,
        record: RecordIdentity? = nil
    ) {
        self.obis = obis
        self.printedCode = printedCode
        self.value = value
        self.unit = unit
        self.wireValue = wireValue
        self.text = text
        self.time = time
        self.index = index
        self.record = record
    }

    /// The name as it stands on the wire.
    public var code: String? { printedCode ?? obis?.description }
}

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
        switch value {
        case .number(let number):
            if let scaled = number.scaled(byPowerOfTen: power) { value = .number(scaled) }
        case .wide(let digits): value = .wide(Self.scaled(digits, byPowerOfTen: power))
        case .text, .flag, .time, .unavailable: break
        }
    }

    /// More digits than 64 bits hold, with the point moved.
    private static func scaled(_ digits: String, byPowerOfTen power: Int) -> String {
        guard digits.allSatisfy(\.isNumber) else { return digits }
        guard power < 0 else { return digits + String(repeating: "0", count: power) }
        let padded = String(repeating: "0", count: max(0, 1 - power - digits.count)) + digits
        return padded.dropLast(-power) + "." + padded.suffix(-power)
    }
}
