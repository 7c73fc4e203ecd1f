import IEC62056
import OBIS
import Testing
import Wire

@Suite("Data sets")
struct DataSetTests {
    struct Form: Sendable, CustomTestStringConvertible {
        let line: String
        let code: String?
        let obis: String?
        let value: RegisterValue
        let unit: Unit?
        let text: String

        init(_ line: String, _ code: String?, _ obis: String?, _ value: RegisterValue, _ unit: Unit?, _ text: String) {
            (self.line, self.code, self.obis, self.value, self.unit, self.text) = (line, code, obis, value, unit, text)
        }

        var testDescription: String { line }
    }

    static func number(_ text: String) -> RegisterValue { FixedDecimal(text).map { .number($0) } ?? .unavailable }

    static let forms = [
        Form("1.8.0(000123.450*kWh)", "1.8.0", "1-0:1.8.0*255", number("123.450"), .kilowattHour, "000123.450"),
        Form("1-0:1.8.0*255(5)", "1-0:1.8.0*255", "1-0:1.8.0*255", number("5"), nil, "5"),
        Form("32.7(241*V)", "32.7", "1-0:32.7.0*255", number("241"), .volt, "241"),
        Form("1.8.0&01(7)", "1.8.0&01", "1-0:1.8.0*1", number("7"), nil, "7"),
        Form("1.8.0*12(7)", "1.8.0*12", "1-0:1.8.0*12", number("7"), nil, "7"),
        Form("1.8.1.01(7)", "1.8.1.01", "1-0:1.8.1*1", number("7"), nil, "7"),
        Form("F.F(00)", "F.F", "0-0:97.97.0*255", number("00"), nil, "00"),
        Form("C.1(  A7 )", "C.1", "0-0:96.1.0*255", .text("A7"), nil, "  A7 "),
        Form("0.0( 20000)", "0.0", "1-0:0.0.0*255", number("20000"), nil, " 20000"),
        Form("3:171.0(0)", "3:171.0", nil, number("0"), nil, "0"),
        Form("F(0)", "F", nil, number("0"), nil, "0"),
        Form("SN(12)", "SN", nil, number("12"), nil, "12"),
        Form("C.5.0()", "C.5.0", "0-0:96.5.0*255", .text(""), nil, ""),
        Form("31.7.0(+000.8*A)", "31.7.0", "1-0:31.7.0*255", number("0.8"), .ampere, "+000.8"),
        Form("81.7.4(-80.7*Deg)", "81.7.4", "1-0:81.7.4*255", number("-80.7"), .other("Deg"), "-80.7"),
        Form("9.4.0(088*C&082*C)", "9.4.0", "1-0:9.4.0*255", .text("088*C&082"), .other("C"), "088*C&082"),
        Form("1.8.0(013925.5*)", "1.8.0", "1-0:1.8.0*255", number("13925.5"), nil, "013925.5"),
        Form("1.7.0(----)", "1.7.0", "1-0:1.7.0*255", .unavailable, nil, "----"),
        Form("1.7.0(--.---*kW)", "1.7.0", "1-0:1.7.0*255", .unavailable, .kilowatt, "--.---"),
        Form("1.7.0(********)", "1.7.0", "1-0:1.7.0*255", .unavailable, nil, "********"),
        Form("0.9.1(--:--:--)", "0.9.1", "1-0:0.9.1*255", .unavailable, nil, "--:--:--"),
        Form("0.9.1(21:10:29)", "0.9.1", "1-0:0.9.1*255", .text("21:10:29"), nil, "21:10:29"),
        Form("96.5.0(001E05)", "96.5.0", "0-0:96.5.0*255", .text("001E05"), nil, "001E05"),
        Form("0.2.0(V01.69#EEA3546C)", "0.2.0", "1-0:0.2.0*255", .text("V01.69#EEA3546C"), nil, "V01.69#EEA3546C"),
        Form(
            "0.0.0(98765432109876543210)", "0.0.0", "1-0:0.0.0*255", .wide("98765432109876543210"), nil,
            "98765432109876543210"),
        Form("0.3.0(1000*imp/kWh)", "0.3.0", "1-0:0.3.0*255", number("1000"), .other("imp/kWh"), "1000"),
    ]

