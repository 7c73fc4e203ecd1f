import OBIS

/// What a VIFE changes about the value in front of it (EN 13757-3, combinable VIFE codes).
enum CombinableExtension: Hashable, Sendable {
    case nothing
    /// The meter could not give the value.
    case error(String)
    /// Which of several values it is.
    case named(String)
    /// A value per something: the unit gets a suffix.
    case per(String, suffix: String)
    case phase(ValueInformation.Phase)
    case direction(ValueInformation.Direction)
    /// By a power of ten.
    case scaled(Int)
    /// A power of ten of the unit is added.
    case added(Int)
    /// How often something happened, instead of the value.
    case counted(String)
    /// How long something lasted, instead of the value.
    case lasting(String, Unit)
    /// When something happened, instead of the value.
    case timed(String)

    /// - Parameter field: without its extension bit, and neither 7C nor 7F.
    init(_ field: UInt8) {
        switch field {
        case 0x00: self = .nothing
        case 0x12: self = .named("average")
        case 0x13: self = .named("inverse compact profile")
        case 0x14: self = .named("relative deviation")
        case 0x1D: self = .named("standard conform data")
        case 0x1E: self = .named("compact profile with registers")
        case 0x1F: self = .named("compact profile")
        case 0x01...0x1F: self = .error(Self.recordErrors[field] ?? "record error \(field)")
        case 0x20...0x38: self = Self.relative(field)
        case 0x39: self = .timed("start")
        case 0x3A: self = .named("uncorrected")
        case 0x3B: self = .direction(.forward)
        case 0x3C: self = .direction(.backward)
        case 0x3D: self = .named("non-metric")
        case 0x3E: self = .named("base conditions")
        case 0x3F: self = .named("OBIS declaration")
        case 0x40...0x6F: self = Self.limit(field)
        case 0x70...0x77: self = .scaled(Int(field & 7) - 6)
        case 0x78...0x7B: self = .added(Int(field & 3) - 3)
        case 0x7D: self = .scaled(3)
        case 0x7E: self = .named("future")
        default: self = .named(Self.unknown(field))
        }
    }

    private static func unknown(_ field: UInt8) -> String { "extension \(Hexadecimal.text(UInt64(field), digits: 2))" }

    /// What a meter says instead of a value, such as 02 "storage number not implemented".
    private static let recordErrors: [UInt8: String] = [
        0x01: "too many DIFE", 0x02: "storage number not implemented", 0x03: "subunit not implemented",
        0x04: "tariff not implemented", 0x05: "function not implemented", 0x06: "data class not implemented",
        0x07: "data size not implemented", 0x0B: "too many VIFE", 0x0C: "illegal VIF group",
        0x0D: "illegal VIF exponent", 0x0E: "VIF does not fit DIF", 0x0F: "action not implemented",
        0x15: "no data available", 0x16: "data overflow", 0x17: "data underflow", 0x18: "data error",
        0x1C: "premature end of record",
    ]

    private static func relative(_ field: UInt8) -> CombinableExtension {
        switch field {
        case 0x28, 0x29: return .named("per input pulse \(field & 1)")
        case 0x2A, 0x2B: return .named("per output pulse \(field & 1)")
        case 0x36: return .per("times s", suffix: ".s")
        case 0x37: return .per("times s/V", suffix: ".s/V")
        case 0x38: return .per("times s/A", suffix: ".s/A")
        default:
            guard let divisor = divisors[field] else { return .named(unknown(field)) }
            return .per("per \(divisor)", suffix: "/\(divisor)")
        }
    }

    private static let divisors: [UInt8: String] = [
        0x20: "s", 0x21: "min", 0x22: "h", 0x23: "d", 0x24: "wk", 0x25: "mo", 0x26: "a", 0x27: "revolution",
        0x2C: "l", 0x2D: "m3", 0x2E: "kg", 0x2F: "K", 0x30: "kWh", 0x31: "GJ", 0x32: "kW", 0x33: "(K.l)", 0x34: "V",
        0x35: "A",
    ]

    /// Limits, how often and how long they were exceeded, and when: bit 3 upper, bit 2 last, bit 0 end.
    private static func limit(_ field: UInt8) -> CombinableExtension {
        let side = field & 8 == 0 ? "lower" : "upper"
        let place = field & 4 == 0 ? "first" : "last"
        let edge = field & 1 == 0 ? "begin" : "end"
        let unit = [Unit.second, .minute, .hour, .day][Int(field & 3)]
        switch field {
        case 0x40, 0x48: return .named("\(side) limit")
        case 0x41, 0x49: return .counted("exceeds of \(side) limit")
        case 0x42, 0x43, 0x46, 0x47, 0x4A, 0x4B, 0x4E, 0x4F: return .timed("\(edge) of \(place) \(side) limit exceed")
        case 0x50...0x5F: return .lasting("duration of \(place) \(side) limit exceed", unit)
        case 0x60...0x67: return .lasting("duration of \(place)", unit)
        case 0x68: return .named("during lower limit exceed")
        case 0x6C: return .named("during upper limit exceed")
        case 0x69: return .named("leakage")
        case 0x6D: return .named("overflow")
        case 0x6A, 0x6B, 0x6E, 0x6F: return .timed("\(edge) of \(place)")
        default: return .named(unknown(field))
        }
    }

    /// The VIFE behind FC (EN 13757-3, extension of the combinable VIFE codes).
    static func second(_ field: UInt8) -> CombinableExtension {
        switch field {
        case 0x01: .phase(.l1)
        case 0x02: .phase(.l2)
        case 0x03: .phase(.l3)
        case 0x04: .phase(.neutral)
        case 0x05: .named("L1-L2")
        case 0x06: .named("L2-L3")
        case 0x07: .named("L3-L1")
        case 0x08...0x0B: .named("quadrant \(field - 7)")
        case 0x0C: .named("import less export")
        case 0x10: .named("absolute")
        case 0x11: .named("type C")
        case 0x12: .named("type D")
        case 0x13: .named("to the meter")
        case 0x14: .named("from the meter")
        default: .named("extension FC\(Hexadecimal.text(UInt64(field), digits: 2))")
        }
    }
}
