import OBIS
import Wire

/// What one record says: its value, and what is odd about it.
struct RecordContent: ~Copyable {
    private(set) var value = RegisterValue.unavailable
    private(set) var wireValue: RegisterValue?
    /// The point in time that the record holds, where it holds one.
    private(set) var time: TimePoint?
    /// Behind the name of the record.
    private(set) var warning: String?

    init(_ field: borrowing DataField, as information: borrowing ValueInformation) {
        if let reason = information.recordError {
            warning = "the meter reports \(reason)"
        } else if information.kind == .time, field.coding == .integer {
            time = field.time
            value = time?.registerValue ?? .unavailable
        } else if information.kind == .flags, let bits = field.unsigned {
            value = bits
            wireValue = bits
        } else if let number = field.number {
            take(number, of: field, as: information)
        } else {
            value = .text(field.text)
        }
    }

    private mutating func take(
        _ number: DataField.Number, of field: borrowing DataField, as information: borrowing ValueInformation
    ) {
        switch number {
        case .number(let sent):
            wireValue = .number(sent)
            if let scaled = Self.scaled(sent, information) {
                value = .number(scaled)
            } else {
                warning = "\(sent) does not fit 64 bits with its scale"
            }
        case .unavailable: break
        case .damaged: warning = "\(field.digits) are no decimal digits"
        }
    }

    private static func scaled(_ sent: FixedDecimal, _ information: borrowing ValueInformation) -> FixedDecimal? {
        guard let scaled = sent.scaled(byPowerOfTen: information.power) else { return nil }
        return information.addend.map { scaled.adding($0) } ?? scaled
    }
}

/// What the name and the time of a record depend on.
struct RecordMeaning: Hashable, Sendable {
    /// The point in time that the record holds, where it holds one.
    let time: TimePoint?
    let data: DataInformation
    let quantity: Quantity?
    let phase: ValueInformation.Phase?
    let direction: ValueInformation.Direction?
    /// Phase and direction say all that the VIFE do.
    let isPlain: Bool
    /// The unit is W or Wh.
    let isElectrical: Bool

    init(_ data: DataInformation, _ value: borrowing ValueInformation, time: TimePoint?) {
        self.data = data
        quantity = value.quantity
        phase = value.phase
        direction = value.direction
        isPlain = value.isPlain
        isElectrical =
            switch value.unit {
            case .watt, .wattHour: true
            default: false
            }
        self.time = time
    }

    /// Whether it tells the time that the meter's clock shows.
    var isClock: Bool { quantity == .dateTime && isPlain && data.isPresent && data.tariff == 0 }

    /// When other values of the same storage and function were.
    var moment: MeterTime? {
        guard isPlain, quantity == .date || quantity == .dateTime, data.tariff == 0, data.subunit == 0 else {
            return nil
        }
        return time?.moment
    }
}