    @Test("each form of a data set is read", arguments: forms)
    func form(_ form: Form) throws {
        let all = registers(form.line, "1.8.1(1)")
        try #require(all.count == 2)
        let register = all[0]
        #expect(register.code == form.code)
        #expect(register.obis?.description == form.obis)
        #expect(register.value == form.value)
        #expect(register.unit == form.unit)
        #expect(register.text == form.text)
        #expect(register.index == nil)
    }

    @Test("a number keeps every digit that the meter printed")
    func digits() {
        #expect(registers("1.8.0(000123.450*kWh)", "1.8.1(1)").first?.value.number?.description == "123.450")
    }

    @Test("the canonical spelling is not kept twice")
    func canonicalCode() {
        #expect(registers("1-0:1.8.0*255(5)", "1.8.1(1)").map(\.printedCode) == [nil, "1.8.1"])
    }

    @Test("several data sets may stand on one line")
    func severalPerLine() {
        let all = registers("1.8.0(1*kWh)2.8.0(2*kWh)F.F(0)", "1.8.1()1.8.2()")
        #expect(all.map(\.code) == ["1.8.0", "2.8.0", "F.F", "1.8.1", "1.8.2"])
        #expect(all.map(\.index) == [nil, nil, nil, nil, nil])
    }

    @Test("several values of one address are counted, also over lines that have no address")
    func severalValues() {
        let all = registers("P.01(1220823161500)(08)()(kW)", "(0.18374)(0.00078)", "(0.16832)", "1.8.0(7)")
        #expect(all.map(\.code) == Array(repeating: "P.01", count: 7) + ["1.8.0"])
        #expect(all.map(\.index) == [0, 1, 2, 3, 4, 5, 6, nil])
    }

    @Test("an address that is printed again starts counting again")
    func repeatedAddress() {
        #expect(registers("P.98(1)(2)", "P.98(3)(4)").map(\.index) == [0, 1, 0, 1])
    }

    @Test("values without any address have a position and no code")
    func noAddress() {
        let all = telegrams(Sample.block("(1234567)(8)")).first?.registers ?? []
        #expect(all.map(\.code) == [nil, nil])
        #expect(all.map(\.index) == [0, 1])
    }

    @Test("a line that is no data set is left out with a warning when the block check is right")
    func strangeLine() throws {
        let bytes = Sample.block("1.8.0(5*kWh)Y\u{1}\r\nhello\r\n2.8.0(6*kWh)\r\n2.8.1(7\r\n!\r\n")
        let telegram = try #require(telegrams(Sample.bytes(Sample.identification) + bytes).first)
        #expect(telegram.registers.map(\.code) == ["1.8.0", "2.8.0"])
        #expect(telegram.warnings.count == 3)
    }
}

@Suite("Who, what and when")
struct IdentityTests {
    @Test(
        "the meter's number comes from the first code that carries one",
        arguments: [
            (["C.1.0(77)", "0.0.0( 42 )"], "42"),
            (["0.0.0(00000000)", "C.1.0(77)"], "77"),
            (["0.0.0(        )", "C.1(77)"], "77"),
            (["0.0.0(----)", "1-0:96.1.0*255(1EBZ01)"], "1EBZ01"),
            (["0-0:96.1.255*255(0000680476)", "1.8.0(1)"], "0000680476"),
            (["0-0:96.1.3*255(99)", "0-0:96.1.255*255(88)"], "88"),
            (["0-0:96.1.3*255(99)", "1.8.0(1)"], "99"),
            (["0.0.0*01(42)", "1.8.0(1)"], nil),
        ] as [([String], String?)])
    func number(_ lines: [String], _ id: String?) {
        let bytes = Sample.bytes(Sample.identification) + Sample.block(Sample.text(lines) + "!\r\n")
        #expect(telegrams(bytes).first?.meter.id == id)
    }

    @Test(
        "the identification line gives maker and version",
        arguments: [
            ("/LGZ4ZMF100AC.M26", "LGZ", "ZMF100AC.M26"),
            ("/ISk5MT174-0001", "ISK", "MT174-0001"),
            ("/ACE0\\3k260V01.19", "ACE", "k260V01.19"),
            ("/EMH5\\@\\201LZQJL0014E", "EMH", "01LZQJL0014E"),
            ("/KAM MC", "KAM", "MC"),
            ("/ESY5Q3DA1004 V3.04", "ESY", "Q3DA1004 V3.04"),
            ("/ABC5", "ABC", nil),
        ] as [(String, String, String?)])
    func identification(_ line: String, _ manufacturer: String, _ version: String?) {
        let meter = telegrams(Sample.bytes(line + "\r\n\r\n1.8.0(1)\r\n!\r\n")).first?.meter
        #expect(meter?.manufacturer == manufacturer)
        #expect(meter?.version == version)
        #expect(meter?.medium == .electricity)
    }

