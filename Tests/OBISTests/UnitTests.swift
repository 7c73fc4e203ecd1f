@testable import OBIS
import Testing

@Suite("Unit")
struct UnitTests {
    @Test(
        "converts by moving the point",
        arguments: [
            ("1234567", .wattHour, .kilowattHour, "1234.567"), ("1.25", .megawattHour, .kilowattHour, "1250"),
            ("1", .gigawattHour, .wattHour, "1000000000"), ("123.450", .kilowattHour, .wattHour, "123450"),
            ("2.81", .kilowatt, .watt, "2810"), ("-2810", .watt, .kilowatt, "-2.810"), ("0.4", .kilovar, .var, "400"),
            ("3", .megavarHour, .kilovarHour, "3000"), ("7", .voltAmpereHour, .kilovoltAmpereHour, "0.007"),
            ("1.5", .kilovoltAmpere, .voltAmpere, "1500"), ("350", .milliampere, .ampere, "0.350"),
            ("0.4", .kilovolt, .volt, "400"), ("1.234", .cubicMetre, .litre, "1234"),
            ("9", .litre, .cubicMetre, "0.009"),
            ("60", .litrePerHour, .cubicMetrePerHour, "0.060"), ("2", .bar, .pascal, "200000"),
            ("3.6", .gigajoule, .megajoule, "3600"), ("0", .wattHour, .kilowattHour, "0.000"),
            ("5", .hertz, .hertz, "5"),
        ] as [(String, OBIS.Unit, OBIS.Unit, String)])
    func conversion(text: String, from: OBIS.Unit, to: OBIS.Unit, expected: String) throws {
        let value = try #require(FixedDecimal(text))
        #expect(from.convert(value, to: to)?.description == expected)
    }

    @Test(
        "does not convert where that is not exact or not the same quantity",
        arguments: [
            (.megajoule, .kilowattHour), (.wattHour, .joule), (.wattHour, .watt), (.var, .watt), (.voltAmpere, .watt),
            (.varHour, .wattHour), (.degreeCelsius, .kelvin), (.hour, .second), (.day, .hour), (.cubicMetre, .kilogram),
            (.cubicMetre, .cubicMetrePerHour), (.volt, .ampere), (.percent, .degree), (.other("x"), .wattHour),
            (.wattHour, .other("Wh/imp")), (.second, .minute),
        ] as [(OBIS.Unit, OBIS.Unit)])
    func noConversion(from: OBIS.Unit, to: OBIS.Unit) {
        #expect(from.convert(1, to: to) == nil)
        #expect(to.convert(1, to: from) == nil)
    }

    @Test("any conversion that exists goes back to the same digits, and every unit is itself")
    func thereAndBack() {
        let value = FixedDecimal(123_450, exponent: -3)
        for from in OBIS.Unit.known {
            #expect(from.convert(value, to: from)?.description == "123.450")
            for to in OBIS.Unit.known {
                guard let there = from.convert(value, to: to) else {
                    #expect(to.convert(value, to: from) == nil, "\(to) to \(from) only one way")
                    continue
                }
                let back = to.convert(there, to: from)
                #expect(back?.mantissa == value.mantissa && back?.exponent == value.exponent, "\(from) to \(to)")
            }
        }
        #expect(OBIS.Unit.other("kg/s").convert(value, to: .other("kg/s")) == value)
    }

    @Test("a conversion beyond the exponent is nil")
    func beyond() {
        #expect(OBIS.Unit.megawattHour.convert(FixedDecimal(1, exponent: 125), to: .wattHour) == nil)
        #expect(OBIS.Unit.wattHour.convert(FixedDecimal(1, exponent: -126), to: .kilowattHour) == nil)
    }

    @Test("every spelling reads as its unit, blanks around it or not")
    func spellings() {
        for unit in OBIS.Unit.known {
            #expect(OBIS.Unit(printed: unit.symbol) == unit)
            #expect(OBIS.Unit(printed: " \t\(unit.symbol) \r\n") == unit)
        }
        #expect(Set(OBIS.Unit.known.map(\.symbol)).count == OBIS.Unit.known.count)
    }

    @Test(
        "the common other spellings are known, and the rest is kept",
        arguments: [
            ("kVAr", .kilovar), ("kVArh", .kilovarHour), ("VAr", .var), ("VArh", .varHour), ("Cel", .degreeCelsius),
            ("kwh", .other("kwh")), ("Imp/kWh", .other("Imp/kWh")), ("€", .other("€")),
        ] as [(String, OBIS.Unit)])
    func otherSpellings(text: String, unit: OBIS.Unit) {
        #expect(OBIS.Unit(printed: text) == unit)
    }

    @Test(
        "what is spelled otherwise is converted as what it is, where that leaves no doubt",
        arguments: [
            ("KWh", .kilowattHour, true), ("kwh", .kilowattHour, true), ("KWH", .kilowattHour, true),
            ("kVar", .kilovar, true), ("KVARH", .kilovarHour, true), ("MVARh", .megavarHour, true),
            ("kw", .kilowatt, true), ("HZ", .hertz, true), ("m3ph", .cubicMetrePerHour, true),
            ("mWh", .megawattHour, false), ("MA", .milliampere, false), ("a", .ampere, false), ("w", .watt, false),
            ("M3", .cubicMetre, false),
        ] as [(String, OBIS.Unit, Bool)])
    func otherwise(text: String, unit: OBIS.Unit, isMeant: Bool) {
        let printed = OBIS.Unit(printed: text)
        #expect(printed?.symbol == text)
        #expect(printed?.convert(5, to: unit) == (isMeant ? 5 : nil))
    }

    @Test("an empty text is no unit", arguments: ["", " ", "\t\r\n"])
    func empty(text: String) {
        #expect(OBIS.Unit(printed: text) == nil)
    }
}
