extension Unit {
    /// The unit of a code in the enumeration that DLMS and SML share (IEC 62056-6-2, 4.3.2, table of units).
    ///
    /// - Returns: nil for a count without unit, and for a code that no unit has.
    public init?(code: UInt8) {
        guard let unit = Self.unit(code) else { return nil }
        self = unit
    }

    private static func unit(_ code: UInt8) -> Unit? {
        switch code {
        case 1: .year
        case 2: .month
        case 3: .week
        case 4: .day
        case 5: .hour
        case 6: .minute
        case 7: .second
        case 8: .degree
        case 9: .degreeCelsius
        case 11: .metre
        case 12: .other("m/s")
        case 13, 14: .cubicMetre
        case 15, 16: .cubicMetrePerHour
        case 17, 18: .other("m3/d")
        case 19: .litre
        case 20: .kilogram
        case 21: .other("N")
        case 22: .other("Nm")
        case 23: .pascal
        case 24: .bar
        case 25: .joule
        case 26: .other("J/h")
        case 27: .watt
        case 28: .voltAmpere
        case 29: .var
        case 30: .wattHour
        case 31: .voltAmpereHour
        case 32: .varHour
        case 33: .ampere
        case 34: .other("C")
        case 35: .volt
        case 36: .other("V/m")
        case 37: .other("F")
        case 38: .ohm
        case 39: .other("ohm.m2/m")
        case 40: .other("Wb")
        case 41: .other("T")
        case 42: .other("A/m")
        case 43: .other("H")
        case 44: .hertz
        case 45: .other("1/Wh")
        case 46: .other("1/varh")
        case 47: .other("1/VAh")
        case 48: .other("V2h")
        case 49: .other("A2h")
        case 50: .other("kg/s")
        case 51: .other("S")
        case 52: .kelvin
        case 53: .other("1/V2h")
        case 54: .other("1/A2h")
        case 55: .other("1/m3")
        case 56: .percent
        case 57: .other("Ah")
        case 60: .other("Wh/m3")
        case 61: .other("J/m3")
        case 62: .other("Mol%")
        case 63: .other("g/m3")
        case 64: .other("Pa.s")
        case 65: .other("J/kg")
        case 70: .other("dBm")
        case 71: .other("dBuV")
        case 72: .other("dB")
        default: nil
        }
    }
}