    @Test(
        "the meter's clock is read where its form has one meaning",
        arguments: [
            ("0.9.1(202405)", "0.9.2(221113)", "2022-11-13T20:24:05"),
            ("1-0:0.9.1*255(201455)", "1-0:0.9.2*255(0170318)", "2017-03-18T20:14:55"),
            ("0.9.1(1235706)", "0.9.2(1220829)", "2022-08-29T23:57:06"),
            ("0.9.1(21:10:29)", "0.9.2(24-03-21)", "2024-03-21T21:10:29"),
            ("0.9.1(21:10:29)", "0.9.2(2024-03-21)", "2024-03-21T21:10:29"),
            ("0.9.4(240321211029)", "0.0(1)", "2024-03-21T21:10:29"),
            ("0.9.4(1240621211029)", "0.0(1)", "2024-06-21T21:10:29"),
            ("0.9.4(24-03-21 21:10:29)", "0.0(1)", "2024-03-21T21:10:29"),
            ("0.9.4(2240321211029)", "0.0(1)", "2024-03-21T21:10:29+00:00"),
            ("0.9.1(211029)", "0.0(1)", nil),
            ("0.9.1(211029)", "0.9.2(240231)", nil),
            ("0.9.1(241029)", "0.9.2(240321)", nil),
            ("0.9.1(211029)", "0.9.2(21.03.24)", nil),
            ("0.9.1(1211029)", "0.9.2(0240321)", nil),
            ("0.9.4(2403212110)", "0.0(1)", nil),
        ] as [(String, String, String?)])
    func clock(_ first: String, _ second: String, _ time: String?) {
        let bytes = Sample.bytes(Sample.identification) + Sample.block(Sample.text([first, second]) + "!\r\n")
        #expect(telegrams(bytes).first?.meterTime?.description == time)
    }

    @Test("the season digit tells daylight saving time")
    func season() {
        let bytes = Sample.block("0.9.1(120000)\r\n0.9.2(1240621)\r\n!\r\n")
        #expect(telegrams(bytes).first?.meterTime?.isDaylightSaving == true)
    }

    @Test("other media are known by value group A")
    func medium() {
        let water = Sample.block("8-0:1.0.0*255(00012.345*m3)\r\n0-0:96.1.0*255(77)\r\n!\r\n")
        #expect(telegrams(water).first?.meter.medium == .water)
    }

    @Test("the codes of a heat meter are not mistaken for reactive energy")
    func heat() throws {
        let block = Sample.block("0.0(5077354)\r\n6.8(00433.65*GJ)\r\n6.26(03052.95*m3)!\r\n")
        let bytes = Sample.bytes("/KAM MC\r\n") + block
        let telegram = try #require(telegrams(bytes).first)
        #expect(telegram.meter.medium == .heat)
        #expect(telegram.registers.map(\.code) == ["0.0", "6.8", "6.26"])
        #expect(telegram.registers.map(\.obis) == [nil, ObisCode(6, 0, 1, 0, 0), ObisCode(6, 0, 2, 0, 0)])
        #expect(telegram.registers.map(\.unit) == [nil, .gigajoule, .cubicMetre])
        #expect(telegram.meter.id == "5077354")
    }

    @Test("a heat meter without a number of its own has that of its device, and periods in minutes")
    func ultraheat() throws {
        let block = Sample.block("6.8(0071956*kWh)6.26(01087.18*m3)9.21(70376057)\r\n6.35(60*m)6.6(0022.4*kW)\r\n!\r\n")
        let telegram = try #require(telegrams(Sample.bytes("/LUGCUH50\r\n") + block).first)
        #expect(telegram.meter.id == "70376057" && telegram.meter.medium == .heat)
        #expect(telegram.registers.map(\.code) == ["6.8", "6.26", "9.21", "6.35", "6.6"])
        #expect(telegram.registers.map(\.unit) == [.kilowattHour, .cubicMetre, nil, .minute, .kilowatt])
        #expect(telegram.registers.compactMap(\.obis).count == 2)
    }
}
