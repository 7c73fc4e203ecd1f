import OBIS
import Rules
import Testing

/// What is special about single rules: levels, phases, and what must not be mistaken for a fault.
@Suite("Single rules")
struct RuleTests {
    @Test("an overload climbs through its levels and never falls back")
    func escalation() {
        var stage = Stage()
        stage.play(for: .minutes(6), every: .seconds(10)) { $0[.activePower] = 8500 }
        stage.play(for: .minutes(2), every: .seconds(10)) { $0[.activePower] = 9300 }
        stage.play(for: .seconds(20), every: .seconds(10)) { $0[.activePower] = 10_500 }
        stage.play(for: .minutes(5), every: .seconds(10)) { $0[.activePower] = 8500 }
        stage.play(for: .minutes(2), every: .seconds(10))
        let log = stage.log(of: "overload")
        #expect(log.first == "opened medium")
        #expect(log.contains("updated high"))
        #expect(log.suffix(2) == ["updated critical", "resolved critical"])
        let last = stage.changes.last { $0.anomaly.type == "overload" }?.anomaly
        #expect(last?.measured == 10_500)
        #expect(last?.threshold == 9900)
        #expect(last?.unit == .voltAmpere)
        #expect(last?.readings.count == 2)
    }

    @Test("the worst value is told also where it came before the anomaly was certain")
    func worst() {
        var stage = Stage()
        stage.play(for: .minutes(5), every: .seconds(10)) { $0[.currentL1] = 26 }
        stage.show(after: .seconds(10)) { $0[.currentL1] = 31 }
        stage.play(for: .minutes(6), every: .seconds(10)) { $0[.currentL1] = 26 }
        let opened = stage.changes.first { $0.anomaly.type == "fuse" }?.anomaly
        #expect(opened?.measured == 31)
        #expect(opened?.text.hasPrefix("Up to 31 A flowed on L1, with a limit of 25 A.") == true)
    }

    @Test("panels on one phase and an oven on another are no overload")
    func directions() {
        var stage = Stage(limits: InstallationLimits(contractedPower: 9000, phases: 3, hasGenerator: true))
        for step in 0..<400 {
            stage.show(after: .seconds(5)) {
                $0.setCurrents(22, 20, 2)
                $0[.activePower] = 300
                // A second list without the active power does not say where the apparent one goes.
                if step % 3 == 0 {
                    $0[.apparentPower] = 9800
                    $0.drop(.activePower)
                }
            }
        }
        #expect(stage.log(of: "overload") == [])
    }

    @Test("a peak that rises all the time is told at most once a minute")
    func updates() {
        var stage = Stage()
        stage.play(for: .minutes(10), every: .seconds(10)) { $0[.currentL1] = 26 }
        for step in 0..<60 { stage.show(after: .seconds(10)) { $0[.currentL1] = 26 + 0.01 * Double(step) } }
        let own = stage.changes.filter { $0.anomaly.type == "fuse" }
        #expect(own.count { $0.kind == .updated } <= 10)
        #expect(own.count { $0.kind == .updated } >= 8)
        for (earlier, later) in zip(own, own.dropFirst()) where later.kind == .updated {
            let pause = Timestamp.milliseconds(from: earlier.anomaly.updatedAt, to: later.anomaly.updatedAt)
            #expect(pause >= 60_000)
        }
    }

    @Test("phases are followed each by itself")
    func phases() {
        var stage = Stage()
        stage.play(for: .minutes(11), every: .seconds(10)) { $0.setCurrents(26, 3, 27) }
        stage.play(for: .minutes(2), every: .seconds(10)) { $0.setCurrents(3, 3, 27) }
        #expect(stage.log(of: "fuse") == ["opened l1 medium", "opened l3 medium", "resolved l1 medium"])
        #expect(stage.engine.open.filter { $0.type == "fuse" }.map(\.phase) == [.l3])
    }

    @Test("after an end there is silence for the cooldown, and no longer")
    func cooldown() {
        var stage = Stage()
        stage.play(for: .minutes(1), every: .seconds(10))
        let dip: Act = { $0[.voltageL1] = 195 }
        stage.play(for: .seconds(30), every: .seconds(10), dip)
        stage.play(for: .seconds(40), every: .seconds(10))
        stage.restart()
        stage.play(for: .minutes(4), every: .seconds(10), dip)
        #expect(stage.log(of: "dip") == ["opened l1 medium", "resolved l1 medium"])
        stage.play(for: .minutes(2), every: .seconds(10), dip)
        #expect(stage.log(of: "dip").last == "opened l1 medium")
    }

