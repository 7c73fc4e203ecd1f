import OBIS
import Rules
import Testing

/// One kind of anomaly from its beginning to its end: what every rule must show.
struct Course: Sendable, CustomTestStringConvertible {
    let type: String
    var phase: Anomaly.Phase?
    let severity: Anomaly.Severity
    var settings = RuleSettings()
    var limits = Stage.limits
    var interval: Duration?
    /// In UTC; local time is an hour later.
    var start = "2026-01-15T11:00:00Z"
    var step = Duration.seconds(10)
    /// What goes before, so that there is a habit.
    var warmUp: [(duration: Duration, act: Act)] = [(.minutes(2), calm)]
    let bad: Act
    /// Less than bad, but not well again.
    var edge: Act?
    /// Without the values that the rule needs.
    var missing: Act?
    /// The state before the fault and after it.
    var good: Act = calm
    /// Bad must last for so long, and is found after no more than that.
    var notBefore = Duration.zero
    let within: Duration
    /// After so much good time it is over.
    let clearsWithin: Duration

    var testDescription: String { type }

    /// A stage on which everything before the fault has happened.
    func stage() -> Stage { Self.stages[type]?.before ?? Stage() }

    /// The same with the anomaly open.
    func openStage() -> Stage { Self.stages[type]?.open ?? Stage() }

    /// A stage is a value: what goes before is played once.
    private static let stages: [String: (before: Stage, open: Stage)] = Dictionary(
        uniqueKeysWithValues: all.map { course in
            var stage = Stage(
                settings: course.settings, limits: course.limits, interval: course.interval, start: course.start)
            for part in course.warmUp { stage.play(for: part.duration, every: course.step, part.act) }
            let before = stage
            _ = stage.play(until: .opened, of: course.type, atMost: course.within, every: course.step, course.bad)
            return (course.type, (before, stage))
        })
}

extension Course {
    private static let generator = InstallationLimits(contractedPower: 9000, fuse: 25, phases: 3, hasGenerator: true)
    private static let noGenerator = InstallationLimits(contractedPower: 9000, fuse: 25, phases: 3, hasGenerator: false)

    static func issue(_ code: QualityIssue.Code, _ text: String, _ level: Quality = .warning) -> QualityIssue {
        QualityIssue(register: level == .error ? "1-0:1.8.0*255" : nil, level: level, code: code, text: text)
    }

    static func errorRegister(_ value: Int64) -> Register {
        Register(obis: ObisCode(0, 0, 97, 97, 0), value: .number(FixedDecimal(value)))
    }

    static let all: [Course] = power + voltage + grid + habits + faults

    private static let power: [Course] = [
        Course(
            type: "overload", severity: .high, bad: { $0[.activePower] = 9300 }, edge: { $0[.activePower] = 7900 },
            missing: { $0.drop(.activePower) }, notBefore: .seconds(60),
            within: .seconds(80), clearsWithin: .seconds(80)),
        Course(
            type: "fuse", phase: .l1, severity: .medium, bad: { $0[.currentL1] = 26 }, edge: { $0[.currentL1] = 24.5 },
            missing: { $0.drop(.currentL1, .currentL2, .currentL3) }, notBefore: .minutes(10),
            within: .seconds(620), clearsWithin: .seconds(80)),
        Course(
            type: "power_factor", severity: .low,
            bad: {
                $0[.activePower] = 2000
                $0[.powerFactor] = 0.7
            },
            edge: {
                $0[.activePower] = 2000
                $0[.powerFactor] = 0.81
            }, missing: { $0.drop(.powerFactor) }, notBefore: .minutes(15), within: .seconds(920),
            clearsWithin: .minutes(6)),
        Course(
            type: "current_unbalance", severity: .low, bad: { $0.setCurrents(16, 8, 6) },
            edge: { $0.setCurrents(11.6, 9.4, 9) }, missing: { $0.drop(.currentL2) }, notBefore: .minutes(10),
            within: .seconds(620), clearsWithin: .minutes(6)),
    ]

    private static let voltage: [Course] = [
        Course(
            type: "voltage_band", phase: .l2, severity: .medium, bad: { $0[.voltageL2] = 205 },
            edge: { $0[.voltageL2] = 209 }, missing: { $0.drop(.voltageL1, .voltageL2, .voltageL3) },
            notBefore: .minutes(3), within: .minutes(21), clearsWithin: .minutes(22)),
        Course(
            type: "dip", phase: .l3, severity: .medium, bad: { $0[.voltageL3] = 190 }, edge: { $0[.voltageL3] = 209 },
            missing: { $0.drop(.voltageL3) }, within: .seconds(20), clearsWithin: .seconds(30)),
        Course(
            type: "swell", phase: .l1, severity: .medium, bad: { $0[.voltageL1] = 258 }, edge: { $0[.voltageL1] = 251 },
            missing: { $0.drop(.voltageL1) }, within: .seconds(20), clearsWithin: .seconds(30)),
        Course(
            type: "phase_lost", phase: .l2, severity: .critical, bad: { $0[.voltageL2] = 0 },
            edge: { $0[.voltageL2] = 20 }, missing: { $0.drop(.voltageL2) }, within: .seconds(20),
            clearsWithin: .seconds(30)),
        Course(
            type: "neutral_fault", severity: .critical, bad: { $0.setVoltages(270, 180, 240) },
            edge: { $0.setVoltages(251, 209, 230) }, missing: { $0.drop(.voltageL1) }, within: .seconds(20),
            clearsWithin: .seconds(60)),
        Course(
            type: "voltage_unbalance", severity: .medium, bad: { $0.setVoltages(240, 228, 228) },
            edge: { $0.setVoltages(234, 228, 228) }, missing: { $0.drop(.voltageL3) }, notBefore: .minutes(3),
            within: .minutes(21), clearsWithin: .minutes(22)),
    ]

