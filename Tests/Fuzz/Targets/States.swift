import Configuration
import Daemon
import Discovery
import Foundation
import MBus
import MQTT
import Metering
import OBIS
import Rules

/// What the daemon hears from the broker and the control socket, and what it stored before a restart.
extension FuzzTarget {
    static let states: [FuzzTarget] = [
        FuzzTarget("daemon.command", .decoder) {
            commands
        } run: { bytes in
            var ledger = CommandLedger(stored: [])
            let message = MQTTMessage(topic: "obisd/n/m/command", payload: bytes)
            let now = Timestamp(milliseconds: 1_768_000_000_000)
            guard case .admitted = ledger.admit(message, now: now) else { return }
            guard case .refused = ledger.admit(message, now: now) else {
                preconditionFailure("a command is done twice")
            }
            var restarted = CommandLedger(stored: ledger.stored)
            guard case .refused = restarted.admit(message, now: now) else {
                preconditionFailure("a command is done again after a restart")
            }
        },
        FuzzTarget("daemon.ledger", .decoder) {
            Sample.texts([#"[{"id":"1","until":1768000000001,"expires":true}]"#, "[]"])
        } run: { bytes in
            var ledger = CommandLedger(stored: bytes)
            for command in commands {
                _ = ledger.admit(
                    MQTTMessage(topic: "t", payload: command), now: Timestamp(milliseconds: 1_768_000_000_000))
            }
        },
        FuzzTarget("daemon.control", .decoder) {
            [
                ControlRequest(.status).bytes, ControlRequest(.capture, meter: "m").bytes,
                ControlRequest(.ignore, id: "1", reason: "known", until: .max).bytes,
            ]
        } run: { bytes in
            guard let request = ControlRequest(bytes) else { return }
            precondition(ControlRequest(request.bytes) == request, "a request is read otherwise than it is written")
        },
        FuzzTarget("daemon.topic", .decoder, maximumLength: 256) {
            Sample.texts(["obisd/n/m/command", "obisd/n/command", "obisd/n//command"])
        } run: { bytes in
            let topics = Topics(base: "obisd", node: "n")
            guard let meter = topics.meter(ofCommand: String(decoding: bytes, as: UTF8.self)) else { return }
            precondition(!meter.isEmpty && !meter.contains("/"), "a meter of several levels")
        },
        FuzzTarget("state.validator", .decoder, maximumLength: 8192) {
            Sample.texts([validatorState]) + [ValidatorState().stored]
        } run: { bytes in
            guard let state = ValidatorState(stored: bytes) else { return }
            judge(state)
            precondition(ValidatorState(stored: state.stored) != nil, "what was stored cannot be read")
        },
        FuzzTarget("state.backfill", .decoder) {
            Sample.texts([#"{"epoch":1,"read":1768000000000,"covered":1,"holes":[{"after":1,"through":99}]}"#])
        } run: { bytes in
            backfill(bytes)
        },
        FuzzTarget("state.rules", .decoder, maximumLength: 16_384) {
            [ruleState]
        } run: { bytes in
            guard let state = EngineState(bytes) else { return }
            watch(state)
        },
        FuzzTarget("state.summaries", .decoder, maximumLength: 8192) {
            [summaryState]
        } run: { bytes in
            summarise(bytes)
        },
        FuzzTarget("state.discovery", .decoder, maximumLength: 8192) {
            [deliveryState]
        } run: { bytes in
            if let delivery = try? JSONDecoder().decode(Delivery.self, from: Data(bytes)) {
                HostileTexts.tell(delivery, name: "Meter")
            }
            _ = try? JSONDecoder().decode(Publication.self, from: Data(bytes)).topics(meter: "m")
        },
        FuzzTarget("state.search", .decoder) {
            [(try? JSONEncoder().encode(BusSearch())).map { [UInt8]($0) } ?? []]
        } run: { bytes in
            guard var search = try? JSONDecoder().decode(BusSearch.self, from: Data(bytes)) else { return }
            for _ in 0..<300 where search.next != nil { search.take(.collision) }
        },
        FuzzTarget("daemon.hostile-names", .decoder, maximumLength: 512) {
            Sample.texts(["Meter", "\"}{\\", "a/b+c#d\u{0}", "{{ states('x') }}"])
        } run: { bytes in
            HostileTexts.tell(Delivery(), name: String(decoding: bytes, as: UTF8.self))
        },
    ]

    private static let commands = Sample.texts([
        #"{"id":"1","verb":"read"}"#,
        #"{"id":"2","verb":"ignore","anomaly":"x","reason":"known","until":"2026-02-01T00:00:00+01:00"}"#,
        #"{"id":"3","verb":"read","expires_at":"2027-01-15T11:34:56.120Z"}"#,
    ])

    private static let validatorState = """
        {"epoch":2,"serial":"1","devices":{"":"12345678"},"newcomers":{"":{"id":"2","count":1,"since":1768000000000}},\
        "counters":{"1-0:1.8.0*255":{"value":"1234.5","below":0,"contender":"1","seen":1768000000000,"before":1}},\
        "invocationCounters":{"4f4249":{"highest":7,"last":7,"below":0}},"totals":{"0":{"counter":"1","offset":"0",\
        "isExchanged":false}},"registerTotals":{"1-0:1.8.1*255":{"counter":"1","offset":"2","isExchanged":true}}}
        """

    // MARK: What goes on from a stored state

    private static func reading(_ number: Int64, _ telegram: Telegram) -> Reading {
        Reading(
            device: telegram.meter, time: Timestamp(milliseconds: 1_768_000_000_000 + number * 10_000),
            capturedAt: Timestamp(milliseconds: 1_768_000_000_000 + number * 10_000), isClockSynchronized: true,
            values: NamedMapping().values(of: telegram.registers, medium: .electricity), registers: telegram.registers)
    }

    private static func telegram(_ number: Int64) -> Telegram {
        Telegram(
            meter: MeterIdentity(id: "12345678", manufacturer: "OBI", medium: .electricity),
            registers: [
                Register(
                    obis: ObisCode(1, 0, 1, 8, 0), value: .number(FixedDecimal(12_345 + number, exponent: -1)),
                    unit: .kilowattHour),
                Register(obis: ObisCode(1, 0, 1, 8, 1), value: .number(FixedDecimal(number)), unit: .kilowattHour),
                Register(obis: ObisCode(1, 0, 16, 7, 0), value: .number(9_500), unit: .watt),
                Register(obis: ObisCode(1, 0, 32, 7, 0), value: .number(265), unit: .volt),
            ],
            ciphering: Ciphering(
                systemTitle: Array("OBI".utf8) + [0, 0, 0, 0, 1], securityControl: 0x30,
                invocationCounter: UInt32(truncatingIfNeeded: number), isAuthenticated: true))
    }

    private static func judge(_ state: ValidatorState) {
        var validator = Validator(serial: "12345678", state: state)
        for number in Int64(0)..<3 {
            let telegram = telegram(number)
            var reading = reading(number, telegram)
            let arrival = Arrival(monotonic: .seconds(number * 10), wall: reading.time)
            reading.issues = validator.issues(of: telegram, keys: reading.registerKeys, at: arrival)
            validator.complete(&reading, at: arrival)
        }
        validator.restore(state)
        validator.replaced()
    }

    private static func backfill(_ bytes: [UInt8]) {
        guard var state = Backfill(stored: bytes) else { return }
        var monotonic = Duration.zero
        for number in Int64(0)..<4 {
            let now = Timestamp(milliseconds: 1_768_000_000_000 + number * 7_200_000)
            _ = state.read(
                at: now, monotonic: monotonic, isSynchronized: number != 1, epoch: 1, patience: .seconds(90))
            if let chunk = state.nextChunk(at: now, monotonic: monotonic) {
                precondition(chunk.after <= chunk.through, "a chunk that ends before it begins")
                if number & 1 == 0 { state.finished(chunk, at: now) } else { state.failed(chunk, monotonic: monotonic) }
            }
            monotonic += .seconds(7200)
        }
        precondition(Backfill(stored: state.stored) != nil, "what was stored cannot be read")
    }

    private static func makeEngine(_ state: EngineState?) -> AnomalyEngine {
        AnomalyEngine(
            meter: "m", limits: InstallationLimits(contractedPower: 9000, fuse: 25, phases: 3, nominalVoltage: 230),
            interval: .seconds(10), calendar: FixedCalendar(utcOffset: 3600), state: state, ids: ULIDSource { 7 })
    }

    private static func watch(_ state: EngineState) {
        var engine = makeEngine(state)
        observe(&engine)
        precondition(EngineState(engine.stored) != nil, "what was stored cannot be read")
    }

    private static func observe(_ engine: inout AnomalyEngine) {
        for number in Int64(0)..<4 {
            let reading = reading(number, telegram(number))
            _ = engine.observe(reading, seq: number, at: .seconds(number * 600))
            _ = engine.tick(at: .seconds(number * 600 + 5), wall: reading.time)
        }
        if let open = engine.open.first { _ = engine.resolve(id: open.id, wall: Timestamp(milliseconds: 0)) }
    }

    private static let ruleState: [UInt8] = {
        var engine = makeEngine(nil)
        observe(&engine)
        return engine.stored
    }()

    private static func summarise(_ bytes: [UInt8]) {
        let calendar = FixedCalendar(utcOffset: 3600)
        guard var summaries = SummaryBuilder(stored: bytes, calendar: calendar, nominalVoltage: 230) else { return }
        for number in Int64(0)..<4 {
            let reading = reading(number * 200, telegram(number))
            _ = summaries.observe(reading, totals: reading.values, at: .seconds(number * 2000))
        }
        summaries.noteAnomaly(type: "fuse")
        precondition(
            SummaryBuilder(stored: summaries.stored, calendar: calendar) != nil, "what was stored cannot be read")
    }

    private static let summaryState: [UInt8] = {
        var summaries = SummaryBuilder(calendar: FixedCalendar(utcOffset: 3600), nominalVoltage: 230)
        for number in Int64(0)..<8 {
            let reading = reading(number * 50, telegram(number))
            _ = summaries.observe(reading, totals: reading.values, at: .seconds(number * 500))
        }
        summaries.noteAnomaly(type: "fuse")
        return summaries.stored
    }()

    private static let deliveryState: [UInt8] = {
        var delivery = Delivery()
        _ = delivery.observe(reading(1, telegram(1)), registerTotals: [], at: .zero)
        return (try? JSONEncoder().encode(delivery)).map { [UInt8]($0) } ?? []
    }()
}
