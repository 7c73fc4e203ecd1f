import OBIS
import Testing

@Suite("Register")
struct RegisterTests {
    /// A value as sent, a power of ten, and the value with it.
    private static let rows: [(name: String, value: RegisterValue, power: Int, expected: RegisterValue)] = [
        ("nothing to do", .number(1234), 0, .number(1234)),
        ("decimals appear", .number(1234), -3, .number(FixedDecimal(1234, exponent: -3))),
        ("zeros appear", .number(1234), 3, .number(1_234_000)),
        ("decimals go on", .number(FixedDecimal(15, exponent: -1)), -2, .number(FixedDecimal(15, exponent: -3))),
        ("the sign stays", .number(-5), -1, .number(FixedDecimal(-5, exponent: -1))),
        ("zero keeps its decimals", .number(0), -2, .number(FixedDecimal(0, exponent: -2))),
        ("all 64 bits", .number(FixedDecimal(.max)), -30, .number(FixedDecimal(.max, exponent: -30))),
        ("a number that 64 bits do not hold", .wide("18446744073709551615"), -3, .wide("18446744073709551.615")),
        ("the same without decimals", .wide("18446744073709551615"), 0, .wide("18446744073709551615")),
        ("the same, larger", .wide("18446744073709551615"), 2, .wide("1844674407370955161500")),
        ("as many decimals as digits", .wide("18446744073709551615"), -20, .wide("0.18446744073709551615")),
        ("more decimals than digits", .wide("18446744073709551615"), -22, .wide("0.0018446744073709551615")),
        ("digits that are none", .wide("1e20"), -3, .wide("1e20")),
        ("text", .text("0123"), -3, .text("0123")),
        ("a flag", .flag(true), -3, .flag(true)),
        ("no value", .unavailable, -3, .unavailable),
    ]

    @Test("is scaled exactly, and only where it is a number", arguments: rows.indices)
    func scaled(row: Int) {
        let (name, value, power, expected) = Self.rows[row]
        var register = Register(obis: ObisCode(1, 0, 1, 8, 0), value: value, wireValue: value)
        register.scale(byPowerOfTen: power, unit: .wattHour)
        #expect(register.value == expected, "\(name)")
        // Equal numbers may differ in their digits.
        #expect(register.value.number?.description == expected.number?.description, "\(name)")
        #expect(register.unit == .wattHour && register.wireValue == value, "\(name)")
    }

    @Test("stays as sent where its scale cannot be written")
    func overflow() {
        let value = RegisterValue.number(FixedDecimal(5, exponent: -120))
        var register = Register(obis: nil, value: value)
        register.scale(byPowerOfTen: -30, unit: nil)
        #expect(register.value.number?.exponent == value.number?.exponent && register.unit == nil)
    }

    @Test("of a time keeps the time")
    func time() throws {
        let time = try #require(MeterTime(year: 2026, month: 1, day: 15, hour: 12, minute: 0, second: 0))
        var register = Register(obis: nil, value: .time(time))
        register.scale(byPowerOfTen: 3, unit: .second)
        #expect(register.value == .time(time))
    }
}
