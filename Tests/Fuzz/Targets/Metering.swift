import Configuration
import Daemon
import Discovery
import MQTT
import Metering
import OBIS
import Rules
import Wire

/// What becomes of a telegram: judged, named, merged, watched by the rules, told. The input chooses the telegrams.
extension FuzzTarget {
    static let metering: [FuzzTarget] = [
        FuzzTarget("metering.readings", .session) {
            [
                Array(repeating: [0x01, 5, 4, 1, 0, 1, 8, 0, 0x10, 0x27, 0, 0], count: 20).flatMap { $0 },
                Array(0...255),
            ]
        } run: { bytes in
            var choices = Choices(bytes)
            var meter = WatchedMeter(&choices)
            var steps = 0
            while !choices.isUsedUp, steps < 200 {
                meter.step(&choices)
                steps += 1
            }
        },
        FuzzTarget("metering.probe", .session) {
            [Sample.sml[0], Sample.push(), Sample.p1(.v50), Sample.readouts[0], Sample.mbus[0]].map {
                [0, 7, 200] + $0
            }
        } run: { bytes in
            probe(bytes)
        },
        FuzzTarget("metering.profile-fit", .decoder) {
            [Array(0...255)]
        } run: { bytes in
            var choices = Choices(bytes)
            var telegrams = [Telegram](repeating: Telegram(), count: 1 + choices.number(below: 3))
            for index in telegrams.indices { telegrams[index] = telegram(&choices) }
            let best = ProfileFit.best(for: telegrams, among: ShippedProfiles.all)
            for telegram in telegrams {
                var telegram = telegram
                best?.profile.complete(&telegram)
                for known in ProtocolRegistry.all { _ = known.identifiers(in: telegram).count }
            }
        },
    ]

    // MARK: Telegrams

    /// Any that a decoder could give.
    static func telegram(_ choices: inout Choices) -> Telegram {
        let count = choices.number(below: 24)
        let meter = MeterIdentity(
            id: choices.flag() ? choices.text() : nil, manufacturer: choices.flag() ? "OBI" : nil,
            medium: choices.element(of: [nil, .electricity, .gas, .water, .heat, .other] as [Medium?]))
        return Telegram(
            meter: meter, meterTime: choices.flag() ? MeterTime(localSeconds: choices.integer()) : nil,
            registers: (0..<count).map { _ in register(&choices) })
    }

    private static func register(_ choices: inout Choices) -> Register {
        let form = choices.byte()
        let known = [
            ObisCode(1, 0, 1, 8, 0), ObisCode(1, 0, 2, 8, 0), ObisCode(1, 0, 16, 7, 0), ObisCode(1, 0, 32, 7, 0),
            ObisCode(1, 0, 31, 7, 0), ObisCode(1, 0, 14, 7, 0), ObisCode(7, 0, 3, 0, 0), ObisCode(8, 0, 1, 0, 0),
        ]
        let any = ObisCode(choices.byte(), choices.byte(), choices.byte(), choices.byte(), choices.byte())
        let code = form & 1 == 0 ? choices.element(of: known) : any
        return Register(
            obis: form & 0x0E == 0 ? nil : code, printedCode: form & 0x70 == 0x70 ? choices.text() : nil,
            value: value(&choices), unit: form & 0x80 == 0 ? Unit(code: choices.byte()) : .other(choices.text()),
            index: form & 0x30 == 0x10 ? Int(choices.byte()) : nil)
    }

    private static func value(_ choices: inout Choices) -> RegisterValue {
        switch choices.number(below: 8) {
        case 0...2: return .number(FixedDecimal(Int64(choices.byte()) << 8 | Int64(choices.byte())))
        case 3: return .number(FixedDecimal(choices.integer(), exponent: Int8(bitPattern: choices.byte())))
        case 4: return .wide("18446744073709551615")
        case 5: return .text(choices.text())
        case 6: return choices.flag() ? .flag(true) : .time(MeterTime(localSeconds: choices.integer()))
        default: return .unavailable
        }
    }

    // MARK: Probing

    private static func probe(_ bytes: [UInt8]) {
        var choices = Choices(bytes)
        let asks = choices.flag()
        var probe = PortProbe(protocols: ProtocolRegistry.all, settings: .init(asks: asks, hasLine: choices.flag()))
        var now = Duration.zero
        var events = 0
        while events < 2000 {
            events += 1
            if case .done = probe.step { break }
            let choice = choices.byte()
            let event: PortProbe.Event
            switch choices.isUsedUp ? 8 : choice & 7 {
            case 0: event = .began
            case 1: event = .refused("no such line")
            case 2, 3: event = .received(choices.run())
            case 4: event = .boundary
            case 5: event = .answered([telegram(&choices)], nil)
            case 6, 7: event = .time
            default: event = .closed
            }
            now += .milliseconds(Int64(choice) * 20)
            _ = probe.handle(event, at: now)
        }
        precondition(events < 2000, "a probe does not end")
        _ = (probe.finding?.stanza, probe.finding?.systemTitle, probe.traces.map(\.sentence))
    }
}

