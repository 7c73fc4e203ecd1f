@testable import COSEM
import OBIS
import Testing
import Wire

@Suite("A-XDR")
struct AxdrTests {
    // MARK: Every type

    private static let scalars: [(hex: String, value: RegisterValue)] = [
        ("00", .unavailable), ("FF", .unavailable), ("03 00", .flag(false)), ("03 01", .flag(true)),
        ("03 FF", .flag(true)),
        ("04 05 B0", .text("10110")), ("04 00", .text("")), ("04 08 A5", .text("10100101")),
        ("04 09 FF 80", .text("111111111")),
        ("05 FFFFFFFF", .number(-1)), ("05 80000000", .number(-2_147_483_648)), ("05 7FFFFFFF", .number(2_147_483_647)),
        ("06 FFFFFFFF", .number(4_294_967_295)), ("06 00000000", .number(0)), ("0F 80", .number(-128)),
        ("0F 7F", .number(127)),
        ("10 8000", .number(-32_768)), ("10 FFFF", .number(-1)), ("11 FF", .number(255)), ("12 FFFF", .number(65_535)),
        ("14 8000000000000000", .number(FixedDecimal(.min))), ("14 FFFFFFFFFFFFFFFF", .number(-1)),
        ("15 7FFFFFFFFFFFFFFF", .number(FixedDecimal(.max))), ("15 8000000000000000", .wide("9223372036854775808")),
        ("15 FFFFFFFFFFFFFFFF", .wide("18446744073709551615")), ("16 2A", .number(42)),
        ("17 43678000", .number(FixedDecimal(2315, exponent: -1))),
        ("17 3DCCCCCD", .number(FixedDecimal(1, exponent: -1))),
        ("17 80000000", .number(0)), ("17 7FC00000", .unavailable), ("17 7F800000", .unavailable),
        ("17 FF800000", .unavailable),
        ("17 7F800001", .unavailable), ("17 4B800000", .number(16_777_216)),
        ("18 4048FD70A3D70A3D", .number(FixedDecimal(4998, exponent: -2))), ("18 7FF8000000000000", .unavailable),
        ("18 FFF0000000000000", .unavailable), ("18 3FF0000000000000", .number(1)),
        ("09 04 41424344", .text("ABCD")), ("09 02 0001", .text("0001")), ("09 00", .text("")),
        ("09 03 41427F", .text("41427f")),
        ("0A 05 6162000000", .text("ab")), ("0A 00", .text("")), ("0A 02 0000", .text("")), ("0C 02 C3A4", .text("ä")),
        ("0C 01 FF", .text("\u{FFFD}")), ("0D 42", .text("42")), ("1A 07E8010F01", .text("07e8010f01")),
        ("1B 0C223800", .text("0c223800")), ("09 06 313233343536", .text("123456")), ("09 81 01 41", .text("A")),
        ("09 82 0001 41", .text("A")), ("09 84 00000001 41", .text("A")),
    ]

    @Test("every type alone and inside of a structure and an array", arguments: scalars.indices)
    func everyType(row: Int) {
        let (hex, value) = Self.scalars[row]
        for (body, count) in [
            (hex, 1), ("02 01 \(hex)", 1), ("02 02 \(hex) \(hex)", 2), ("01 02 02 01 \(hex) 01 01 \(hex)", 2),
        ] {
            let result = Sample.decode(body: body)
            #expect(result.errors == [], "\(body)")
            #expect(result.telegrams.first?.registers.map(\.value) == Array(repeating: value, count: count), "\(body)")
        }
    }

    @Test("every type with a name in front", arguments: scalars.indices)
    func named(row: Int) {
        let (hex, value) = Self.scalars[row]
        let result = Sample.decode(body: "02 02 09 06 01 00 01 08 00 FF \(hex)")
        let register = result.telegrams.first?.registers.first
        #expect(register?.code == "1-0:1.8.0*255")
        #expect(register?.value == value)
        #expect(register?.index == nil)
        switch value {
        case .number, .wide: #expect(register?.wireValue == value)
        default: #expect(register?.wireValue == nil)
        }
    }

