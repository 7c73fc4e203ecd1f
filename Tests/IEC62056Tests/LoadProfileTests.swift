import IEC62056
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Load profiles")
struct LoadProfileTests {
    /// Civil seconds of a time of January 2026.
    static func seconds(day: Int, _ hour: Int, _ minute: Int) -> Int64 {
        MeterTime(year: 2026, month: 1, day: day, hour: hour, minute: minute, second: 0)?.localSeconds ?? 0
    }

    static let day = ProfileSpan(after: seconds(day: 15, 0, 0), through: seconds(day: 16, 0, 0))
    static let header = "P.01(0260115001500)(00000000)(15)()(2)(1.5)(kW)(2.5)(kW)\r\n"

    private func read(
        _ answer: [UInt8], span: ProfileSpan = day, identification: String = "/ABC5METER\r\n",
        request: ReadCommand? = nil, code: String = "P.01"
    ) -> ScriptedMeter.Course {
        let base = ProgrammingSessionTests.meter(["/?!": Sample.bytes(identification)])
        let meter = ScriptedMeter(answers: { $0.contains(code + "(") ? answer : base.answers($0) })
        var session = ProgrammingSessionTests.session(request: request, profile: code)
        return meter.converse(&session, .readProfile(span))
    }

    /// `time: value value`
    private func lines(_ course: ScriptedMeter.Course) -> [String] {
        course.telegrams.map { telegram in
            let values = telegram.registers.filter { $0.obis?.c != 96 }.map { $0.text ?? "" }
            return "\(telegram.intervalEnd?.local ?? "?"): " + values.joined(separator: " ")
        }
    }

