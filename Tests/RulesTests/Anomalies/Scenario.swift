import OBIS
import Rules

/// Random numbers that are the same in every run (SplitMix64).
struct Dice: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        return bits ^ (bits >> 31)
    }
}

/// What a meter and its line show at a moment.
struct Scene {
    var values = NamedValues()
    var device = MeterIdentity(id: "1", medium: .electricity)
    var registers: [Register] = []
    var issues: [QualityIssue] = []
    /// By how many seconds the meter's clock is ahead; nil where it tells no time.
    var clockAhead: Int?
    var isClockDoubtful = false
    var epoch = 1
    var source = Reading.Source.live
    /// Whether the meter is heard at all.
    var isSilent = false
    /// What the line brings beside the reading.
    var link = LinkObservation(goodFrames: 1)

    subscript(field: NamedField) -> Double {
        get { values[field]?.double ?? 0 }
        set { values[field] = FixedDecimal((newValue * 1000).rounded() / 1000) }
    }

    mutating func setVoltages(_ l1: Double, _ l2: Double, _ l3: Double) {
        self[.voltageL1] = l1
        self[.voltageL2] = l2
        self[.voltageL3] = l3
    }

    mutating func setCurrents(_ l1: Double, _ l2: Double, _ l3: Double) {
        self[.currentL1] = l1
        self[.currentL2] = l2
        self[.currentL3] = l3
    }

    mutating func drop(_ fields: NamedField...) {
        for field in fields { values[field] = nil }
    }

    /// The same scene with the counters where they were: they only rise.
    func keepingCounters(of other: Scene) -> Scene {
        var scene = self
        for field in [NamedField.activeImport, .activeExport, .volume] {
            if let value = other.values[field] { scene.values[field] = value }
        }
        return scene
    }

    /// A house in which nothing happens.
    static let calm: Scene = {
        var scene = Scene()
        scene.setVoltages(231, 229, 230)
        scene.setCurrents(1.2, 0.8, 1)
        scene[.activePower] = 600
        scene[.activeImport] = 1000
        scene[.activeExport] = 0
        scene[.frequency] = 50.01
        scene[.thdVoltage] = 2.5
        scene[.powerFactor] = 0.97
        scene.clockAhead = 2
        return scene
    }()
}

/// A year's clock changes as in central Europe: an hour more from the end of March to the end of October, 2026.
struct CentralEurope: LocalCalendar {
    private static let spring = Timestamp("2026-03-29T01:00:00Z") ?? Timestamp(milliseconds: 0)
    private static let autumn = Timestamp("2026-10-25T01:00:00Z") ?? Timestamp(milliseconds: 0)

    func utcOffset(at instant: Timestamp) -> Int {
        instant >= Self.spring && instant < Self.autumn ? 7200 : 3600
    }
}

/// Something that is done to a calm scene.
typealias Act = @Sendable (inout Scene) -> Void

let calm: Act = { _ in }

extension Duration {
    static func minutes(_ count: Int) -> Duration { .seconds(60 * count) }
    static func hours(_ count: Int) -> Duration { .seconds(3600 * count) }
    static func days(_ count: Int) -> Duration { .seconds(86_400 * count) }
}

/// An engine in virtual time: scenes go in, changes are noted.
struct Stage {
    static let limits = InstallationLimits(contractedPower: 9000, fuse: 25, phases: 3, nominalVoltage: 230)

    let settings: RuleSettings
    let limits: InstallationLimits
    let interval: Duration?
    let calendar: any LocalCalendar
    private(set) var engine: AnomalyEngine
    private(set) var scene = Scene.calm
    var changes: [AnomalyChange] = []
    var readings: Int64 = 0
    /// Milliseconds since the process started, and of the wall.
    var monotonic: Int64 = 5_000_000
    var wall: Timestamp

    /// - Parameter start: in UTC.
    init(
        settings: RuleSettings = RuleSettings(), limits: InstallationLimits = Self.limits, interval: Duration? = nil,
        start: String = "2026-01-15T11:00:00Z", calendar: any LocalCalendar = FixedCalendar(utcOffset: 3600)
    ) {
        self.settings = settings
        self.limits = limits
        self.interval = interval
        self.calendar = calendar
        wall = Timestamp(start) ?? Timestamp(milliseconds: 0)
        engine = AnomalyEngine(
            meter: "main", settings: settings, limits: limits, interval: interval, calendar: calendar,
            ids: Self.ids(seed: 1))
    }