    @Test("a value cut anywhere is no value", arguments: scalars.indices)
    func cut(row: Int) {
        let bytes = Sample.hex("02 01 " + Self.scalars[row].hex)
        for count in 0..<bytes.count { #expect(Self.failure(Array(bytes.prefix(count))) == .truncated) }
        #expect(Self.failure(bytes) == nil)
    }

    @Test("the types of the standard are known, all others are refused", arguments: UInt8(0)...255)
    func tags(tag: UInt8) {
        let known: Set<UInt8> = [
            0, 1, 2, 3, 4, 5, 6, 9, 0x0A, 0x0C, 0x0D, 0x0F, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19,
            0x1A,
            0x1B, 0xFF,
        ]
        let code = Self.failure([tag] + Array(repeating: 0, count: 16))
        #expect((code == .malformed) == !known.contains(tag))
    }

    /// How parsing one value fails; nil where it does not.
    private static func failure(_ bytes: [UInt8]) -> WireError.Code? {
        var reader = WireReader(bytes.rawSpan)
        do throws(WireError) {
            _ = try AxdrTape(&reader)
            return nil
        } catch {
            return error.code
        }
    }

    private static func items(_ hex: String) throws -> [AxdrTape.Item] {
        let bytes = Sample.hex(hex)
        var reader = WireReader(bytes.rawSpan)
        return try AxdrTape(&reader).items
    }

    // MARK: Times

    @Test(
        "a date-time is one where all its parts are",
        arguments: [
            ("07E8010F010C223800800000", "2024-01-15T12:34:56"),
            ("07E8010F010C223800FFC400", "2024-01-15T12:34:56+01:00"),
            ("07E8070F010C2238FFFF8880", "2024-07-15T12:34:56+02:00"),
            ("07E8010FFF0C2238FF8000FF", "2024-01-15T12:34:56"),
            ("07E8010F010C22FF00800000", "2024-01-15T12:34:00"),
            ("07E8010F010C223800003C00", "2024-01-15T12:34:56-01:00"),
            ("FFFF010F010C223800800000", nil), ("07E8FF0F010C223800800000", nil), ("07E8FD0F010C223800800000", nil),
            ("07E801FE010C223800800000", nil), ("07E8010F01FF223800800000", nil), ("07E8010F010CFF3800800000", nil),
            ("07E80D0F010C223800800000", nil), ("07E8021E010C223800800000", nil), ("07E8010F010C223C00800000", nil),
            ("07E8010F0118223800800000", nil), ("07E8010F080C223800800000", nil), ("07E8010F010C223864800000", nil),
            ("07E8010F010C2238007FFF00", nil), ("000000000000000000000000", nil), ("FFFFFFFFFFFFFFFFFFFFFFFF", nil),
        ] as [(String, String?)])
    func times(hex: String, text: String?) {
        for tag in ["09 0C", "19"] {
            let value = Sample.decode(body: "02 01 \(tag) \(hex)").telegrams.first?.registers.first?.value
            guard let text else {
                #expect(value == .text(hex.lowercased()))
                continue
            }
            guard case .time(let time)? = value else {
                Issue.record("\(tag) \(hex) is \(String(describing: value))")
                continue
            }
            #expect(time.description == text)
        }
    }

    @Test("the status of a date-time says whether it can be trusted")
    func status() {
        for (status, isDoubtful, isSummer) in [
            (0x00, false, false), (0x01, true, false), (0x02, true, false), (0x04, false, false), (0x08, true, false),
            (0x80, false, true), (0x81, true, true),
        ] as [(UInt8, Bool, Bool)] {
            let bytes = Sample.hex("07E8010F010C223800FFC4") + [status]
            let time = DateTime.parse(bytes.rawSpan)
            #expect(time?.isDoubtful == isDoubtful)
            #expect(time?.isDaylightSaving == isSummer)
        }
        let unspecified = Sample.hex("07E8010F010C223800FFC4FF")
        #expect(DateTime.parse(unspecified.rawSpan)?.isDaylightSaving == nil)
        #expect(DateTime.parse(unspecified.rawSpan)?.isDoubtful == false)
        let short = Sample.hex("07E8010F010C223800FFC4")
        #expect(DateTime.parse(short.rawSpan) == nil)
    }

    // MARK: Bounds

    @Test("sixteen levels are read, seventeen are not", arguments: ["02 01", "01 01"])
    func depth(container: String) {
        let levels = { (count: Int) in Sample.hex(String(repeating: container, count: count) + "11 05") }
        #expect(Self.failure(levels(16)) == nil)
        #expect(Self.failure(levels(17)) == .limit)
        #expect(Self.failure(levels(5000)) == .limit)
    }

    @Test("depth counts through compact arrays and their types")
    func compactDepth() {
        let levels = { (count: Int) in
            Sample.hex(String(repeating: "0201", count: count - 1) + "13 11 01 05")
        }
        #expect(Self.failure(levels(15)) == nil)
        #expect(Self.failure(levels(17)) == .limit)
        let type = String(repeating: "0201", count: 5000)
        #expect(Self.failure(Sample.hex("13 \(type) 11 01 05")) == .limit)
        let arrays = String(repeating: "010001", count: 5000)
        #expect(Self.failure(Sample.hex("13 \(arrays) 11 01 05")) == .limit)
    }

    @Test("4096 elements are read, one more is not")
    func elements() {
        let nulls = { (count: Int) in
            [0x01, 0x82, UInt8(count >> 8), UInt8(count & 0xFF)] + Array(repeating: UInt8(0), count: count)
        }
        #expect(Self.failure(nulls(Limits.axdrElements - 1)) == nil)
        #expect(Self.failure(nulls(Limits.axdrElements)) == .limit)
        #expect(Self.failure(nulls(30_000)) == .limit)
    }

    @Test(
        "a count or a length that the bytes cannot hold is refused at once",
        arguments: [
            ("01 84 FFFFFFFF 00", .truncated), ("02 84 7FFFFFFF 00", .truncated), ("02 7F 00", .truncated),
            ("02 82 FFFF 00", .truncated), ("09 84 FFFFFFFF 00", .truncated), ("09 05 00", .truncated),
            ("04 84 FFFFFFFF 00", .truncated), ("04 09 FF", .truncated), ("0A 84 80000000", .truncated),
            ("02 80", .malformed), ("09 85 0000000001 00", .malformed), ("09 FF 00", .malformed),
            ("09 88 0000000000000001 00", .malformed),
            ("09 82 01", .truncated), ("09 81", .truncated), ("13 12 84 FFFFFFFF", .truncated),
            ("13 02 84 FFFFFFFF 11", .truncated),
        ] as [(String, WireError.Code)])
    func counts(hex: String, code: WireError.Code) {
        #expect(Self.failure(Sample.hex(hex)) == code)
    }

    @Test("empty containers are telegrams without registers", arguments: ["01 00", "02 00", "02 01 01 00", "13 11 00"])
    func empty(body: String) {
        let result = Sample.decode(body: body)
        #expect(result.errors == [])
        #expect(result.telegrams.map(\.registers) == [[]])
    }

    // MARK: Compact arrays

    @Test(
        "a compact array is the array that it stands for",
        arguments: [
            ("13 12 04 0001 0002", "01 02 12 0001 12 0002"), ("13 11 00", "01 00"),
            (
                "13 02 02 12 06 0C 0001 00000002 0003 00000004",
                "01 02 02 02 12 0001 06 00000002 02 02 12 0003 06 00000004"
            ),
            ("13 01 0002 11 04 01 02 03 04", "01 02 01 02 11 01 11 02 01 02 11 03 11 04"),
            ("13 09 06 02 4142 02 4344", "01 02 09 02 4142 09 02 4344"),
            ("13 02 02 09 06 0B 06 0100010800FF 00000064", "01 01 02 02 09 06 0100010800FF 06 00000064"),
            (
                "13 02 02 01 0002 0F 10 08 01 02 0003 FF FE FFFD",
                "01 02 02 02 01 02 0F 01 0F 02 10 0003 02 02 01 02 0F FF 0F FE 10 FFFD"
            ),
            ("13 02 02 00 11 02 05 06", "01 02 02 02 00 11 05 02 02 00 11 06"),
            ("13 04 04 05 B0 05 B0", "01 02 04 05 B0 04 05 B0"),
            ("13 19 0C 07E8010F010C223800800000", "01 01 19 07E8010F010C223800800000"),
            ("02 02 13 11 02 01 02 11 03", "02 02 01 02 11 01 11 02 11 03"),
            ("13 02 02 02 01 11 12 03 01 0002", "01 01 02 02 02 01 11 01 12 0002"),
        ])
    func compact(compact: String, plain: String) throws {
        let (left, right) = (try Self.items(compact), try Self.items(plain))
        #expect(left.map(\.tag) == right.map(\.tag))
        #expect(left.map(\.count) == right.map(\.count))
        #expect(left.map(\.next) == right.map(\.next))
        #expect(Sample.decode(body: compact).telegrams == Sample.decode(body: plain).telegrams)
    }

    @Test(
        "a compact array that its elements do not fill is refused",
        arguments: [
            ("13 12 03 0001 02", .truncated), ("13 12 03 0001 02 FF", .malformed), ("13 00 01 00", .malformed),
            ("13 02 00 01 00", .malformed), ("13 01 0000 11 01 05", .malformed), ("13 13 11 01 05", .malformed),
            ("13 02 01 13 11 01 05", .malformed), ("13 07 01 05", .malformed), ("13", .truncated),
            ("13 11", .truncated),
            ("13 11 05 01", .truncated), ("13 02 03 11", .truncated), ("13 01 00", .truncated),
            ("13 09 02 05 41", .truncated),
            ("13 09 02 05 41 42 43 44 45", .malformed), ("13 01 FFFF 01 FFFF 00 01 00", .limit),
            ("13 02 02 01 FFFF 00 11 02 01 02", .limit),
        ] as [(String, WireError.Code)])
    func compactFailures(hex: String, code: WireError.Code) {
        #expect(Self.failure(Sample.hex(hex)) == code)
    }
}
