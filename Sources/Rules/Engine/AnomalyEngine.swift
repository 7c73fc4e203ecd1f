import OBIS

/// Finds what is wrong with one meter and its installation, and says when it is over.
///
/// It is a value without a clock, a thread or a file: events go in with their time, changes come out. Rules see live
/// readings only, of these only values that are not of quality `error`, and durations are measured with the monotonic
/// clock of the arrival. One call costs the same however much was before.
public struct AnomalyEngine: Sendable {
    /// A longer reason for an ignoring is cut.
    public static let longestReason = 200

    private var rules: [any Rule]
    /// The rules that want to know of each kind of event, by their places.
    private let listeners: Listeners
    private var tracks: Tracks
    private var background: Background
    private let cooldowns: [String: Int64]
    private var stopwatch = Stopwatch()
    /// What a restart left to do at the first event, when it is known what time it is.
    private var unsettled: (state: EngineState, orphans: [Anomaly])?

    /// - Parameters:
    ///   - meter: the configured id.
    ///   - interval: the expected pause between readings; nil lets the engine learn it.
    ///   - calendar: the civil time of the place.
    ///   - state: what `stored` gave before a restart.
    ///   - ids: makes the ids of new anomalies.
    public init(
        meter: String, settings: RuleSettings = RuleSettings(), limits: InstallationLimits = InstallationLimits(),
        interval: Duration? = nil, calendar: any LocalCalendar = FixedCalendar(), state: EngineState? = nil,
        ids: ULIDSource = ULIDSource()
    ) {
        let expected = interval.map { max(1, $0.wholeMilliseconds) }
        var made: [(description: RuleDescription, rule: any Rule, cooldown: Int64)] = []
        for description in RuleRegistry.all {
            let own = settings.rules[description.type] ?? RuleSettings.Rule()
            let context = RuleContext(description, settings: own, limits: limits, interval: expected)
            guard context.isActive, let rule = description.make(context) else { continue }
            let cooldown = description.parameters.first { $0.key == "cooldown" }.map { context.milliseconds($0) }
            made.append((description, rule, cooldown ?? 0))
        }
        rules = made.map(\.rule)
        listeners = Listeners(rules)
        cooldowns = Dictionary(made.map { ($0.description.type, $0.cooldown) }) { first, _ in first }
        tracks = Tracks(meter: meter, descriptions: made.map(\.description), ids: ids)
        background = Background(
            calendar: calendar, nominalVoltage: limits.nominalVoltage?.double ?? Nominal.voltage, interval: expected)
        if let state { restore(state, made.map(\.description.type)) }
    }

    /// The anomalies that are not over, also the ignored ones.
    public var open: [Anomaly] { tracks.open }

    // MARK: Events

    /// Takes a judged reading.
    ///
    /// - Parameters:
    ///   - seq: its number in the journal; nil where it is not journaled.
    ///   - now: when it arrived, on a monotonic clock.
    public mutating func observe(_ reading: Reading, seq: Int64?, at now: Duration) -> [AnomalyChange] {
        guard reading.source == .live else { return [] }
        background.setClock(isSynchronized: reading.isClockSynchronized)
        let milliseconds = stopwatch.advance(to: now)
        if reading.isWrongAsAWhole {
            begin(background.moment(milliseconds, reading.capturedAt), seq: seq)
        } else {
            let sample = background.sample(reading, at: milliseconds)
            begin(sample.moment, seq: seq, isAfterGap: sample.elapsed == nil)
            for rule in listeners.values {
                tracks.turn(to: rule)
                rules[rule].observe(sample, &tracks)
            }
        }
        let moment = tracks.moment
        for rule in listeners.readings {
            tracks.turn(to: rule)
            rules[rule].inspect(reading, moment, &tracks)
        }
        return tracks.end()
    }

    /// Takes what came over the line since the last observation.
    public mutating func observe(_ link: LinkObservation, at now: Duration, wall: Timestamp) -> [AnomalyChange] {
        let moment = background.moment(stopwatch.advance(to: now), wall)
        begin(moment)
        for rule in listeners.link {
            tracks.turn(to: rule)
            rules[rule].observe(link, moment, &tracks)
        }
        return tracks.end()
    }

