import IEC62056
import OBIS
import TestSupport
import Testing
import Wire

@Suite("What P1 telegrams say")
struct P1ContentTests {
    private func number(_ text: String) -> RegisterValue {
        FixedDecimal(text).map { .number($0) } ?? .unavailable
    }

    private func time(
        _ year: Int, _ month: Int, _ day: Int, _ hour: Int, _ minute: Int, _ second: Int, isSummer: Bool?
    ) -> MeterTime? {
        MeterTime(
            year: year, month: month, day: day, hour: hour, minute: minute, second: second,
            isDaylightSaving: isSummer)
    }

    // MARK: Values

    @Test(
        "a value is its number with its unit, and its text as it is printed",
        arguments: [
            ("1-0:1.8.1(000123.450*kWh)", "000123.450", "123.450", Unit.kilowattHour),
            ("1-0:1.8.1(000123.450*kWh )", "000123.450", "123.450", .kilowattHour),
            ("1-0:1.8.1( 000123.450*kWh)", " 000123.450", "123.450", .kilowattHour),
            ("1-0:3.7.0(0000.000*kVAr)", "0000.000", "0.000", .kilovar),
            ("1-0:3.8.0(00001761.087*kVArh)", "00001761.087", "1761.087", .kilovarHour),
            ("1-0:1.7.0(000000286*W)", "000000286", "286", .watt),
            ("0-1:24.2.1(12.345*GJ)", "12.345", "12.345", .gigajoule),
            ("1-0:16.24.0(-03.618*kW)", "-03.618", "-3.618", .kilowatt),
            ("1-0:1.8.0*255(000001.5*kWh)", "000001.5", "1.5", .kilowattHour),
        ])
    func values(_ line: String, _ text: String, _ digits: String, _ unit: Unit) throws {
        let register = try #require(P1.registers(line).first)
        #expect(
            register.code
                == line.prefix { $0 != "(" }.description.replacing(
                    "*255", with: register.printedCode == nil ? "*255" : ""))
        #expect(register.text == text)
        #expect(register.value.number?.description == digits)
        #expect(register.unit == unit && register.index == nil)
    }

    @Test("lines that are no data sets are left out with a warning, the others stay")
    func malformedLines() {
        let telegrams = P1.telegrams(
            P1.telegram([
                "1-0:0.2.0((ER11))", "nonsense", "1-0:1.7.0(00.378*kW)", "1-0:1.8.0(0012", "1-0:2.8.0(0001*Wh)",
            ]))
        #expect(telegrams.map { $0.registers.map(\.text) } == [["(ER11", "00.378", "0001"]])
        #expect(telegrams.first?.warnings.count == 3)
        #expect(P1.errors(P1.telegram(["nonsense"])).map(\.code) == [.malformed])
    }

    @Test("hexadecimal digits go on in the next line")
    func wrapped() {
        let lines = ["0-0:96.13.0(3031", "3233", "3435)", "1-0:1.8.0(0012*Wh)"]
        let telegram = P1.telegrams(P1.telegram(lines)).first
        #expect(telegram?.registers.map(\.text) == ["303132333435", "0012"])
        #expect(telegram?.registers.first?.value == .text("012345"))
        #expect(telegram?.warnings == [])
    }

    // MARK: Times

    static let clocks: [(String, MeterTime?)] = [
        ("0-0:1.0.0(170102161005W)", stamp(false)), ("0-0:1.0.0(170102161005S)", stamp(true)),
        ("0-0:1.0.0(170102161005)", stamp(nil)), ("0-0:1.0.0(20170102 16:10:05)", stamp(nil)),
        ("0-0:1.0.0(171302161005W)", nil), ("0-0:1.0.0(17010216100W)", nil), ("0-0:1.0.0()", nil),
        ("0-0:1.0.0(170230161005)", nil), ("1-0:0.9.4(170102161005)", stamp(nil)),
    ]

    static func stamp(_ isSummer: Bool?) -> MeterTime? {
        MeterTime(year: 2017, month: 1, day: 2, hour: 16, minute: 10, second: 5, isDaylightSaving: isSummer)
    }

    @Test("the clock is read in all of its forms, and nothing else for one", arguments: clocks)
    func clock(_ line: String, _ expected: MeterTime?) throws {
        let telegram = try #require(P1.telegrams(P1.telegram([line])).first)
        #expect(telegram.meterTime == expected)
        #expect(
            telegram.registers.first?.text == line.split(separator: "(").last?.dropLast().description
                || line.hasSuffix("()"))
    }

    @Test("a value behind a time stamp carries it, and the stamp is marked", arguments: ["W", "S", ""])
    func stamped(_ season: String) {
        let registers = P1.registers("0-1:24.2.1(170102161005\(season))(00000.107*m3)")
        let time = Self.stamp(season.isEmpty ? nil : season == "S")
        #expect(registers.map(\.index) == [0, 1])
        #expect(registers.map(\.value) == [time.map { .time($0) }, number("0.107")])
        #expect(registers.map(\.text) == ["170102161005\(season)", "00000.107"])
        #expect(registers.map(\.time) == [nil, time])
        #expect(registers.map(\.isTimeOfNext) == [true, false])
        #expect(registers.last?.unit == .cubicMetre)
    }

    @Test(
        "zero behind a date that no calendar has, or that was before all P1 ports, was never measured",
        arguments: ["632525252525W", "700101010000W", "681027002758S"])
    func neverMeasured(_ stamp: String) {
        let registers = P1.registers("0-1:24.2.1(\(stamp))(00000.000)", "0-2:24.2.1(\(stamp))(00012.000*m3)")
        #expect(
            registers.map(\.value) == [.text(stamp), .unavailable, .text(stamp), number("12.000")])
        #expect(registers.allSatisfy { !$0.isTimeOfNext && $0.time == nil })
    }

    @Test("the power failure log gives each duration its time")
    func powerFailures() {
        let registers = P1.registers(
            "1-0:99.97.0(2)(0-0:96.7.19)(101208152415W)(0000000240*s)(101208151004S)(0000000301*s)")
        #expect(registers.map(\.index) == [0, 1, 2, 3, 4, 5])
        #expect(registers.map(\.isTimeOfNext) == [false, false, true, false, true, false])
        #expect(registers[3].time == time(2010, 12, 8, 15, 24, 15, isSummer: false))
        #expect(registers[5].time == time(2010, 12, 8, 15, 10, 4, isSummer: true))
        #expect(registers[5].value == number("301") && registers[5].unit == .second)
        #expect(P1.registers("1-0:99.97.0(0)(0-0:96.7.19)").map(\.value) == [number("0"), .text("0-0:96.7.19")])
    }

    @Test("a maximum may have its time behind it")
    func timeBehind() {
        let registers = P1.registers("1-0:1.6.0(08.796*kW)(170102161005)")
        #expect(registers.map(\.value) == [number("8.796"), Self.stamp(nil).map { .time($0) }])
        #expect(registers.map(\.time) == [Self.stamp(nil), nil] && registers.allSatisfy { !$0.isTimeOfNext })
        // Nothing else has.
        #expect(P1.registers("1-0:1.7.0(08.796*kW)(170102161005)").map(\.time) == [nil, nil])
        #expect(P1.registers("1-0:1.6.0(08.796*kW)(171302161005)").map(\.time) == [nil, nil])
    }

    @Test(
        "a comma is a point, where it stands between digits",
        arguments: [
            ("000007,4*kW", "7.4"), ("-0,25*kW", "-0.25"), ("1,2,3*kW", nil), (",5*kW", nil), ("5,*kW", nil),
            ("1.0,5*kW", nil),
            ("1,5A*kW", nil),
        ])
    func comma(_ printed: String, _ digits: String?) {
        #expect(P1.registers("1-0:1.7.0(\(printed))").first?.value.number?.description == digits)
    }

    @Test(
        "a version that is printed as the digits of its characters is read",
        arguments: [
            ("0-0:96.1.4(3231313130)", "21110"), ("0-0:96.1.4(50217)", "50217"), ("1-3:0.2.8(50)", "50"),
        ])
    func version(_ line: String, _ version: String) {
        #expect(P1.telegrams(P1.telegram([line])).first?.meter.version == version)
    }

    @Test("of two time stamps a value carries the second")
    func peaks() {
        let registers = P1.registers("0-0:98.1.0(1)(1-0:1.6.0)(1-0:1.6.0)(200501000000S)(200423192538S)(03.695*kW)")
        #expect(registers.map(\.isTimeOfNext) == [false, false, false, false, true, false])
        #expect(registers.last?.time == time(2020, 4, 23, 19, 25, 38, isSummer: true))
    }

    @Test("the hourly gas value of old meters has the code, the unit and the time that stand before it")
    func profile() throws {
        let registers = P1.registers("0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.1)(m3)", "(00024.123)")
        #expect(registers.count == 7 && registers.allSatisfy { $0.code == "0-1:24.3.0" })
        let value = try #require(registers.last)
        #expect(value.obis == ObisCode(0, 1, 24, 2, 1) && value.unit == .cubicMetre && value.value == number("24.123"))
        #expect(value.time == time(2012, 10, 30, 14, 0, 0, isSummer: nil))
        #expect(registers.map(\.isTimeOfNext) == [true, false, false, false, false, false, false])
        let two = P1.registers("0-1:24.3.0(121030140000)(00)(60)(2)(0-1:24.2.1)(m3)", "(00024.123)(00024.124)")
        #expect(two.allSatisfy { $0.unit == nil && $0.obis == ObisCode(0, 1, 24, 3, 0) })
    }

    // MARK: Texts

    @Test(
        "identities and messages are text",
        arguments: [
            ("0-0:96.1.1(4530303434303037313331363530363138)", "E0044007131650618"),
            ("0-0:96.1.1(205A4142463030313531373732373131)", "ZABF00151772711"),
            ("0-1:96.1.1(37464C4F32313139303333373333)", "7FLO2119033733"),
            // An odd number of digits, no letters or digits, too few of them, no hexadecimal digits.
            ("0-0:96.1.1(205C4D246333034353537383234323121)", "205C4D246333034353537383234323121"),
            ("0-0:96.1.1(20202A2020202A2020202A)", "20202A2020202A2020202A"),
            ("0-1:96.1.0(serienummer)", "serienummer"), ("0-0:96.1.0(98765432109876543210)", "98765432109876543210"),
            ("0-0:96.13.1(3031203631203831)", "01 61 81"), ("0-0:96.13.0(4F4B)", "OK"), ("0-0:96.13.0(3)", "3"),
            ("0-0:96.13.0()", ""),
        ])
    func texts(_ line: String, _ text: String) throws {
        let register = try #require(P1.registers(line).first)
        #expect(register.value == .text(text))
        #expect("\(register.code ?? "")(\(register.text ?? ""))" == line)
    }

    @Test(
        "an identity of few digits is a number like any other, and names the meter as printed",
        arguments: [
            ("0-0:96.1.0(09610)", "9610", "09610"), ("0-0:96.1.0(96815390)", "96815390", "96815390"),
            ("0-0:96.1.0(36353433323130)", "36353433323130", "36353433323130"),
            ("0-0:42.0.0(0012345)", "12345", "0012345"), ("1-0:0.0.0(00000000)", "0", nil),
        ] as [(String, String, String?)])
    func numbers(_ line: String, _ number: String, _ id: String?) throws {
        let telegram = try #require(P1.telegrams(P1.telegram([line])).first)
        #expect(telegram.registers.first?.value.number?.description == number)
        #expect(telegram.meter.id == id)
    }

    // MARK: Who

    @Test(
        "the meter is the first of its numbers that says something",
        arguments: [
            (["0-0:96.1.1(4530303434303037313331363530363138)"], "E0044007131650618"),
            (["0-0:96.1.0(12345678)", "0-0:96.1.1(4D413330394D)"], "12345678"),
            (["0-0:96.1.1()", "0-0:96.1.0(0000)", "0-0:42.0.0(ABC123)"], "ABC123"),
            (["1-0:0.0.0(00000000)", "0-0:96.1.0(09610)"], "09610"),
            (["0-1:96.1.0(12345678)"], nil), (["0-0:96.1.1(000000000000)"], nil),
        ])
    func identity(_ lines: [String], _ id: String?) {
        #expect(P1.telegrams(P1.telegram(lines)).map(\.meter.id) == [id])
    }

    @Test(
        "the version is the one that the telegram names, else the identification text",
        arguments: [
            ("/ISK5\\2M550T-1012", "1-3:0.2.8(50)", "ISK", "50"),
            ("/FLU5\\253769484_A", "0-0:96.1.4(50217)", "FLU", "50217"),
            ("/NES5:83335-3E", "1-0:1.7.0(1*W)", "NES", ":83335-3E"), ("/Kam5", "1-0:1.7.0(1*W)", "KAM", nil),
        ])
    func version(_ line: String, _ data: String, _ manufacturer: String, _ version: String?) {
        let meters = P1.telegrams(P1.telegram([data], identification: line)).map(\.meter)
        #expect(meters == [MeterIdentity(manufacturer: manufacturer, medium: .electricity, version: version)])
    }
}
