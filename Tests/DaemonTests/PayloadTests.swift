import MQTT
import OBIS
import Testing

@testable import Daemon
@testable import Journal

/// The texts that subscribers rely on, letter by letter.
@Suite("Payloads")
struct PayloadTests {
    private static let captured = Timestamp(milliseconds: 1_768_476_896_120)

    /// The example of the contract.
    private static func reading() -> Reading {
        var values = NamedValues()
        values[.activeImport] = FixedDecimal("1234.567")
        values[.activeExport] = FixedDecimal("89.012")
        values[.activePower] = 2810
        values[.voltageL1] = 231
        values[.voltageL2] = 229
        values[.voltageL3] = 230
        values[.currentL1] = FixedDecimal("2.15")
        values[.currentL2] = FixedDecimal("0.4")
        values[.currentL3] = FixedDecimal("10.03")
        return Reading(
            device: MeterIdentity(id: "12345678", manufacturer: "LGZ", medium: .electricity), time: captured,
            capturedAt: captured, isClockSynchronized: true,
            meterTime: MeterTime(year: 2026, month: 1, day: 15, hour: 12, minute: 34, second: 55, utcOffset: 60),
            values: values,
            registers: [
                Register(
                    obis: ObisCode("1-0:1.8.0"), value: .number(1_234_567), unit: .wattHour,
                    wireValue: .number(1_234_567))
            ])
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("a reading is the text of the contract, keys in order, every digit, null for unknown")
    func goldenReading() {
        let payload = ReadingPayload.reading(
            ReadingBody(Self.reading()), node: "cellar", meter: "main", stream: "7f3a", seq: 4711)
        #expect(
            text(payload) == """
                {"schema":1,"node":"cellar","meter":"main","stream":"7f3a","seq":4711,"source":"live","epoch":1,\
                "device":{"id":"12345678","manufacturer":"LGZ"},\
                "time":"2026-01-15T11:34:56.120Z","captured_at":"2026-01-15T11:34:56.120Z","clock":"synced",\
                "meter_time":"2026-01-15T12:34:55+01:00",\
                "energies":{"active_import":1234.567,"active_export":89.012,"reactive_import":null,\
                "reactive_export":null},\
                "powers":{"active":2810,"reactive":null,"apparent":null},\
                "voltages":{"l1":231,"l2":229,"l3":230},"currents":{"l1":2.15,"l2":0.4,"l3":10.03,"n":null},\
                "grid":{"frequency":null,"power_factor":null,"thd_voltage":null,"thd_current":null},\
                "quality":"good","issues":[],\
                "registers":{"1-0:1.8.0*255":{"value":1234567,"unit":"Wh"}}}
                """)
    }