    /// Time has passed: to be called every few seconds, whether or not the meter is heard.
    public mutating func tick(at now: Duration, wall: Timestamp) -> [AnomalyChange] {
        let moment = background.moment(stopwatch.advance(to: now), wall)
        begin(moment)
        for rule in listeners.time {
            tracks.turn(to: rule)
            rules[rule].tick(moment, &tracks)
        }
        tracks.tick()
        return tracks.end()
    }

    // MARK: People

    /// Says nothing more about an anomaly until it is over, and about its type and phase until `until`.
    ///
    /// - Parameter until: nil leaves it ignored as long as it lasts.
    /// - Returns: nil where no such anomaly is open.
    public mutating func ignore(
        id: String, reason: String?, until: Timestamp?, wall: Timestamp
    ) -> AnomalyChange? {
        begin(background.moment(stopwatch.milliseconds, wall))
        _ = tracks.ignore(id: id, reason: reason.map { String($0.prefix(Self.longestReason)) }, until: until)
        return tracks.end().first { $0.anomaly.id == id }
    }

    /// Ends an anomaly by hand. It opens anew where its cause is still there after the cooldown.
    ///
    /// - Returns: nil where no such anomaly is open.
    public mutating func resolve(id: String, wall: Timestamp) -> AnomalyChange? {
        begin(background.moment(stopwatch.milliseconds, wall))
        let type = tracks.open.first { $0.id == id }?.type
        _ = tracks.resolve(id: id, cooldown: type.flatMap { cooldowns[$0] } ?? 0)
        return tracks.end().first { $0.anomaly.id == id }
    }

    private mutating func begin(_ moment: Moment, seq: Int64? = nil, isAfterGap: Bool = false) {
        tracks.begin(moment, seq: seq, isAfterGap: isAfterGap)
        guard let (state, orphans) = unsettled else { return }
        unsettled = nil
        tracks.restoreSilences(state)
        for anomaly in orphans { tracks.abandon(anomaly) }
    }

    // MARK: Restarts

    /// What must survive a restart, in less than 64 KiB.
    public var stored: [UInt8] {
        // Before the first event nothing has changed, and what time it is is not known.
        if let unsettled { return unsettled.state.bytes }
        var writer = JSONWriter(capacity: 8192)
        writer.object { writer in
            writer.member("version", EngineState.version)
            tracks.store(&writer)
            writer.member("background") { background.store(&$0) }
            writer.member("rules") { writer in
                for (rule, description) in zip(rules, tracks.descriptions) {
                    writer.member(named: description.type) { rule.store(&$0) }
                }
            }
        }
        return writer.bytes
    }

    private mutating func restore(_ state: EngineState, _ types: [String]) {
        unsettled = (state, tracks.restore(state))
        if let memory = state.root["background"] { background.restore(memory) }
        for (rule, type) in types.enumerated() {
            if let memory = state.memory(of: type) { rules[rule].restore(memory) }
        }
    }
}

/// Who wants to be told what.
private struct Listeners: Sendable {
    let values: [Int]
    let readings: [Int]
    let link: [Int]
    let time: [Int]

    init(_ rules: [any Rule]) {
        func places(_ event: RuleEvents) -> [Int] {
            rules.indices.filter { type(of: rules[$0]).events.contains(event) }
        }
        values = places(.values)
        readings = places(.readings)
        link = places(.link)
        time = places(.time)
    }
}

/// What is assumed of an installation about which nothing is said.
enum Nominal {
    /// In V, phase to neutral.
    static let voltage = 230.0
    /// The key under `limits`.
    static let source = "nominal_voltage"

    static func voltage(_ limits: InstallationLimits) -> Double { limits.nominalVoltage?.double ?? voltage }
}

extension Reading {
    /// Whether no value of it can be believed.
    fileprivate var isWrongAsAWhole: Bool {
        issues.contains { $0.register == nil && $0.level == .error }
    }
}
