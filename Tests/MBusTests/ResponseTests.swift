import MBus
import OBIS
import Testing
import Wire

@Suite("Answers of a meter")
struct ResponseTests {
    @Test("say who sent them")
    func identity() throws {
        var header = Answer.header
        header[9] = 0x27
        let response = try Answer.decode("04 03 D2040000", header: header).get()
        #expect(
            response.telegram.meter
                == MeterIdentity(
                    id: "12345678", manufacturer: "OBI", medium: .electricity, version: "1", accessNumber: 42,
                    status: 0x27))
        #expect(response.secondaryAddress?.description == "12345678/OBI/01/02" && response.address == 1)
        #expect(response.moreRecordsFollow == false)
    }

    @Test("keep digits that are none, and name no maker where there is none")
    func oddIdentity() throws {
        let meter = try Answer.decode("", header: Answer.bytes("3E020005 0000 12 02 13 00 0000")).get().telegram.meter
        #expect(meter.id == "0500023E" && meter.manufacturer == nil)
    }

    static let media: [(UInt8, Medium)] = [
        (0x00, .other), (0x01, .other), (0x02, .electricity), (0x03, .gas), (0x04, .heat), (0x06, .water),
        (0x07, .water), (0x08, .other), (0x0A, .heat), (0x0B, .heat), (0x0C, .heat), (0x0D, .heat), (0x15, .water),
        (0x16, .water), (0xFF, .other),
    ]

    @Test("say what is measured", arguments: media)
    func medium(code: UInt8, medium: Medium) throws {
        #expect(try Answer.telegram("", medium: code).meter.medium == medium)
    }

    @Test("say that more follow")
    func more() throws {
        let response = try Answer.decode("04 03 D2040000 1F AB").get()
        #expect(response.moreRecordsFollow && response.telegram.registers.count == 2)
        #expect(try Answer.decode("04 03 D2040000 0F AB").get().moreRecordsFollow == false)
    }

    // MARK: Other headers

    @Test("with the most significant byte first say the same")
    func reversed() throws {
        let little = try Answer.decode("04 03 D2040000 0D FD11 03 434241 02 6C BF1C").get()
        let big = try Answer.decode(
            "04 03 000004D2 0D FD11 03 414243 02 6C 1CBF", header: Answer.bytes("12345678 3C49 01 02 2A 00 0000"),
            information: 0x76
        ).get()
        #expect(big == little)
    }

    @Test("with a short header and without one are read, without a name")
    func shortHeader() throws {
        let short = try Answer.decode("04 03 D2040000", header: Answer.bytes("2A 10 0000"), information: 0x7A).get()
        #expect(short.telegram.meter == MeterIdentity(accessNumber: 42, status: 0x10))
        #expect(short.telegram.registers.first?.value == .number(1234) && short.secondaryAddress == nil)
        let none = try Answer.decode("04 03 D2040000", header: [], information: 0x78).get()
        #expect(none.telegram.meter == MeterIdentity() && none.telegram.registers.first?.value == .number(1234))
    }

    @Test("of the fixed structure have two counters")
    func fixedStructure() throws {
        let telegram = try Answer.decode(
            "78563412 0A 00 E9 7E 01000000 35010000", header: [], information: 0x73
        ).get().telegram
        #expect(telegram.meter == MeterIdentity(id: "12345678", medium: .water, accessNumber: 10, status: 0))
        #expect(telegram.registers.map(\.printedCode) == ["volume", "volume_historic"])
        #expect(telegram.registers.map(\.value.number?.description) == ["0.001", "0.135"])
        #expect(telegram.registers.map(\.obis) == [ObisCode(8, 0, 1, 0, 0), nil])
        let binary = try Answer.decode(
            "12345678 0A 01 82 03 00000102 FFFFFFFE", header: [], information: 0x77
        ).get().telegram
        #expect(binary.registers.map(\.value) == [.number(258), .number(-20)])
        #expect(binary.registers.map(\.unit) == [.wattHour, .wattHour] && binary.meter.medium == .electricity)
        let stored = try Answer.decode("78563412 0A 03 05 69 01000000 02000000", header: [], information: 0x73).get()
        #expect(stored.telegram.registers.map(\.printedCode) == ["energy_historic", "volume_historic"])
        #expect(stored.telegram.registers.map(\.value) == [.number(1000), .number(FixedDecimal(2, exponent: -3))])
    }

    /// The two bits of each unit's byte, and what they make.
    static let fixedMedia: [(first: String, second: String, medium: Medium, code: String?)] = [
        ("85", "00", .electricity, "1-0:1.8.0*255"), ("E9", "00", .gas, "7-0:3.0.0*255"),
        ("05", "40", .heat, "6-0:1.0.0*255"),
        ("A9", "40", .water, "9-0:1.0.0*255"), ("E9", "40", .water, "8-0:1.0.0*255"),
        // A to D are the same in "mode 2".
        ("A9", "80", .gas, "7-0:3.0.0*255"), ("C5", "80", .heat, "6-0:1.0.0*255"),
        ("29", "C0", .water, "9-0:1.0.0*255"),
        ("69", "C0", .water, "8-0:1.0.0*255"), ("A9", "C0", .other, nil),
    ]

    @Test("of the fixed structure have media of their own", arguments: fixedMedia.indices)
    func fixedMedium(index: Int) throws {
        let (first, second, medium, code) = Self.fixedMedia[index]
        let telegram = try Answer.decode(
            "78563412 0A 00 \(first) \(second) 01000000 00000000", header: [], information: 0x73
        ).get().telegram
        #expect(telegram.meter.medium == medium && telegram.registers.first?.obis?.description == code)
    }

    static let fixedUnits: [(String, String, String, String?)] = [
        ("02", "energy", "1", "Wh"), ("0A", "energy", "100000000", "Wh"), ("0B", "energy", "1000", "J"),
        ("13", "energy", "100000000000", "J"), ("14", "power", "1", "W"), ("1D", "power", "1000", "J/h"),
        ("25", "power", "100000000000", "J/h"), ("26", "volume", "0.000001", "m3"), ("2E", "volume", "100", "m3"),
        ("2F", "volume_flow", "0.000001", "m3/h"), ("37", "volume_flow", "100", "m3/h"),
        ("38", "temperature", "0.001", "degC"), ("39", "counter", "1", nil), ("3F", "counter", "1", nil),
    ]

    @Test("of the fixed structure have units of their own", arguments: fixedUnits)
    func fixedUnit(code: String, name: String, value: String, unit: String?) throws {
        let register = try #require(
            try Answer.decode("78563412 0A 01 \(code) 3F 01000000 00000000", header: [], information: 0x73).get()
                .telegram.registers.first)
        #expect(register.printedCode == name && register.value.number?.description == value)
        #expect(register.unit?.symbol == unit)
    }

    static let refused: [(String, UInt8, WireError.Code)] = [
        ("", 0x70, .meterError), ("08", 0x70, .meterError), ("FF", 0x70, .meterError), ("03", 0x71, .meterError),
        ("785634", 0x72, .truncated), ("2A1000", 0x7A, .truncated), ("785634120A00E97E0100000035", 0x73, .truncated),
        ("785634120A00E97E010000003501000000", 0x73, .malformed), ("04030100", 0x78, .truncated),
        ("00", 0x50, .unsupported), ("00", 0x51, .unsupported), ("00", 0x52, .unsupported), ("00", 0x0F, .unsupported),
        ("00", 0x80, .unsupported), ("", 0xB8, .unsupported),
    ]

    @Test("that are none are refused", arguments: refused)
    func wrongContents(data: String, information: UInt8, code: WireError.Code) {
        guard case .failure(let error) = Answer.decode(data, header: [], information: information) else {
            Issue.record("taken")
            return
        }
        #expect(error.code == code)
    }

    @Test("name the error that the meter reports")
    func reports() {
        guard case .failure(let error) = Answer.decode("08", header: [], information: 0x70) else { return }
        #expect(error.message == "the meter reports: too busy for a readout")
    }

    // MARK: Encryption

    /// Mode 5, two blocks of 16 bytes.
    private static let encrypted = Answer.bytes("78563412 493C 01 02 2A 00 2005")
    private static let plain = Answer.bytes(
        "2F2F 04 03 D2040000 0C 78 78563412 2F2F2F2F 02 2B 0100 2F2F2F2F2F2F2F2F2F2F")

    @Test("that are encrypted are opened with the vector of the header; what is behind the blocks is plain")
    func opened() throws {
        let ciphertext = String(repeating: "AA", count: 32)
        let response = try Answer.decode(ciphertext + "01 FD17 05", header: Self.encrypted) {
            (bytes, vector) throws(WireError) in
            let isRight =
                bytes == [UInt8](repeating: 0xAA, count: 32)
                && vector == Answer.bytes("493C 78563412 01 02 2A2A2A2A2A2A2A2A")
            return isRight ? Self.plain : []
        }.get()
        #expect(
            response.telegram.registers.map(\.printedCode) == ["energy", "fabrication_number", "power", "error_flags"])
    }

    @Test("that do not open are refused whole, with the sender's name")
    func notOpened() {
        let ciphertext = String(repeating: "AA", count: 32)
        func error(_ records: String, _ configuration: String, _ decipher: Decipher?) -> WireError? {
            let header = Answer.header[..<10] + Answer.bytes(configuration)
            guard case .failure(let error) = Answer.decode(records, header: Array(header), decipher: decipher) else {
                return nil
            }
            return error
        }
        let missing = error(ciphertext, "2005", nil)
        #expect(missing?.code == .keyMissing && missing?.message.contains("12345678/OBI/01/02") == true)
        let wrong = error(ciphertext, "2005") { (bytes, _) throws(WireError) in bytes }
        #expect(wrong?.code == .decryption && wrong?.message.contains("12345678/OBI/01/02") == true)
        #expect(error(ciphertext, "2005") { (_, _) throws(WireError) in [0x2F, 0x2F] }?.code == .decryption)
        #expect(
            error(ciphertext, "2005") { (_, _) throws(WireError) in throw WireError(.decryption, "no") }?.code
                == .decryption)
        #expect(error("AA", "2005") { (bytes, _) throws(WireError) in bytes }?.code == .truncated)
        for mode in ["0002", "0003", "0004", "1007", "100D"] {
            let refused = error(ciphertext, mode) { (_, _) throws(WireError) in Self.plain }
            #expect(refused?.code == .unsupported && refused?.message.contains("12345678/OBI/01/02") == true)
        }
    }

    @Test("whose configuration is no mode, or has no encrypted block, are plain")
    func plainOnes() throws {
        for configuration in ["0000", "0005", "27B6", "FFFF", "0F00"] {
            let header = Array(Answer.header[..<10]) + Answer.bytes(configuration)
            #expect(try Answer.decode("04 03 D2040000", header: header).get().telegram.registers.count == 1)
        }
    }

    @Test("that are encrypted behind a short header are refused: the vector needs the name")
    func shortEncrypted() {
        let result = Answer.decode(
            String(repeating: "AA", count: 16), header: Answer.bytes("2A 00 1005"), information: 0x7A
        ) { (bytes, _) throws(WireError) in bytes }
        guard case .failure(let error) = result else {
            Issue.record("taken")
            return
        }
        #expect(error.code == .unsupported)
    }

    // MARK: Names

    static let names: [(UInt8, String, String?)] = [
        (2, "04 03 01000000", "1-0:1.8.0*255"), (2, "04 833B 01000000", "1-0:1.8.0*255"),
        (2, "04 833C 01000000", "1-0:2.8.0*255"), (2, "84 10 03 01000000", "1-0:1.8.1*255"),
        (2, "84 30 833C 01000000", "1-0:2.8.3*255"), (2, "04 83FC02 01000000", "1-0:41.8.0*255"),
        (2, "04 FB02 01000000", "1-0:3.8.0*255"),
        (2, "04 FB823C 01000000", "1-0:4.8.0*255"), (2, "04 FB04 01000000", "1-0:9.8.0*255"),
        (2, "04 2B 01000000", "1-0:16.7.0*255"), (2, "04 AB3B 01000000", "1-0:1.7.0*255"),
        (2, "04 AB3C 01000000", "1-0:2.7.0*255"), (2, "04 ABFC03 01000000", "1-0:76.7.0*255"),
        (2, "04 FB943B 01000000", "1-0:3.7.0*255"), (2, "04 FB34 01000000", "1-0:9.7.0*255"),
        (2, "02 FDC8FC01 0100", "1-0:32.7.0*255"), (2, "02 FDC8FC02 0100", "1-0:52.7.0*255"),
        (2, "02 FDC8FC03 0100", "1-0:72.7.0*255"), (2, "02 FDD9FC01 0100", "1-0:31.7.0*255"),
        (2, "02 FDD9FC03 0100", "1-0:71.7.0*255"), (2, "02 FDD9FC04 0100", "1-0:91.7.0*255"),
        (2, "02 FB2E 0100", "1-0:14.7.0*255"),
        // Stored, an extreme, a part, in joule, without a phase, of the maker, an average, signed reactive power.
        (2, "44 03 01000000", nil), (2, "14 2B 01000000", nil), (2, "84 40 03 01000000", nil),
        (2, "04 0B 01000000", nil), (2, "04 33 01000000", nil), (2, "04 FB0C 01000000", nil), (2, "02 FD48 0100", nil),
        (2, "02 FDC8FF01 0100", nil),
        (2, "04 AB12 01000000", nil), (2, "04 FB14 01000000", nil), (2, "84 10 2B 01000000", nil),
        (4, "04 06 01000000", "6-0:1.0.0*255"), (4, "04 0F 01000000", "6-0:1.0.0*255"),
        (4, "84 10 06 01000000", "6-0:1.0.1*255"), (4, "04 863C 01000000", nil),
        (4, "04 13 01000000", "6-0:2.0.0*255"), (4, "04 2D 01000000", "6-0:8.0.0*255"),
        (4, "04 3B 01000000", "6-0:9.0.0*255"), (12, "02 5A 0100", "6-0:10.0.0*255"),
        (13, "02 5E 0100", "6-0:11.0.0*255"), (4, "02 62 0100", "6-0:12.0.0*255"), (4, "02 66 0100", nil),
        (10, "04 06 01000000", "5-0:1.0.0*255"), (7, "04 13 01000000", "8-0:1.0.0*255"),
        (22, "04 13 01000000", "8-0:1.0.0*255"), (6, "04 13 01000000", "9-0:1.0.0*255"),
        (21, "04 3B 01000000", "9-0:2.0.0*255"), (3, "04 13 01000000", "7-0:3.0.0*255"),
        (3, "04 3B 01000000", "7-0:43.0.0*255"), (7, "04 933A 01000000", nil), (0, "04 13 01000000", nil),
        (8, "04 6E 01000000", nil),
    ]

    @Test("name the records that leave no doubt", arguments: names)
    func obis(medium: UInt8, record: String, code: String?) throws {
        let register = try #require(try Answer.telegram(record, medium: medium).registers.first)
        #expect(register.obis?.description == code)
        #expect(register.printedCode != nil)
    }

    @Test("name none of two records that would have the same name")
    func ambiguous() throws {
        let telegram = try Answer.telegram("04 03 01000000 04 833B 02000000 04 833C 03000000")
        #expect(telegram.registers.map(\.obis?.description) == [nil, nil, "1-0:2.8.0*255"])
    }

    // MARK: Times

    @Test("give what is stored the time of its storage, and extremes the time at which they were")
    func times() throws {
        let telegram = try Answer.telegram(
            """
            44 03 01000000 42 6C BF1C 04 03 02000000 84 01 03 03000000 C4 10 03 04000000
            54 2B 05000000 54 6D 172ECC13 14 2B 06000000
            """)
        #expect(
            telegram.registers.map { $0.time?.local } == [
                "2013-12-31T00:00:00", nil, nil, nil, "2013-12-31T00:00:00", "2014-03-12T14:23:00", nil, nil,
            ])
    }

    @Test("give no time where two would be it, or where it is not of the storage")
    func doubtfulTimes() throws {
        for record in [
            "42 6C BF1C 44 6D 172ECC13", "42 EC7E BF1C", "82 40 6C BF1C", "42 6C 0000", "44 6D 970ECC13", "02 6C BF1C",
            "42 FD30 BF1C",
        ] {
            #expect(try Answer.telegram("44 03 01000000" + record).registers.first?.time == nil, "\(record)")
        }
    }
}
