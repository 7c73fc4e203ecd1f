import COSEM
import OBIS
import Testing
import Wire

@Suite("Layouts of pushes")
struct PushBodyTests {
    private static let energy = "09 06 01 00 01 08 00 FF"
    private static let voltage = "09 06 01 00 20 07 00 FF"

    // MARK: Pairs

    @Test(
        "a scaler and a unit behind a value belong to it",
        arguments: [
            ("02 02 \(energy) 06 00000064", ["1-0:1.8.0*255 100 -"]),
            ("02 03 \(energy) 06 00000064 02 02 0F 00 16 1E", ["1-0:1.8.0*255 100 Wh"]),
            ("02 03 \(voltage) 12 0903 02 02 0F FF 16 23", ["1-0:32.7.0*255 230.7 V"]),
            ("02 04 \(voltage) 12 0903 0F FF 16 23", ["1-0:32.7.0*255 230.7 V"]),
            (
                "02 06 \(energy) 06 00000001 02 02 0F 03 16 1E \(voltage) 12 00E6 02 02 0F 00 16 23",
                ["1-0:1.8.0*255 1000 Wh", "1-0:32.7.0*255 230 V"]
            ),
            (
                "01 02 02 03 \(energy) 06 00000064 02 02 0F 00 16 1E 02 03 \(voltage) 12 0903 02 02 0F FF 16 23",
                ["1-0:1.8.0*255 100 Wh", "1-0:32.7.0*255 230.7 V"]
            ),
            ("02 01 01 01 02 02 \(energy) 06 00000064", ["1-0:1.8.0*255 100 -"]),
            ("02 03 \(energy) 06 00000064 02 02 0F 00 16 FF", ["1-0:1.8.0*255 100 -"]),
            ("02 03 \(energy) 10 FF9C 02 02 0F FE 16 1B", ["1-0:1.8.0*255 -1.00 W"]),
            ("02 03 \(energy) 06 00000000 02 02 0F FE 16 21", ["1-0:1.8.0*255 0.00 A"]),
            (
                "02 05 09 0C 07E8010F010C223800800000 \(energy) 06 00000001 \(voltage) 12 00E6",
                ["- 2024-01-15T12:34:56 -", "1-0:1.8.0*255 1 -", "1-0:32.7.0*255 230 -"]
            ),
            ("02 02 \(energy) 00", ["1-0:1.8.0*255 null -"]),
            ("02 03 \(energy) 17 43678000 02 02 0F FF 16 23", ["1-0:1.8.0*255 23.15 V"]),
        ] as [(String, [String])])
    func pairs(body: String, expected: [String]) {
        let result = Sample.decode(body: body)
        #expect(result.errors == [])
        #expect(result.telegrams.first?.registers.map(Self.summary) == expected)
        #expect(result.telegrams.first?.list == nil)
        #expect(result.telegrams.first?.warnings == [])
    }

    private static func summary(_ register: Register) -> String {
        let value: String
        switch register.value {
        case .number(let number): value = number.description
        case .wide(let digits): value = "wide " + digits
        case .text(let text): value = text
        case .time(let time): value = time.local
        case .flag(let flag): value = "\(flag)"
        case .unavailable: value = "null"
        }
        return "\(register.code ?? "-") \(value) \(register.unit?.symbol ?? "-")"
    }

    @Test("bare values behind the name of the push have places, as those without a name do")
    func namedBareList() {
        let telegram = Sample.decode(
            body:
                "02 05 09 06 00 06 19 09 00 FF 09 0D 31313233303030303030303031 09 04 150B1100 06 0000DB45 06 0000066B"
        ).telegrams.first
        #expect(telegram?.registers.map(\.index) == [0, 1, 2, 3, 4])
        #expect(telegram?.registers.allSatisfy { $0.obis == nil } == true)
        #expect(telegram?.registers.dropFirst(3).map(\.value) == [.number(56133), .number(1643)])
        #expect(telegram?.list?.hasPrefix("octets,octets,") == true)
        // Codes and values in turns are what they were.
        let pairs = Sample.decode(body: "02 04 09 06 00 06 19 09 00 FF 06 00000001 \(Self.energy) 06 00000064")
        #expect(pairs.telegrams.first?.registers.map(\.code) == ["0-6:25.9.0*255", "1-0:1.8.0*255"])
    }