    @Test("an ignoring that ends brings the anomaly back; one that outlasts it keeps it away")
    func ignoring() throws {
        var stage = Course.all.first { $0.type == "fuse" }?.openStage() ?? Stage()
        let bad: Act = { $0[.currentL1] = 26 }
        let id = try #require(stage.engine.open.first?.id)
        stage.ignore(id, until: Timestamp(milliseconds: stage.wall.milliseconds + 1_800_000))
        stage.play(for: .minutes(20), every: .seconds(10), bad)
        #expect(stage.log(of: "fuse").last == "ignored l1 medium")
        stage.play(for: .minutes(11), every: .seconds(10), bad)
        #expect(stage.log(of: "fuse").last == "updated l1 medium")
        #expect(stage.changes.last { $0.anomaly.type == "fuse" }?.anomaly.status == .active)

        stage.ignore(id, until: Timestamp(milliseconds: stage.wall.milliseconds + 7_200_000))
        stage.play(for: .minutes(3), every: .seconds(10))
        #expect(stage.log(of: "fuse").last == "resolved l1 medium")
        stage.restart()
        stage.play(for: .minutes(60), every: .seconds(10), bad)
        #expect(stage.log(of: "fuse").last == "resolved l1 medium")
        stage.play(for: .minutes(70), every: .seconds(10), bad)
        #expect(stage.log(of: "fuse").last == "opened l1 medium")
    }

    @Test("a meter on one phase has not lost the others, and an outage is no lost phase")
    func wiring() {
        var stage = Stage()
        stage.play(for: .minutes(5), every: .seconds(10)) { $0.setVoltages(230, 0, 0) }
        #expect(stage.changes.isEmpty)
        var house = Stage()
        house.play(for: .minutes(5), every: .seconds(10))
        house.play(for: .minutes(5), every: .seconds(10)) { $0.setVoltages(0, 0, 0) }
        #expect(house.log(of: "phase_lost") == [])
        #expect(Set(house.changes.map(\.anomaly.type)).contains("dip"))
    }

    @Test("a lost phase is not also a dip, and a deep dip is high")
    func depths() {
        var stage = Stage()
        stage.play(for: .minutes(1), every: .seconds(10))
        stage.play(for: .minutes(1), every: .seconds(10)) { $0[.voltageL1] = 0 }
        #expect(stage.changes.map { "\($0.anomaly.type) \($0.summary)" } == ["phase_lost opened l1 critical"])
        var deep = Stage()
        deep.play(for: .minutes(1), every: .seconds(10))
        deep.play(for: .minutes(1), every: .seconds(10)) { $0[.voltageL1] = 150 }
        #expect(deep.log(of: "dip") == ["opened l1 high"])
    }

    @Test("a mean far too low is high, and one kettle-long sag is no band anomaly")
    func band() {
        var stage = Stage()
        stage.play(for: .minutes(1), every: .seconds(10))
        stage.play(for: .minutes(21), every: .seconds(10)) { $0[.voltageL3] = 190 }
        #expect(stage.log(of: "voltage_band").first == "opened l3 high")
        var sag = Stage()
        for _ in 0..<12 {
            sag.play(for: .minutes(9), every: .seconds(10))
            sag.play(for: .minutes(1), every: .seconds(10)) { $0[.voltageL3] = 200 }
        }
        #expect(sag.log(of: "voltage_band") == [])
    }

    @Test("the frequency is critical at once far outside, on both sides")
    func frequency() {
        for hertz in [46.5, 52.5] {
            var stage = Stage()
            stage.play(for: .seconds(30), every: .seconds(10))
            stage.show(after: .seconds(10)) { $0[.frequency] = hertz }
            #expect(stage.log(of: "frequency") == ["opened critical"])
        }
    }

    @Test("a power factor at next to no load means nothing")
    func idle() {
        var stage = Stage()
        stage.play(for: .hours(2), every: .seconds(30)) {
            $0[.activePower] = 60
            $0[.powerFactor] = 0.3
        }
        #expect(stage.log(of: "power_factor") == [])
    }