    @Test("the profile is asked for with the span in minutes, by the request of the configuration")
    func request() {
        let span = ProfileSpan(after: Self.seconds(day: 15, 0, 0), through: Self.seconds(day: 15, 6, 45) + 1)
        for (identification, request, command) in [
            ("/ABC5x\r\n", nil, "R1"), ("/LGZ5x\r\n", nil, "R5"), ("/ABC5x\r\n", .r6, "R6"),
        ] as [(String, ReadCommand?, String)] {
            let course = read(Sample.block("P.01()"), span: span, identification: identification, request: request)
            #expect(
                course.texts == [
                    "/?!", "ACK 051", "P1 (12345678)", "\(command) P.01(2601150000;2601150646)", "B0",
                ])
            #expect(course.isGood)
        }
        #expect(read(Sample.block("P.02()"), code: "P.02").texts.contains("R1 P.02(2601150000;2601160000)"))
    }

    @Test("a span at the end of all times is asked for as well")
    func endOfTime() {
        let course = read(Sample.block("P.01()"), span: ProfileSpan(after: .min, through: .max))
        #expect(course.texts.count { $0.contains("P.01") } == 1)
    }

    @Test("each line is an interval with its end, its values and the status")
    func entries() {
        let course = read(Sample.block(Self.header + "(0.185)(0.000)\r\n(12.50)(0.100)\r\n(0.2)(-)\r\n"))
        #expect(course.isGood)
        #expect(
            lines(course) == [
                "2026-01-15T00:15:00: 0.185 0.000", "2026-01-15T00:30:00: 12.50 0.100", "2026-01-15T00:45:00: 0.2 -",
            ])
        let second = course.telegrams.dropFirst().first
        #expect(second?.registers.map(\.obis) == [ObisCode("1.5"), ObisCode("2.5"), ObisCode(0, 0, 96, 10, 1)])
        #expect(second?.registers.first?.value == .number(FixedDecimal(1250, exponent: -2)))
        #expect(second?.registers.first?.unit == .kilowatt)
        #expect(second?.registers.last?.value == .text("00000000"))
        #expect(second?.intervalEnd?.isDaylightSaving == false && second?.meterTime == nil)
        #expect(second?.meter.manufacturer == "ABC" && second?.meter.version == "METER")
        #expect(course.telegrams.last?.registers.dropFirst().first?.value == .unavailable)
    }

    @Test("an empty value, dashes and asterisks are not available", arguments: ["", " ", "-", "---.--", "*****"])
    func missing(_ value: String) {
        let course = read(Sample.block(Self.header + "(\(value))(1.0)\r\n"))
        #expect(course.telegrams.first?.registers.first?.value == .unavailable)
        #expect(course.telegrams.first?.registers.dropFirst().first?.value == .number(FixedDecimal(10, exponent: -1)))
    }

    @Test(
        "a time has a season or none, and seconds or none",
        arguments: [
            ("2601150015", nil, nil), ("1260115001500", true, nil), ("0260115001500", false, nil),
            ("12601150015", true, nil),
            ("2260115001500", nil, 0), ("260115001500", nil, nil),
        ] as [(String, Bool?, Int?)])
    func times(_ text: String, _ isDaylightSaving: Bool?, _ utcOffset: Int?) {
        let course = read(Sample.block("P.01(\(text))()(15)()(1)(1.5)(kW)\r\n(1)\r\n(2)\r\n"))
        #expect(course.telegrams.map { $0.intervalEnd?.local } == ["2026-01-15T00:15:00", "2026-01-15T00:30:00"])
        #expect(course.telegrams.allSatisfy { $0.intervalEnd?.isDaylightSaving == isDaylightSaving })
        #expect(course.telegrams.allSatisfy { $0.intervalEnd?.utcOffset == utcOffset })
        // Without a status there is no register for one.
        #expect(course.telegrams.allSatisfy { $0.registers.count == 1 })
    }

    @Test("a new header begins a new segment, and an interval cut short is followed by full ones")
    func segments() {
        let text =
            Self.header + "(1)(2)\r\n"
            + "P.01(0260115002207)(00000080)(15)()(2)(1.5)(kW)(2.5)(kW)\r\n(3)(4)\r\n"
            + "P.01(1260115014107)(00000020)(15)()(1)(1.5)(kW)\r\n(5)\r\n(6)\r\n(7)\r\n"
        let course = read(Sample.block(text))
        #expect(
            lines(course) == [
                "2026-01-15T00:15:00: 1 2", "2026-01-15T00:22:07: 3 4", "2026-01-15T01:41:07: 5",
                "2026-01-15T01:45:00: 6",
                "2026-01-15T02:00:00: 7",
            ])
        #expect(
            course.telegrams.map { $0.registers.last?.text } == [
                "00000000", "00000080", "00000020", "00000020", "00000020",
            ])
        #expect(course.telegrams.map { $0.intervalEnd?.isDaylightSaving } == [false, false, true, true, true])
    }

    @Test("entries outside of the span are dropped: its start does not belong to it, its end does")
    func span() {
        let span = ProfileSpan(after: Self.seconds(day: 15, 0, 15), through: Self.seconds(day: 15, 0, 45))
        let course = read(Sample.block(Self.header + "(1)(1)\r\n(2)(2)\r\n(3)(3)\r\n(4)(4)\r\n"), span: span)
        #expect(lines(course) == ["2026-01-15T00:30:00: 2 2", "2026-01-15T00:45:00: 3 3"])
    }

    @Test("partial blocks may be cut anywhere")
    func partialBlocks() {
        let text = Self.header + "(0.185)(0.000)\r\n(12.50)(0.100)\r\n"
        for size in [1, 2, 7, 16, 60, 80] {
            let characters = Array(text)
            let pieces = stride(from: 0, to: characters.count, by: size).map {
                String(characters[$0..<min($0 + size, characters.count)])
            }
            let meter = PieceMeter(
                meter: ProgrammingSessionTests.meter(), request: "R6 P.01(2601150000;2601160000)", pieces: pieces)
            var session = ProgrammingSessionTests.session(request: .r6)
            let course = meter.scripted.converse(&session, .readProfile(Self.day))
            #expect(
                lines(course) == ["2026-01-15T00:15:00: 0.185 0.000", "2026-01-15T00:30:00: 12.50 0.100"], "\(size)")
        }
    }

    @Test(
        "nothing in this time is no error",
        arguments: ["P.01()", "()", "P.01(0260115001500)(00)(15)()(1)(1.5)(kW)\r\n"])
    func nothing(_ answer: String) {
        let course = read(Sample.block(answer))
        #expect(course.isGood && course.telegrams.isEmpty && course.texts.last == "B0")
    }

    @Test("an entry without channels tells of an event only")
    func noChannels() {
        #expect(read(Sample.block("P.01(0260115001500)(40)()()(0)")).isGood)
    }

    @Test(
        "a meter without this profile says so",
        arguments: [Sample.block("(ER06)"), Sample.block("P.01(ERROR)"), [0x15]])
    func none(_ answer: [UInt8]) {
        let course = read(answer)
        #expect(course.error?.code == .unsupported && course.telegrams.isEmpty && course.texts.last == "B0")
    }

    @Test("a profile that is switched off is not asked for")
    func off() {
        var session = ProgrammingSessionTests.session(profile: nil)
        let course = ProgrammingSessionTests.meter().converse(&session, .readProfile(Self.day))
        #expect(course.sent.isEmpty && course.error?.code == .unsupported)
    }

    @Test(
        "a profile that cannot be understood is refused as a whole",
        arguments: [
            "P.01(0260115001500)(00)", "P.01(0261315001500)(00)(15)()(1)(1.5)(kW)\r\n(1)",
            "P.01(026011500)(00)(15)()(1)(1.5)(kW)\r\n(1)", "P.01(3260115001500)(00)(15)()(1)(1.5)(kW)\r\n(1)",
            "P.01(0260115001500)(00)(15)()(x)(1.5)(kW)\r\n(1)", "P.01(0260115001500)(00)(15)()(2)(1.5)(kW)\r\n",
            "P.01(0260115001500)(00)(15)()(2)(1.5)(kW)(2.5)(kW)\r\n(1)",
            "P.01(0260115001500)(00)()()(1)(1.5)(kW)\r\n(1)\r\n(2)",
            "P.01(0260115001500)(00)(0)()(1)(1.5)(kW)\r\n(1)\r\n(2)",
            "P.02(0260115001500)(00)(15)()(1)(1.5)(kW)\r\n(1)",
            "P.01(0260115001500)(00)(15)()(9999)(1.5)(kW)\r\n(1)", "P.01(0260115001500)(00)(15)()(0)(1)",
            "1.8.0(1*kWh)", "P.01(1",
        ])
    func malformed(_ text: String) {
        let course = read(Sample.block(text))
        #expect(course.error?.code == .malformed && course.telegrams.isEmpty && course.texts.last == "B0")
    }

    @Test("more values than one profile may have are refused")
    func tooMany() {
        let rows = String(repeating: "(1)(2)\r\n", count: Limits.profileValues / 2)
        #expect(read(Sample.block(Self.header + rows)).error?.code == .limit)
    }

    @Test("recorded profiles of real meters give their intervals")
    func recordings() throws {
        guard let corpus = Corpus("iec62056-21") else { return }
        let first = MeterTime(year: 2022, month: 8, day: 23, hour: 0, minute: 0, second: 0)?.localSeconds ?? 0
        let span = ProfileSpan(after: first, through: first + 86_400)
        let cases = Dictionary(uniqueKeysWithValues: try corpus.cases().map { ($0.name, $0.bytes) })
        for (name, expected) in [
            (
                "runamook_P01_data_1",
                [
                    "2022-08-23T16:15:00: 0.18374 0.00078 0.00000 0.00006 0.00087 0.02431",
                    "2022-08-23T16:30:00: 0.16832 0.00000 0.00000 0.00000 0.00000 0.02686",
                ]
            ),
            (
                "runamook_P01_data_2",
                [
                    "2022-08-23T15:00:00: 0.00000 0.12683 0.00000 0.11411 0.00000 0.00000",
                    "2022-08-23T15:15:00: 0.00028 0.06188 0.00059 0.07409 0.00000 0.00000",
                    "2022-08-23T15:30:00: 0.00000 0.11250 0.00000 0.11677 0.00000 0.00000",
                    "2022-08-23T15:45:00: 0.00006 0.04656 0.00082 0.09270 0.00000 0.00000",
                ]
            ),
        ] {
            let text = String(decoding: try #require(cases[name]), as: UTF8.self)
            let course = read(Sample.block(text), span: span)
            #expect(course.isGood && lines(course) == expected, "\(name)")
            #expect(course.telegrams.allSatisfy { $0.intervalEnd?.isDaylightSaving == true })
            #expect(
                course.telegrams.allSatisfy {
                    $0.registers.dropLast().map { $0.unit?.symbol }.prefix(3) == ["kW", "kW", "kvar"]
                })
        }
    }

    @Test("a recorded event log has the same form, also where an event has no values")
    func eventLog() throws {
        guard let corpus = Corpus("iec62056-21") else { return }
        let recording = try #require(try corpus.cases().first { $0.name == "runamook_P98_data_3" })
        let first = MeterTime(year: 2022, month: 8, day: 1, hour: 0, minute: 0, second: 0)?.localSeconds ?? 0
        let course = read(
            Sample.block(String(decoding: recording.bytes, as: UTF8.self)),
            span: ProfileSpan(after: first, through: first + 60 * 86_400), code: "P.98")
        #expect(
            lines(course) == [
                "2022-08-26T23:56:46: 1235703 1220826", "2022-08-28T23:57:23: 1235710 1220828",
                "2022-08-29T23:57:16: 1235706 1220829",
            ])
        #expect(course.telegrams.allSatisfy { $0.registers.last?.text == "00008020" })
    }
}