    static func ids(seed: UInt64) -> ULIDSource {
        // Each source counts by itself: what is random about an id is tested elsewhere.
        ULIDSource { seed &* 0x9E37_79B9_7F4A_7C15 }
    }

    var now: Duration { .milliseconds(monotonic) }

    /// Lets time pass, and shows a calm scene with something done to it at the end.
    mutating func show(after pause: Duration, _ act: Act) {
        var next = Scene.calm.keepingCounters(of: scene)
        act(&next)
        show(next, after: pause)
    }

    mutating func show(_ scene: Scene, after pause: Duration) {
        self.scene = scene
        skip(pause)
        if !scene.isSilent {
            readings += 1
            changes += engine.observe(reading(scene), seq: readings, at: now)
        }
        changes += engine.observe(scene.link, at: now, wall: wall)
        changes += engine.tick(at: now, wall: wall)
    }

    /// Does something again and again.
    mutating func play(for duration: Duration, every step: Duration, _ act: Act = calm) {
        var left = duration
        while left > .zero {
            show(after: step, act)
            left -= step
        }
    }

    /// Does it until the first change of a type, at most for so long.
    ///
    /// - Returns: the time that it took; nil where nothing changed.
    mutating func play(
        until kind: AnomalyChange.Kind, of type: String, atMost: Duration, every step: Duration, _ act: Act
    )
        -> Duration?
    {
        let (before, start) = (changes.count, wall)
        var left = atMost
        while left > .zero {
            show(after: step, act)
            left -= step
            if changes[before...].contains(where: { $0.kind == kind && $0.anomaly.type == type }) {
                return .milliseconds(Timestamp.milliseconds(from: start, to: wall))
            }
        }
        return nil
    }

    mutating func ignore(_ id: String, reason: String? = "known", until: Timestamp? = nil) {
        if let change = engine.ignore(id: id, reason: reason, until: until, wall: wall) { changes.append(change) }
    }

    mutating func resolve(_ id: String) {
        if let change = engine.resolve(id: id, wall: wall) { changes.append(change) }
    }

    /// Nothing at all happens: not even the daemon's timer.
    mutating func skip(_ pause: Duration) {
        let milliseconds = Int64(pause / .milliseconds(1))
        monotonic += milliseconds
        wall.milliseconds += milliseconds
    }

    /// The process ends and starts anew; the monotonic clock is another one.
    mutating func restart(after pause: Duration = .seconds(2)) {
        let stored = engine.stored
        skip(pause)
        monotonic = 1000
        engine = AnomalyEngine(
            meter: "main", settings: settings, limits: limits, interval: interval, calendar: calendar,
            state: EngineState(stored), ids: Self.ids(seed: UInt64(readings)))
    }

    private func reading(_ scene: Scene) -> Reading {
        var time: MeterTime?
        if let ahead = scene.clockAhead {
            let offset = calendar.utcOffset(at: wall)
            let clock = MeterTime(localSeconds: wall.milliseconds / 1000 + Int64(offset + ahead))
            time = MeterTime(
                year: clock.year, month: clock.month, day: clock.day, hour: clock.hour, minute: clock.minute,
                second: clock.second, utcOffset: offset / 60, isDoubtful: scene.isClockDoubtful)
        }
        return Reading(
            source: scene.source, epoch: scene.epoch, device: scene.device, time: wall, capturedAt: wall,
            isClockSynchronized: true, meterTime: time, values: scene.values, registers: scene.registers,
            issues: scene.issues)
    }

    /// What happened to one type, in short: `opened l1 medium`.
    func log(of type: String) -> [String] {
        changes.filter { $0.anomaly.type == type }.map(\.summary)
    }
}

extension AnomalyChange {
    var summary: String {
        ([kind.rawValue] + (anomaly.phase.map { [$0.rawValue] } ?? []) + [anomaly.severity.rawValue])
            .joined(separator: " ")
    }
}

extension RuleSettings {
    /// One rule switched on, with values.
    static func on(_ type: String, _ values: [String: RuleValue] = [:]) -> RuleSettings {
        RuleSettings([type: Rule(isEnabled: true, values: values)])
    }
}