    @Test("a night may wrap around midnight, and its hours are those of the place")
    func nights() {
        let settings = RuleSettings.on(
            "night_base_load",
            ["above": .quantity(300, .watt), "from": .timeOfDay(minutes: 1380), "to": .timeOfDay(minutes: 360)])
        // From 22:00 UTC, 23:00 local, until 05:00 UTC.
        var stage = Stage(settings: settings, start: "2026-01-15T21:00:00Z")
        stage.play(for: .minutes(479), every: .minutes(1)) { $0[.activePower] = 450 }
        #expect(stage.log(of: "night_base_load") == [])
        stage.play(for: .minutes(2), every: .minutes(1)) { $0[.activePower] = 450 }
        #expect(stage.log(of: "night_base_load") == ["opened medium"])
        // A night with a quiet quarter of an hour is none with a base load.
        stage.play(for: .hours(20), every: .minutes(1)) { $0[.activePower] = 450 }
        stage.play(for: .minutes(25), every: .minutes(1)) { $0[.activePower] = 120 }
        stage.play(for: .hours(8), every: .minutes(1)) { $0[.activePower] = 450 }
        #expect(stage.log(of: "night_base_load") == ["opened medium", "resolved medium"])
    }

    @Test("a day with export is none on which little is drawn, and there is no habit before a week")
    func drops() {
        for days in [5, 8] {
            var stage = Stage()
            stage.play(for: .days(days), every: .minutes(5))
            stage.show(after: .minutes(5)) { $0[.activePower] = -2000 }
            stage.play(for: .hours(6), every: .minutes(5)) { $0[.activePower] = 5 }
            #expect(stage.log(of: "drop") == [])
            stage.play(for: .hours(20), every: .minutes(5)) { $0[.activePower] = 5 }
            #expect(stage.log(of: "drop") == (days == 8 ? ["opened low"] : []))
        }
    }

    @Test("the water of a heating may flow all day")
    func heating() {
        var stage = Stage()
        stage.play(for: .days(3), every: .minutes(15)) {
            $0.device.medium = .heat
            $0[.volume] += 0.1
        }
        #expect(stage.log(of: "continuous_flow") == [])
    }

    @Test(
        "the status of an M-Bus meter is understood",
        arguments: [
            (0b0000_0000, [String]()), (0b0000_0001, []), (0b1110_0000, []), (0b0000_0100, ["opened medium"]),
            (0b0001_0000, ["opened medium"]), (0b0000_1000, ["opened high"]), (0b0000_0010, ["opened high"]),
        ] as [(UInt8, [String])])
    func status(_ status: UInt8, _ expected: [String]) {
        var stage = Stage()
        stage.play(for: .minutes(1), every: .seconds(10)) { $0.device.status = status }
        #expect(stage.log(of: "meter_error") == expected)
    }

    @Test(
        "error registers are read as numbers and as hexadecimal digits, words are not",
        arguments: [
            (RegisterValue.text("00000000"), false), (.text("0000 0000"), false), (.text("00008000"), true),
            (.text("OK"), false), (.number(0), false), (.number(8), true), (.flag(true), true), (.unavailable, false),
        ])
    func errorRegister(_ value: RegisterValue, _ isError: Bool) {
        var stage = Stage()
        stage.play(for: .minutes(1), every: .seconds(10)) {
            $0.registers = [Register(obis: ObisCode("F.F"), value: value)]
        }
        #expect(stage.log(of: "meter_error") == (isError ? ["opened high"] : []))
    }

    @Test("an opened cover is noticed when its count rises, also over a restart")
    func tamper() {
        func cover(_ count: Int64) -> Act {
            { $0.registers = [Register(obis: ObisCode(0, 0, 96, 20, 0), value: .number(FixedDecimal(count)))] }
        }
        var stage = Stage()
        stage.play(for: .minutes(5), every: .seconds(10), cover(3))
        stage.restart()
        stage.play(for: .minutes(5), every: .seconds(10), cover(3))
        #expect(stage.log(of: "meter_error") == [])
        stage.restart()
        stage.play(for: .seconds(10), every: .seconds(10), cover(4))
        #expect(stage.log(of: "meter_error") == ["opened high"])
        #expect(stage.changes.last?.anomaly.text.contains("from 3 to 4") == true)
    }

    @Test("a clock that is an hour off, and one that is doubtful by its own word")
    func clocks() {
        var stage = Stage()
        stage.play(for: .minutes(11), every: .seconds(10)) { $0.clockAhead = -3600 }
        #expect(stage.log(of: "clock_drift") == ["opened medium"])
        #expect(stage.changes.last?.anomaly.text.contains("daylight saving") == true)
        var doubtful = Stage()
        doubtful.play(for: .minutes(11), every: .seconds(10)) { $0.isClockDoubtful = true }
        #expect(doubtful.log(of: "clock_drift") == ["opened medium"])
    }