/// A meter with all that watches over it, and its restarts.
private struct WatchedMeter {
    private var validator: Validator
    private var engine: AnomalyEngine
    private var summaries = SummaryBuilder(calendar: FixedCalendar(utcOffset: 3600))
    private var names = RegisterNames()
    private var state = LiveState()
    private var delivery = Delivery()
    private var backfill = Backfill(stored: Array(#"{"epoch":1,"holes":[]}"#.utf8))
    private var telegram: Telegram
    private var monotonic = Duration.zero
    private var wall: Int64 = 1_768_000_000_000
    private var seq: Int64 = 0

    private static let settings = RuleSettings([
        "budget": .init(isEnabled: true, values: ["energy": .quantity(900, .kilowattHour)])
    ])
    private static let limits = InstallationLimits(
        contractedPower: 9000, fuse: 25, phases: 3, nominalVoltage: 230, hasGenerator: true)

    init(_ choices: inout Choices) {
        telegram = FuzzTarget.telegram(&choices)
        validator = Validator(limits: Self.limits, serial: choices.flag() ? "12345678" : nil)
        engine = Self.engine(nil)
    }

    private static func engine(_ state: EngineState?) -> AnomalyEngine {
        AnomalyEngine(
            meter: "m", settings: settings, limits: limits, interval: .seconds(10),
            calendar: FixedCalendar(utcOffset: 3600), state: state, ids: ULIDSource { 7 })
    }

    mutating func step(_ choices: inout Choices) {
        let choice = choices.byte()
        pass(choice, &choices)
        switch choice & 15 {
        case 0...7: read()
        case 8: telegram = FuzzTarget.telegram(&choices)
        case 9:
            _ = engine.observe(
                LinkObservation(rejectedFrames: ["checksum": Int(choices.byte())]), at: monotonic, wall: now)
        case 10:
            _ = engine.tick(at: monotonic, wall: now)
            _ = summaries.tick(now, at: monotonic)
        case 11: judgeByHand(&choices)
        case 12: restart()
        case 13: validator.replaced()
        default: change(choices.byte())
        }
    }

    private var now: Timestamp { Timestamp(milliseconds: wall) }

    /// Seconds, or hours; the wall clock may be set to anything.
    private mutating func pass(_ choice: UInt8, _ choices: inout Choices) {
        let milliseconds: Int64 = choice & 0x10 == 0 ? 10_000 : Int64(choices.byte()) * 600_000
        monotonic += .milliseconds(milliseconds)
        wall = wall.addingReportingOverflow(milliseconds).partialValue
        if choice & 0xF0 == 0xF0 { wall = choices.integer() }
    }

    /// The counters go on.
    private mutating func change(_ step: UInt8) {
        for index in telegram.registers.indices {
            guard case .number(let number) = telegram.registers[index].value else { continue }
            let sum = number.mantissa.addingReportingOverflow(Int64(step)).partialValue
            telegram.registers[index].value = .number(FixedDecimal(sum, exponent: number.exponent))
        }
    }

    private mutating func judgeByHand(_ choices: inout Choices) {
        guard let id = engine.open.first?.id else { return }
        if choices.flag() {
            _ = engine.resolve(id: id, wall: now)
        } else {
            let until = Timestamp(milliseconds: choices.integer())
            _ = engine.ignore(id: id, reason: choices.text(), until: until, wall: now)
        }
    }

    // MARK: Readings

    private mutating func read() {
        let now = now
        let arrival = Arrival(monotonic: monotonic, wall: now)
        var reading = Reading(
            device: telegram.meter, time: now, capturedAt: now, isClockSynchronized: seq % 7 != 0,
            meterTime: telegram.meterTime, registers: telegram.registers,
            registerKeys: names.keys(of: telegram.registers))
        precondition(Set(reading.registerKeys).count == reading.registers.count, "two registers with one key")
        reading.issues = validator.issues(of: telegram, keys: reading.registerKeys, at: arrival)
        reading.values = NamedMapping().values(of: telegram.registers, medium: telegram.meter.medium)
        validator.complete(&reading, at: arrival)
        seq += 1
        for change in engine.observe(reading, seq: seq, at: monotonic) {
            summaries.noteAnomaly(type: change.anomaly.type)
        }
        let totals = NamedMapping(sumsTariffs: true).values(of: telegram.registers, medium: telegram.meter.medium)
        _ = summaries.observe(reading, totals: totals, at: monotonic)
        tell(reading)
        _ = backfill?.read(
            at: now, monotonic: monotonic, isSynchronized: seq % 7 != 0, epoch: 1, patience: .seconds(90))
        if let chunk = backfill?.nextChunk(at: now, monotonic: monotonic) { backfill?.finished(chunk, at: now) }
    }

    private mutating func tell(_ reading: Reading) {
        let payload = ReadingPayload.reading(
            ReadingBody(reading), node: "n", meter: "m", stream: String(repeating: "0", count: 32), seq: seq)
        precondition(JSONScalars(payload) != nil, "a reading that is no JSON")
        state.merge(reading, now: monotonic)
        guard let merged = state.reading(now: monotonic, fallback: .seconds(10)) else { return }
        guard delivery.observe(merged, registerTotals: [], at: monotonic) else { return }
        HostileTexts.tell(delivery, name: telegram.meter.id ?? "")
    }

    /// Only what was stored is known.
    private mutating func restart() {
        let stored = engine.stored
        let known = EngineState(stored)
        precondition(known != nil, "what the rules stored cannot be read")
        let open = engine.open.count
        engine = Self.engine(known)
        precondition(engine.open.count <= open, "a restart makes anomalies")
        let summary = SummaryBuilder(stored: summaries.stored, calendar: FixedCalendar(utcOffset: 3600))
        precondition(summary != nil, "what the summaries stored cannot be read")
        if let summary { summaries = summary }
        let state = ValidatorState(stored: validator.state.stored)
        precondition(state != nil, "what the validator stored cannot be read")
        if let state { validator.restore(state) }
        if let stored = backfill?.stored { backfill = Backfill(stored: stored) }
        precondition(backfill != nil, "the holes that were stored cannot be read")
        monotonic = .zero
    }
}