    private static let grid: [Course] = [
        Course(
            type: "frequency", severity: .medium, bad: { $0[.frequency] = 49.3 }, edge: { $0[.frequency] = 49.52 },
            missing: { $0.drop(.frequency) }, notBefore: .seconds(10), within: .seconds(30),
            clearsWithin: .seconds(30)),
        Course(
            type: "thd_voltage", severity: .medium, bad: { $0[.thdVoltage] = 9 }, edge: { $0[.thdVoltage] = 7.5 },
            missing: { $0.drop(.thdVoltage) }, notBefore: .minutes(3), within: .minutes(21),
            clearsWithin: .minutes(22)),
    ]

    private static let habits: [Course] = [
        Course(
            type: "night_base_load", severity: .medium, start: "2026-01-15T11:00:00Z", step: .minutes(5),
            warmUp: [(.days(8), calm)], bad: { $0[.activePower] = 1200 }, edge: { $0[.activePower] = 880 },
            missing: { $0.drop(.activePower) }, notBefore: .hours(16), within: .hours(18), clearsWithin: .days(1)),
        Course(
            type: "continuous_flow", severity: .medium, step: .minutes(15), warmUp: [(.hours(2), water)],
            bad: {
                water(&$0)
                $0[.volume] += 0.002
            },
            missing: {
                $0.device.medium = .water
                $0.drop(.volume)
            }, good: water, notBefore: .hours(23), within: .hours(26),
            clearsWithin: .minutes(75)),
        Course(
            type: "peak", severity: .medium, step: .minutes(1), warmUp: [(.days(8), calm)],
            bad: { $0[.activePower] = 2500 }, edge: { $0[.activePower] = 1300 }, missing: { $0.drop(.activePower) },
            notBefore: .minutes(15), within: .minutes(17), clearsWithin: .minutes(6)),
        Course(
            type: "drop", severity: .low, step: .minutes(5), warmUp: [(.days(8), calm)],
            bad: { $0[.activePower] = 30 }, edge: { $0[.activePower] = 150 }, missing: { $0.drop(.activePower) },
            notBefore: .minutes(55), within: .minutes(125), clearsWithin: .minutes(125)),
        Course(
            type: "unexpected_export", severity: .low, limits: noGenerator, bad: { $0[.activePower] = -300 },
            edge: { $0[.activePower] = -15 }, missing: { $0.drop(.activePower) }, notBefore: .minutes(10),
            within: .seconds(620), clearsWithin: .minutes(11)),
        Course(
            type: "missing_export", severity: .low, limits: generator, step: .minutes(10),
            warmUp: Array(repeating: (.hours(23), calm), count: 7).flatMap { [$0, (.hours(1), export)] },
            bad: calm, missing: { $0.drop(.activePower, .activeExport) }, good: export, notBefore: .days(3),
            within: .days(4), clearsWithin: .minutes(20)),
        Course(
            type: "budget", severity: .medium, settings: .on("budget", ["energy": .quantity(300, .kilowattHour)]),
            step: .hours(1), bad: { $0[.activeImport] += 10 }, missing: { $0.drop(.activeImport) },
            notBefore: .hours(20), within: .hours(25), clearsWithin: .days(17)),
    ]

    private static let water: Act = { scene in
        let volume = scene.values[.volume] ?? 100
        scene.values = NamedValues()
        scene.values[.volume] = volume
        scene.device.medium = .water
    }

    private static let export: Act = { scene in
        scene[.activePower] = -800
        scene[.activeExport] += 0.1
    }

    private static let faults: [Course] = [
        Course(
            type: "counter_fault", severity: .high,
            bad: { $0.issues = [issue(.counterDecreased, "the counter went back from 9 to 3", .error)] },
            within: .seconds(10), clearsWithin: .minutes(16)),
        Course(
            type: "meter_error", severity: .high, bad: { $0.registers = [errorRegister(4)] },
            missing: { $0.registers = [] }, good: { $0.registers = [errorRegister(0)] }, within: .seconds(10),
            clearsWithin: .minutes(61)
        ),
        Course(
            type: "clock_drift", severity: .low, bad: { $0.clockAhead = 45 }, edge: { $0.clockAhead = 28 },
            missing: { $0.clockAhead = nil }, notBefore: .minutes(10), within: .seconds(620),
            clearsWithin: .minutes(11)),
        Course(
            type: "stale", severity: .high, interval: .seconds(10), bad: { $0.isSilent = true },
            notBefore: .seconds(60), within: .seconds(80), clearsWithin: .seconds(10)),
        Course(
            type: "bad_link", severity: .medium,
            bad: { $0.link = LinkObservation(goodFrames: 1, rejectedFrames: ["checksum": 1], noiseBytes: 40) },
            missing: { $0.link = LinkObservation() }, notBefore: .minutes(1), within: .minutes(11),
            clearsWithin: .minutes(21)),
        Course(
            type: "decryption", severity: .high,
            bad: {
                $0.isSilent = true
                $0.link = LinkObservation(rejectedFrames: ["decryption": 1])
            }, missing: { $0.link = LinkObservation() }, within: .seconds(30), clearsWithin: .minutes(21)),
        Course(
            type: "replay", severity: .high,
            bad: { $0.issues = [issue(.invocationCounter, "the message counter went from 9 to 3")] },
            within: .seconds(10), clearsWithin: .minutes(16)),
    ]
}