    @Test("the time of a value, as a device behind a meter tells it, is no clock")
    func timeOfValue() {
        func reading(_ time: String, value: MeterTime?) -> Reading {
            let meterTime = MeterTime(year: 2026, month: 1, day: 15, hour: 14, minute: 0, second: 0, utcOffset: 60)
            let captured = Timestamp(time) ?? Timestamp(milliseconds: 0)
            let gas = Register(
                obis: ObisCode(0, 1, 24, 2, 1), value: .number(12), unit: .cubicMetre, time: value ?? meterTime)
            return Reading(
                source: .live, device: MeterIdentity(id: "1"), time: captured, capturedAt: captured,
                isClockSynchronized: true, meterTime: meterTime, registers: [gas])
        }
        let before = MeterTime(year: 2026, month: 1, day: 15, hour: 13, minute: 0, second: 0, utcOffset: 60)
        #expect(reading("2026-01-15T13:06:00Z", value: nil).clockDrift == nil)
        #expect(reading("2026-01-15T13:06:00Z", value: before).clockDrift == .seconds(-360))
    }

    @Test("who says the same again and again is not silent")
    func repetitions() {
        var stage = Stage()
        // While water runs, there is a reading every ten seconds.
        stage.play(for: .minutes(5), every: .seconds(10))
        stage.play(for: .hours(8), every: .seconds(10)) {
            $0.isSilent = true
            $0.link = LinkObservation(repetitions: 1)
        }
        #expect(stage.log(of: "stale") == [])
        stage.play(for: .minutes(2), every: .seconds(10)) { $0.isSilent = true }
        #expect(stage.log(of: "stale") == ["opened high"])
        stage.play(for: .seconds(10), every: .seconds(10)) {
            $0.isSilent = true
            $0.link = LinkObservation(repetitions: 1)
        }
        #expect(stage.log(of: "stale") == ["opened high", "resolved high"])
    }

    @Test("silence becomes critical after an hour, and the usual pause is learned")
    func silence() {
        var stage = Stage(interval: .seconds(10))
        stage.play(for: .minutes(2), every: .seconds(10))
        stage.play(for: .minutes(70), every: .seconds(10)) { $0.isSilent = true }
        #expect(stage.log(of: "stale") == ["opened high", "updated critical"])
        var slow = Stage()
        slow.play(for: .hours(5), every: .minutes(15))
        slow.play(for: .minutes(40), every: .minutes(1)) { $0.isSilent = true }
        #expect(slow.log(of: "stale") == [])
        slow.play(for: .minutes(10), every: .minutes(1)) { $0.isSilent = true }
        #expect(slow.log(of: "stale") == ["opened high"])
    }

    @Test("a budget is one of a calendar month, also in December")
    func december() {
        let settings = RuleSettings.on("budget", ["energy": .quantity(300, .kilowattHour)])
        var stage = Stage(settings: settings, start: "2025-12-28T11:00:00Z")
        stage.play(for: .hours(26), every: .hours(1)) { $0[.activeImport] += 10 }
        #expect(stage.log(of: "budget").first == "opened medium")
        stage.play(for: .days(4), every: .hours(1))
        #expect(stage.log(of: "budget").last?.hasPrefix("resolved") == true)
    }

    @Test("a month that will end above the plan is high before the plan is used")
    func projection() {
        let settings = RuleSettings.on("budget", ["energy": .quantity(300, .kilowattHour)])
        var stage = Stage(settings: settings, start: "2026-01-01T11:00:00Z")
        stage.play(for: .days(8), every: .hours(1)) { $0[.activeImport] += 0.6 }
        #expect(stage.log(of: "budget") == ["opened high"])
    }

    @Test("a reading that is wrong as a whole is not judged by its values, but its issues are")
    func wrongAsAWhole() {
        var stage = Stage(interval: .seconds(10))
        stage.play(for: .minutes(30), every: .seconds(10)) {
            $0[.currentL1] = 80
            $0.issues = [
                QualityIssue(register: nil, level: .error, code: .wrongSerial, text: "meter 9 answers")
            ]
        }
        #expect(Set(stage.changes.map(\.anomaly.type)) == ["replay", "stale"])
    }

    @Test("what a kettle, an oven and the panels do in a minute is no anomaly")
    func changes() {
        var stage = Stage()
        for step in 0..<2000 {
            stage.show(after: .seconds(5)) {
                $0[.activePower] = [2400, 4900, -3000, 0, 300][step / 12 % 5]
            }
        }
        #expect(stage.changes.isEmpty)
    }
}