    @Test("a name whose first two bytes are swapped is one, and a number stays a number")
    func swappedName() {
        let swapped = "06 09 01 00 1F 07 00 FF"
        let telegram = Sample.decode(
            body: "02 02 02 03 \(swapped) 10 00F4 02 02 0F FE 16 21 02 02 \(Self.energy) 06 0901001F")
        #expect(telegram.errors == [])
        #expect(
            telegram.telegrams.first?.registers.map(Self.summary) == [
                "1-0:31.7.0*255 2.44 A", "1-0:1.8.0*255 151060511 -",
            ])
    }

    @Test("a clock without a weekday is one")
    func weekday() {
        let registers = Sample.decode(body: "02 02 09 06 00 00 01 00 00 FF 09 0C 07E30401000D0006FF800000").telegrams
            .first?.registers
        #expect(registers?.map(Self.summary) == ["0-0:1.0.0*255 2019-04-01T13:00:06 -"])
    }

    @Test("a Kamstrup is known by its number, and not by its type")
    func identity() {
        let number = "09 06 01 01 00 00 05 FF 0A 10 35373036353637333030303030303031"
        let type = "09 06 01 01 60 01 01 FF 0A 12 363834313132314E32303030303030303030"
        let serial = "09 06 00 00 60 01 01 FF 0A 03 414243"
        #expect(Sample.decode(body: "02 04 \(number) \(type)").telegrams.first?.meter.id == "5706567300000001")
        #expect(Sample.decode(body: "02 02 \(type)").telegrams.first?.meter.id == "6841121N2000000000")
        #expect(Sample.decode(body: "02 04 \(number) \(serial)").telegrams.first?.meter.id == "ABC")
    }

    @Test("the number as sent stays beside the scaled one")
    func wireValue() {
        let register = Sample.decode(body: "02 03 \(Self.voltage) 12 0903 02 02 0F FF 16 23").telegrams.first?.registers
            .first
        #expect(register?.wireValue == .number(2307))
        #expect(register?.value == .number(FixedDecimal(2307, exponent: -1)))
    }

    @Test(
        "a scaler that no meter has leaves the value as sent, with a warning",
        arguments: [
            ("1E", true), ("E2", true), ("1F", false), ("E1", false), ("7F", false), ("80", false), ("81", false),
            ("00", true),
        ])
    func scalers(scaler: String, isPossible: Bool) {
        let telegram = Sample.decode(body: "02 03 \(Self.voltage) 12 0007 02 02 0F \(scaler) 16 23").telegrams.first
        let register = telegram?.registers.first
        #expect(telegram?.warnings.count == (isPossible ? 0 : 1))
        #expect(register?.unit == (isPossible ? .volt : nil))
        let power = Int8(bitPattern: UInt8(scaler, radix: 16) ?? 0)
        #expect(register?.value == .number(isPossible ? FixedDecimal(7, exponent: power) : 7))
        #expect(register?.wireValue == .number(7))
    }

    @Test(
        "a number beyond 64 bits keeps its digits and its scale, with a warning",
        arguments: [
            ("00", "18446744073709551615"), ("FD", "18446744073709551.615"), ("03", "18446744073709551615000"),
            ("EB", "0.018446744073709551615"), ("EC", "0.18446744073709551615"),
        ])
    func wide(scaler: String, digits: String) {
        let telegram = Sample.decode(body: "02 03 \(Self.energy) 15 FFFFFFFFFFFFFFFF 02 02 0F \(scaler) 16 1E")
            .telegrams.first
        let register = telegram?.registers.first
        #expect(register?.value == .wide(digits))
        #expect(register?.wireValue == .wide("18446744073709551615"))
        #expect(register?.unit == .wattHour)
        #expect(telegram?.allWarnings.count == 1)
        #expect(telegram?.allWarnings.first?.contains("wide") == true)
    }

    @Test("a structure as value is one register for each of its values")
    func structures() {
        let result = Sample.decode(body: "02 02 \(Self.energy) 02 03 11 01 02 01 11 02 11 03")
        let registers = result.telegrams.first?.registers ?? []
        #expect(registers.map(\.index) == [0, 1, 2])
        #expect(registers.map(\.value) == [.number(1), .number(2), .number(3)])
        #expect(registers.allSatisfy { $0.code == "1-0:1.8.0*255" })
    }

    @Test(
        "six octets that cannot be a code are a value",
        arguments: [
            "31 32 33 34 35 36", "10 00 01 08 00 FF", "FF FF FF FF FF FF", "01 00 01 08 00 80", "01 00 01 08 00 FE",
        ])
    func noCodes(octets: String) {
        let registers = Sample.decode(body: "02 02 09 06 \(octets) 11 05").telegrams.first?.registers ?? []
        #expect(registers.map(\.obis) == [nil, nil])
        #expect(registers.map(\.index) == [0, 1])
    }

    @Test("values without codes are numbered, and their types name the list")
    func bareValues() {
        let telegram = Sample.decode(body: "02 06 12 0001 05 00000002 09 01 41 0A 01 42 02 01 18 3FF0000000000000 00")
            .telegrams.first
        #expect(telegram?.list == "u16,i32,octets,text,f64,null")
        #expect(telegram?.registers.map(\.index) == [0, 1, 2, 3, 4, 5])
        #expect(telegram?.registers.allSatisfy { $0.obis == nil } == true)
    }

    // MARK: Object lists

    /// A list of objects with their values behind it: class, code, attribute, value.
    private static func objectList(_ objects: [(UInt8, String, UInt8, String)], dropping: Int = 0) -> String {
        let all = [(UInt8(40), "00 08 19 09 00 FF", UInt8(2), "")] + objects
        let definitions = all.map { "02 04 12 00 \(Hex.string([$0.0])) 09 06 \($0.1) 0F \(Hex.string([$0.2])) 12 0000" }
        let values = all.dropFirst().map(\.3).dropLast(dropping)
        let count = Hex.string([UInt8(values.count + 1)])
        return "02 \(count) 01 \(Hex.string([UInt8(all.count)])) " + (definitions + values).joined(separator: " ")
    }

    @Test("a list names the objects of its values")
    func objects() {
        let body = Self.objectList([
            (8, "00 00 01 00 00 FF", 2, "09 0C 07E80715010C22380080 00 80"),
            (1, "00 00 2A 00 00 FF", 2, "09 10 4C475A31303330303030303030303031"),
            (3, "01 00 01 08 00 FF", 2, "06 00000064"), (3, "01 00 20 07 00 FF", 2, "12 00E6"),
        ])
        let result = Sample.decode(body: body)
        #expect(result.errors == [])
        let telegram = result.telegrams.first
        #expect(
            telegram?.registers.map(\.code) == ["0-0:1.0.0*255", "0-0:42.0.0*255", "1-0:1.8.0*255", "1-0:32.7.0*255"])
        #expect(telegram?.list == "0-8:25.9.0*255")
        #expect(telegram?.meterTime?.local == "2024-07-21T12:34:56")
        #expect(telegram?.meter == MeterIdentity(id: "LGZ1030000000001", manufacturer: "LGZ", medium: .electricity))
    }

    @Test("a scaler and unit in the list belongs to the object's value, wherever it stands")
    func scalerInList() {
        for (classID, attribute) in [(3, 3), (4, 3), (5, 4)] as [(UInt8, UInt8)] {
            let value = (classID, "01 00 20 07 00 FF", UInt8(2), "12 0903")
            let scaler = (classID, "01 00 20 07 00 FF", attribute, "02 02 0F FF 16 23")
            let other = (UInt8(3), "01 00 01 08 00 FF", UInt8(2), "06 00000064")
            for order in [[value, scaler, other], [scaler, value, other], [other, scaler, value]] {
                let registers = Sample.decode(body: Self.objectList(order)).telegrams.first?.registers ?? []
                #expect(Set(registers.map(Self.summary)) == ["1-0:32.7.0*255 230.7 V", "1-0:1.8.0*255 100 -"])
            }
        }
    }

    @Test("a value that is a structure spreads over registers of one code")
    func structureInList() {
        let body = Self.objectList([
            (4, "01 00 01 06 00 FF", 2, "02 02 11 01 11 02"), (3, "01 00 01 08 00 FF", 2, "11 03"),
        ])
        let registers = Sample.decode(body: body).telegrams.first?.registers ?? []
        #expect(registers.map(\.code) == ["1-0:1.6.0*255", "1-0:1.6.0*255", "1-0:1.8.0*255"])
        #expect(registers.map(\.value) == [.number(1), .number(2), .number(3)])
        #expect(registers.map(\.index) == [0, 1, nil])
    }

    @Test("a list and values that do not belong together are refused")
    func mismatch() {
        let objects: [(UInt8, String, UInt8, String)] = [
            (3, "01 00 01 08 00 FF", 2, "06 00000064"), (3, "01 00 02 08 00 FF", 2, "06 00000065"),
        ]
        #expect(Sample.decode(body: Self.objectList(objects)).telegrams.count == 1)
        for dropping in 1...2 {
            let result = Sample.decode(body: Self.objectList(objects, dropping: dropping))
            #expect(result.telegrams == [])
            #expect(result.codes == [.malformed])
        }
        let more = "02 04 01 03" + Self.objectList(objects).dropFirst(11) + " 11 09"
        let result = Sample.decode(body: more)
        #expect(result.telegrams == [])
        #expect(result.codes == [.malformed])
    }

    @Test(
        "an entry of the list that is no object is refused",
        arguments: ["11 05", "02 01 12 0003", "02 04 12 0003 09 06 313233343536 0F 02 12 0000"])
    func noObject(entry: String) {
        let body = "02 02 01 02 02 04 12 0028 09 06 0008190900FF 0F 02 12 0000 \(entry) 11 07"
        let result = Sample.decode(body: body)
        #expect(result.telegrams == [])
        #expect(result.codes == [.malformed])
    }

    // MARK: Attribute descriptors

    /// The layout of some Sagemcom meters: descriptors without tags.
    private static func descriptors(_ entries: [(String, String)]) -> String {
        "02 02 16 01 01 \(Hex.string([UInt8(entries.count)])) "
            + entries.map { "02 02 00 03 \($0.0) 02 \($0.1)" }.joined(separator: " ")
    }

    @Test("attribute descriptors without tags name the values behind them")
    func descriptorList() {
        let body = Self.descriptors([
            ("01 00 01 08 00 FF", "06 00000064"), ("00 00 60 01 00 FF", "09 08 3132333435363738"),
            ("01 00 20 07 00 FF", "02 02 12 00E6 12 00E7"),
        ])
        let result = Sample.decode(body: body)
        #expect(result.errors == [])
        let registers = result.telegrams.first?.registers ?? []
        #expect(
            registers.map(Self.summary) == [
                "1-0:1.8.0*255 100 -", "0-0:96.1.0*255 12345678 -", "1-0:32.7.0*255 230 -", "1-0:32.7.0*255 231 -",
            ])
        #expect(result.telegrams.first?.meter.id == "12345678")
    }

    @Test("attribute descriptors cut or with bytes behind them are refused")
    func damagedDescriptors() {
        let entries = ["01", "02", "03"].map { ("01 00 \($0) 08 00 FF", "06 00000064") }
        let body = Sample.hex(Self.descriptors(entries))
        for count in 0..<body.count {
            let result = Sample.decode(Sample.frame(Sample.header + Sample.notification(Array(body.prefix(count)))))
            #expect(result.telegrams == [], "\(count)")
            #expect(result.errors.count == 1, "\(count)")
        }
        #expect(Sample.decode(Sample.frame(Sample.header + Sample.notification(body + [0]))).telegrams == [])
    }

    // MARK: The notification

    @Test("the time of the header comes without a tag, with one, or not at all")
    func headerTime() {
        let time = Sample.hex("07E8010F010C223800800000")
        for (header, text) in [
            ([0x0C] + time, "2024-01-15T12:34:56"), ([0x09, 0x0C] + time, "2024-01-15T12:34:56"), ([0x00], nil),
            ([0x09, 0x00], nil),
            ([0x0C] + Array(repeating: 0xFF, count: 12), nil),
        ] as [([UInt8], String?)] {
            let result = Sample.decode(Sample.frame(Sample.header + Sample.notification("11 05", time: header)))
            #expect(result.telegrams.first?.meterTime?.local == text)
            #expect(result.telegrams.count == 1)
        }
        for header in [[0x0B] + time, [0x01], [0x0D] + time, [0xFF], [0x09, 0x09]] as [[UInt8]] {
            let result = Sample.decode(Sample.frame(Sample.header + Sample.notification("11 05", time: header)))
            #expect(result.telegrams == [])
            #expect(result.codes == [.malformed])
        }
    }

    @Test("a message cut anywhere is refused, and so is one with bytes behind it")
    func cut() {
        let message = Sample.notification(
            "02 02 \(Self.energy) 06 00000064", time: [0x0C] + Sample.hex("07E8010F010C223800800000"))
        for count in 0..<message.count {
            let result = Sample.decode(Sample.frame(Sample.header + message.prefix(count)))
            #expect(result.telegrams == [], "\(count)")
            #expect(result.errors.count == 1, "\(count)")
        }
        for tail in [[0x00], [0xE6], [0xE6, 0xE7], [0x0F], [0x7E]] as [[UInt8]] {
            let result = Sample.decode(Sample.frame(Sample.header + message + tail))
            #expect(result.telegrams == [], "\(tail)")
        }
    }

    @Test(
        "the best name wins",
        arguments: [
            (["00 00 60 01 00 FF": "A1", "00 00 2A 00 00 FF": "LGZ7"], "LGZ7", "LGZ"),
            (["00 00 60 01 01 FF": "B2", "00 00 60 01 00 FF": "A1"], "A1", nil),
            (["00 00 60 01 01 FF": "B2"], "B2", nil),
            (["01 00 00 00 05 FF": "C3", "00 00 60 01 01 FF": "B2"], "B2", nil),
            (["00 00 2A 00 00 FF": "x1"], "x1", nil),
            (["00 00 2A 00 00 FF": "lgz1"], "lgz1", nil),
        ] as [([String: String], String, String?)])
    func identity(names: [String: String], id: String, manufacturer: String?) {
        let pairs = names.map { code, text in
            "09 06 \(code) 0A \(Hex.string([UInt8(text.utf8.count)])) \(Hex.string(text.utf8))"
        }
        let body = "02 \(Hex.string([UInt8(pairs.count * 2)])) " + pairs.joined(separator: " ")
        let meter = Sample.decode(body: body).telegrams.first?.meter
        #expect(meter?.id == id)
        #expect(meter?.manufacturer == manufacturer)
    }
}

@Suite("Who sent a push")
struct PushIdentityTests {
    @Test("is the meter itself, not a device behind it")
    func subMeter() {
        let behind = Register(obis: ObisCode(0, 1, 96, 1, 0), value: .text("gas"))
        let own = Register(obis: ObisCode(0, 0, 96, 1, 1), value: .text("1909113"))
        #expect(PushIdentity.identity(of: [behind]).id == nil)
        #expect(PushIdentity.identity(of: [behind, own]).id == "1909113")
    }
}