    @Test("a reading without anything has every named key, all null")
    func emptyReading() {
        let reading = Reading(
            source: .replay, epoch: 2, device: MeterIdentity(), time: Self.captured, capturedAt: Self.captured,
            isClockSynchronized: false)
        #expect(
            text(ReadingPayload.reading(ReadingBody(reading), node: "n", meter: "m", stream: "s", seq: 1)) == """
                {"schema":1,"node":"n","meter":"m","stream":"s","seq":1,"source":"replay","epoch":2,\
                "device":{"id":null,"manufacturer":null},\
                "time":"2026-01-15T11:34:56.120Z","captured_at":"2026-01-15T11:34:56.120Z","clock":"unsynced",\
                "meter_time":null,\
                "energies":{"active_import":null,"active_export":null,"reactive_import":null,"reactive_export":null},\
                "powers":{"active":null,"reactive":null,"apparent":null},"voltages":{"l1":null,"l2":null,"l3":null},\
                "currents":{"l1":null,"l2":null,"l3":null,"n":null},\
                "grid":{"frequency":null,"power_factor":null,"thd_voltage":null,"thd_current":null},\
                "quality":"good","issues":[],"registers":{}}
                """)
    }

    @Test("registers of every kind: number, text, wide, flag, time, nothing, repeated, with time and index")
    func registers() {
        var reading = Self.reading()
        reading.registers = [
            Register(
                obis: ObisCode("1-0:1.8.0"), value: .number(FixedDecimal(123_450, exponent: -3)), unit: .kilowattHour),
            Register(obis: ObisCode("0-0:96.1.0"), value: .text("A\"\\\u{1}é")),
            Register(obis: ObisCode("1-0:2.8.0"), value: .wide("99999999999999999999"), unit: .wattHour),
            Register(obis: ObisCode("0-0:96.3.10"), value: .flag(true)),
            Register(obis: ObisCode("0-0:1.0.0"), value: .time(MeterTime(localSeconds: 0))),
            Register(obis: ObisCode("1-0:32.7.0"), value: .unavailable, unit: .volt),
            Register(obis: ObisCode("1-0:1.6.0"), value: .number(1), unit: .kilowatt, index: 0),
            Register(
                obis: ObisCode("1-0:1.6.0"), value: .number(2), unit: .kilowatt, time: MeterTime(localSeconds: 86_400),
                index: 1),
            Register(obis: nil, printedCode: "3:171.0", value: .number(0)),
            Register(obis: nil, value: .number(7), index: 4),
        ]
        let payload = text(ReadingPayload.reading(ReadingBody(reading), node: "n", meter: "m", stream: "s", seq: 1))
        let registers = payload.range(of: "\"registers\":").map { payload[$0.upperBound...] } ?? ""
        #expect(
            registers == """
                {"1-0:1.8.0*255":{"value":123.450,"unit":"kWh"},\
                "0-0:96.1.0*255":{"value":"A\\"\\\\\\u0001é","unit":null},\
                "1-0:2.8.0*255":{"value":"99999999999999999999","unit":"Wh"},\
                "0-0:96.3.10*255":{"value":true,"unit":null},\
                "0-0:1.0.0*255":{"value":"1970-01-01T00:00:00","unit":null},\
                "1-0:32.7.0*255":{"value":null,"unit":"V"},\
                "1-0:1.6.0*255":{"value":1,"unit":"kW","index":0},\
                "1-0:1.6.0*255#2":{"value":2,"unit":"kW","time":"1970-01-02T00:00:00","index":1},\
                "3:171.0":{"value":0,"unit":null},\
                "index:4":{"value":7,"unit":null,"index":4}}}
                """)
    }

    @Test("the quality is the worst of its issues, each with register, level, code and sentence")
    func issues() {
        var reading = Self.reading()
        reading.issues = [
            QualityIssue(register: nil, level: .warning, code: .clockDoubtful, text: "the clock"),
            QualityIssue(register: "1-0:32.7.0*255", level: .error, code: .implausible, text: "too much"),
        ]
        let payload = text(ReadingPayload.reading(ReadingBody(reading), node: "n", meter: "m", stream: "s", seq: 1))
        #expect(
            payload.contains(
                """
                "quality":"error","issues":[\
                {"register":null,"level":"warning","code":"clock-doubtful","text":"the clock"},\
                {"register":"1-0:32.7.0*255","level":"error","code":"implausible","text":"too much"}],
                """))
    }

    @Test("the state has the totals behind everything else")
    func state() {
        let reading = Self.reading()
        let state = text(
            ReadingPayload.state(
                ReadingBody(reading), totals: reading.values, of: .electricity, node: "cellar", meter: "main",
                stream: "7f3a", seq: 9)
        )
        let fixed = text(
            ReadingPayload.reading(ReadingBody(reading), node: "cellar", meter: "main", stream: "7f3a", seq: 9))
        #expect(
            state == fixed.dropLast() + """
                ,"totals":{"active_import":1234.567,"active_export":89.012,"reactive_import":null,\
                "reactive_export":null},"register_totals":{}}
                """)
        let tariffs = [
            RegisterTotal(key: "1-1:1.8.1*255", value: FixedDecimal("12.30"), unit: .kilowattHour),
            RegisterTotal(key: "1-1:1.8.2*255", value: nil, unit: nil),
        ]
        let shown = ReadingPayload.state(
            ReadingBody(reading), totals: reading.values, of: .electricity, registerTotals: tariffs, node: "cellar",
            meter: "main", stream: "7f3a",
            seq: 9)
        #expect(
            text(shown).hasSuffix(
                """
                ,"register_totals":{"1-1:1.8.1*255":{"value":12.30,"unit":"kWh"},\
                "1-1:1.8.2*255":{"value":null,"unit":null}}}
                """))
        let unjournaled = ReadingPayload.state(
            ReadingBody(reading), totals: NamedValues(), of: .electricity, node: "cellar", meter: "main",
            stream: "7f3a", seq: nil)
        #expect(text(unjournaled).contains("\"seq\":null,"))
    }

    /// An hour of a meter.
    private static func summary(medium: Medium? = .electricity) -> Summary {
        var summary = Summary(
            period: .hour, from: Timestamp(milliseconds: 1_768_474_800_000),
            to: Timestamp(milliseconds: 1_768_478_400_000), local: "2026-01-15T12:00:00+01:00")
        summary.medium = medium
        summary.readings = 719
        summary.coverage = FixedDecimal(998, exponent: -3)
        summary.qualities = [.good: 718, .warning: 1]
        summary.countersFrom = Timestamp(milliseconds: 1_768_474_796_120)
        summary.countersTo = Timestamp(milliseconds: 1_768_478_395_020)
        summary.rises[.activeImport] = FixedDecimal(1_250, exponent: -3)
        summary.rises[.volume] = FixedDecimal(20, exponent: -3)
        summary.power = Summary.Distribution(
            min: -120, max: 5230, mean: FixedDecimal(12_501, exponent: -1), p5: 239, p50: 816, p95: 4992)
        summary.voltages[0] = Summary.Voltage(
            distribution: Summary.Distribution(min: 228, max: 234, mean: FixedDecimal(23_106, exponent: -2)),
            inside: FixedDecimal(1000, exponent: -3))
        summary.anomalies = ["overload": 2, "dip": 1]
        return summary
    }

    @Test("a summary names its hour twice, and what is not known is null")
    func summary() {
        #expect(
            text(SummaryPayload.json(Self.summary(), node: "cellar", meter: "main", stream: "7f3a")) == """
                {"schema":1,"node":"cellar","meter":"main","stream":"7f3a","period":"hour",\
                "from":"2026-01-15T11:00:00.000Z","to":"2026-01-15T12:00:00.000Z",\
                "local":"2026-01-15T12:00:00+01:00","clock":"synced","readings":719,"coverage":0.998,\
                "qualities":{"good":718,"warning":1,"error":0},\
                "counters":{"from":"2026-01-15T10:59:56.120Z","to":"2026-01-15T11:59:55.020Z"},\
                "energies":{"active_import":1.250,"active_export":null,"reactive_import":null,"reactive_export":null},\
                "powers":{"active":{"min":-120,"mean":1250.1,"max":5230,"p5":239,"p50":816,"p95":4992}},\
                "voltage_band":{"from":207,"to":253},\
                "voltages":{"l1":{"min":228,"mean":231.06,"max":234,"p5":null,"p50":null,"p95":null,"inside":1.000},\
                "l2":{"min":null,"mean":null,"max":null,"p5":null,"p50":null,"p95":null,"inside":null},\
                "l3":{"min":null,"mean":null,"max":null,"p5":null,"p50":null,"p95":null,"inside":null}},\
                "anomalies":{"dip":1,"overload":2}}
                """)
        let gas = text(SummaryPayload.json(Self.summary(medium: .gas), node: "cellar", meter: "gas", stream: "7f3a"))
        #expect(
            gas.contains(
                """
                },"volumes":{"volume":0.020},"heat":{"energy":null,"energy_gj":null},"anomalies":
                """))
    }

    @Test("a gap names range, times, count and reason")
    func gap() {
        func json(_ from: Int64?, _ to: Int64?) -> String {
            let gap = JournalGap(
                position: 5, meter: "main", fromSeq: from, toSeq: to, fromTime: Timestamp(milliseconds: 0),
                toTime: Self.captured, count: 12, reason: .journalFull)
            return text(GapPayload.json(gap, stream: "7f3a"))
        }
        #expect(
            json(3, 14) == """
                {"schema":1,"meter":"main","stream":"7f3a","from_seq":3,"to_seq":14,\
                "from_time":"1970-01-01T00:00:00.000Z","to_time":"2026-01-15T11:34:56.120Z","count":12,\
                "reason":"journal-full"}
                """)
        #expect(json(nil, nil).contains("\"from_seq\":null,\"to_seq\":null,"))
    }

    private static func anomaly(
        _ type: String, _ severity: Anomaly.Severity, _ status: Anomaly.Status = .active
    ) -> Anomaly {
        Anomaly(
            id: "01J", meter: "main", type: type, severity: severity, status: status, title: "", text: "",
            startedAt: captured, updatedAt: captured)
    }

    @Test("info tells of meters, journal and broker, and why the daemon is degraded")
    func info() {
        let info = DaemonInfo(
            version: "0.1.0", node: "cellar", stream: "7f3a", startedAt: Self.captured,
            meters: [
                .init(
                    id: "main", name: nil, protocolName: "dlms-push", endpoint: "/dev/ttyUSB0 at 2400 8E1",
                    device: "12345678", isOnline: true, readings: 10, lastSeq: 4711, lastReading: Self.captured,
                    rejected: ["truncated": 1, "checksum": 2], noiseBytes: 7, linkError: nil,
                    power: FixedDecimal("-240.50"), linkQuality: FixedDecimal("0.970"), waiting: 3,
                    anomalies: .init([
                        Self.anomaly("swell", .low), Self.anomaly("overload", .high), Self.anomaly("overload", .low),
                        Self.anomaly("drop", .critical, .ignored),
                    ])),
                .init(
                    id: "dead", name: "Dead", protocolName: "sml", endpoint: "/dev/ttyUSB1", device: nil,
                    isOnline: false, readings: 0, lastSeq: nil, lastReading: nil, rejected: [:], noiseBytes: 0,
                    linkError: "gone"),
            ],
            journal: .init(
                readings: 4711, backlog: 3, oldestWaiting: Self.captured, bytes: 4096, givenUp: 0, error: nil),
            broker: .init(acknowledged: 4708, refused: 1, hasSubscriber: nil, error: "no"), degraded: ["disk full"])
        #expect(
            text(info.json()) == """
                {"schema":1,"version":"0.1.0","node":"cellar","stream":"7f3a","started_at":"2026-01-15T11:34:56.120Z",\
                "degraded":true,"reasons":["disk full"],\
                "meters":[{"id":"main","name":null,"protocol":"dlms-push","endpoint":"/dev/ttyUSB0 at 2400 8E1",\
                "device":"12345678","online":true,"readings":10,"backfilled":0,"unjournaled":0,"last_seq":4711,\
                "last_reading":"2026-01-15T11:34:56.120Z","rejected":{"checksum":2,"truncated":1},"noise_bytes":7,\
                "link_error":null,"power":{"value":-240.50,"unit":"W"},"link_quality":0.970,"waiting":3,\
                "anomalies":{"count":3,"worst":"high","severities":{"low":2,"medium":0,"high":1,"critical":0},\
                "types":["overload","swell"]}},\
                {"id":"dead","name":"Dead","protocol":"sml","endpoint":"/dev/ttyUSB1",\
                "device":null,"online":false,"readings":0,"backfilled":0,"unjournaled":0,"last_seq":null,\
                "last_reading":null,"rejected":{},"noise_bytes":0,\
                "link_error":"gone","power":null,"link_quality":null,"waiting":null,\
                "anomalies":{"count":0,"worst":null,"severities":{"low":0,"medium":0,"high":0,"critical":0},\
                "types":[]}}],\
                "journal":{"readings":4711,"backlog":3,"oldest_waiting":"2026-01-15T11:34:56.120Z","bytes":4096,\
                "given_up":0,"error":null},\
                "broker":{"acknowledged":4708,"refused":1,"set_aside":0,"connected":true,"subscriber":null,"error":"no"}}
                """)
    }
}
