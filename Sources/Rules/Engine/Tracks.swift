import OBIS

/// Follows every rule on every phase from the first suspicious value to the end of the anomaly.
///
/// Rules bring values; when these open, raise or end an anomaly is decided here, for all rules alike.
struct Tracks: Sendable {
    /// An open anomaly is told about at most this often, in milliseconds, unless it becomes more severe.
    static let shortestUpdate: Int64 = 60_000

    /// What every value of a rule and a phase touches. Good values touch nothing else.
    private struct Watch: Sendable {
        var cadence = Cadence()
        var isOpen = false
        /// Whether a level holds: what a value on the good side must reset.
        var isBusy = false
    }

    /// The timers of a rule and a phase.
    struct Track: Sendable {
        /// Since when each level of the ladder holds, and over how many values.
        var since: InlineArray<3, Int64?> = [nil, nil, nil]
        var counts: InlineArray<3, Int32> = [0, 0, 0]
        var side = Ladder.Side.above
        /// The worst value since the mildest level holds; not a number while it does not.
        var worst = Double.nan
        var clearSince: Int64?
        var cooldownUntil: Int64?
        /// Whether a person asked for silence until then, although the anomaly that it was about is over.
        var mutedUntil: Timestamp?

        mutating func restart() {
            since = [nil, nil, nil]
            counts = [0, 0, 0]
            worst = .nan
            clearSince = nil
        }
    }

    /// An anomaly that is not over.
    struct Episode: Sendable {
        var anomaly: Anomaly
        /// How bad the worst value was, see `Ladder.badness`.
        var badness: Double
        /// Whether the worst value is worse than what was told.
        var isUntold = false
        /// When it was told about last, in milliseconds.
        var toldAt: Int64
    }

    let meter: String
    let descriptions: [RuleDescription]
    /// Where the tracks of each rule begin.
    private let bases: [Int]
    private var watches: [Watch]
    private(set) var tracks: [Track]
    private(set) var episodes: [Int: Episode] = [:]
    private var ids: ULIDSource

    private var changes: [AnomalyChange] = []
    private(set) var moment = Moment(milliseconds: 0, wall: Timestamp(milliseconds: 0))
    private var seq: Int64?
    private var rule = 0
    /// When the meter was last heard after a gap.
    private var lastGap = Int64.min

    init(meter: String, descriptions: [RuleDescription], ids: ULIDSource) {
        self.meter = meter
        self.descriptions = descriptions
        self.ids = ids
        var bases: [Int] = []
        var count = 0
        for description in descriptions {
            bases.append(count)
            count += description.isPerPhase ? 3 : 1
        }
        self.bases = bases
        watches = Array(repeating: Watch(), count: count)
        tracks = Array(repeating: Track(), count: count)
    }

    // MARK: An event

    /// Begins an event; what follows happens at this moment.
    mutating func begin(_ moment: Moment, seq: Int64? = nil, isAfterGap: Bool = false) {
        self.moment = moment
        self.seq = seq
        if isAfterGap { lastGap = moment.milliseconds }
    }

    /// Says whose values follow.
    mutating func turn(to rule: Int) {
        self.rule = rule
    }

    /// What happened during the event.
    mutating func end() -> [AnomalyChange] {
        guard !changes.isEmpty else { return [] }
        defer { changes = [] }
        return changes
    }

    // MARK: Judging

    /// Takes a value of the rule whose turn it is.
    ///
    /// - Parameter describe: makes the text for a person; called only when there is something to tell.
    mutating func judge(
        _ value: Double, phase: Int = 0, by ladder: Ladder, describe: (Finding) -> String
    ) {
        let index = bases[rule] + phase
        let now = moment.milliseconds
        // Nobody knows what was during a gap: it neither holds a level nor counts as good.
        let isAfterGap = watches[index].cadence.last.map { $0 < lastGap } ?? true
        let isGap = watches[index].cadence.step(to: now) == nil || isAfterGap
        let isInside = ladder.isInside(value)
        if isInside, !watches[index].isBusy, !watches[index].isOpen { return }
        if isGap { tracks[index].restart() }

        let reached = climb(index, value, ladder)
        guard watches[index].isOpen else {
            if let reached { open(index, reached, value, phase, ladder, describe) }
            return
        }
        if isInside {
            settle(index, ladder)
        } else {
            tracks[index].clearSince = nil
            worsen(index, reached, value, phase, ladder, describe)
        }
        if watches[index].isOpen { tellIfDue(index) }
    }

    /// Advances the timers of the levels.
    ///
    /// - Returns: the worst level whose time is full.
    private mutating func climb(_ index: Int, _ value: Double, _ ladder: Ladder) -> Ladder.Level? {
        if tracks[index].side != ladder.side {
            tracks[index].since = [nil, nil, nil]
            tracks[index].counts = [0, 0, 0]
            tracks[index].worst = .nan
            tracks[index].side = ladder.side
        }
        var reached: Ladder.Level?
        var isBusy = false
        for rung in 0..<ladder.count {
            let level = ladder[rung]
            guard ladder.isBeyond(value, level.enter) else {
                tracks[index].since[rung] = nil
                tracks[index].counts[rung] = 0
                continue
            }
            let since = tracks[index].since[rung] ?? moment.milliseconds
            let count = tracks[index].counts[rung] + (tracks[index].counts[rung] < .max ? 1 : 0)
            tracks[index].since[rung] = since
            tracks[index].counts[rung] = count
            isBusy = true
            if moment.milliseconds - since >= level.hold, count >= level.samples { reached = level }
        }
        watches[index].isBusy = isBusy
        let worst = tracks[index].worst
        let isWorst = worst.isNaN || ladder.badness(value) > ladder.badness(worst)
        tracks[index].worst = !isBusy ? .nan : isWorst ? value : worst
        return reached
    }

    private mutating func open(
        _ index: Int, _ level: Ladder.Level, _ value: Double, _ phase: Int, _ ladder: Ladder,
        _ describe: (Finding) -> String
    ) {
        if let until = tracks[index].cooldownUntil, moment.milliseconds < until { return }
        if let until = tracks[index].mutedUntil, moment.wall < until { return }
        let description = descriptions[rule]
        let worst = ladder.isMeasured ? tracks[index].worst : value
        let finding = Self.finding(level, worst, description.isPerPhase ? phase : nil, ladder)
        let anomaly = Anomaly(
            id: ids.next(at: moment.wall), meter: meter, type: description.type, phase: finding.phase,
            severity: level.severity, title: description.title, text: describe(finding), measured: finding.value,
            threshold: finding.threshold, unit: finding.value == nil ? nil : ladder.unit, startedAt: moment.wall,
            updatedAt: moment.wall, readings: seq.map { [$0] } ?? [])
        watches[index].isOpen = true
        tracks[index].clearSince = nil
        tracks[index].cooldownUntil = nil
        tracks[index].mutedUntil = nil
        episodes[index] = Episode(anomaly: anomaly, badness: ladder.badness(worst), toldAt: moment.milliseconds)
        changes.append(AnomalyChange(.opened, anomaly))
    }

    /// Notes a worse value and a higher level of an open anomaly.
    private mutating func worsen(
        _ index: Int, _ reached: Ladder.Level?, _ value: Double, _ phase: Int, _ ladder: Ladder,
        _ describe: (Finding) -> String
    ) {
        guard var episode = episodes[index] else { return }
        let isEscalated = reached.map { $0.severity > episode.anomaly.severity } ?? false
        let isWorse = ladder.isMeasured && ladder.badness(value) > episode.badness
        if let seq { episode.anomaly.note(seq) }
        defer { episodes[index] = episode }
        guard isEscalated || isWorse else { return }
        if isEscalated, let reached { episode.anomaly.severity = reached.severity }
        // The limit that goes with the severity, also where this value alone has not held a level.
        let level = ladder.level(of: episode.anomaly.severity)
        let worst = isWorse ? value : episode.anomaly.measured?.double ?? value
        let finding = Self.finding(level, worst, descriptions[rule].isPerPhase ? phase : nil, ladder)
        episode.anomaly.measured = finding.value
        episode.anomaly.threshold = finding.threshold
        episode.anomaly.text = describe(finding)
        episode.badness = max(episode.badness, ladder.badness(value))
        episode.isUntold = true
        if isEscalated { episode.toldAt = moment.milliseconds - Self.shortestUpdate }
    }

    private static func finding(_ level: Ladder.Level, _ value: Double, _ phase: Int?, _ ladder: Ladder) -> Finding {
        Finding(
            value: ladder.isMeasured ? FixedDecimal(value, decimals: 3) : nil,
            threshold: ladder.isMeasured ? FixedDecimal(level.enter, decimals: 3) : nil, unit: ladder.unit,
            phase: phase.map { Anomaly.Phase.allCases[$0] }, severity: level.severity)
    }

    /// Counts the time of good values, and ends the anomaly when there was enough of it.
    private mutating func settle(_ index: Int, _ ladder: Ladder) {
        let since = tracks[index].clearSince ?? moment.milliseconds
        tracks[index].clearSince = since
        guard moment.milliseconds - since >= ladder.clearFor else { return }
        close(index, cooldown: ladder.cooldown, word: "Over")
    }

    // MARK: Telling

    /// Tells of a worse value, when the last telling was long enough ago.
    private mutating func tellIfDue(_ index: Int) {
        guard var episode = episodes[index], episode.isUntold, episode.anomaly.status == .active,
            moment.milliseconds - episode.toldAt >= Self.shortestUpdate
        else { return }
        tell(&episode, .updated)
        episodes[index] = episode
    }

    private mutating func tell(_ episode: inout Episode, _ kind: AnomalyChange.Kind) {
        episode.isUntold = false
        episode.toldAt = moment.milliseconds
        episode.anomaly.updatedAt = max(moment.wall, episode.anomaly.startedAt)
        episode.anomaly.revision += 1
        changes.append(AnomalyChange(kind, episode.anomaly))
    }

    private mutating func close(_ index: Int, cooldown: Int64, word: String) {
        guard var episode = episodes.removeValue(forKey: index) else { return }
        let lasted = max(0, Timestamp.milliseconds(from: episode.anomaly.startedAt, to: moment.wall))
        tracks[index].restart()
        watches[index].isBusy = false
        watches[index].isOpen = false
        tracks[index].cooldownUntil = moment.milliseconds + cooldown
        if episode.anomaly.status == .ignored { tracks[index].mutedUntil = episode.anomaly.ignoredUntil }
        episode.anomaly.status = .resolved
        episode.anomaly.resolvedAt = max(moment.wall, episode.anomaly.startedAt)
        episode.anomaly.text += " \(word) after \(DurationText.text(milliseconds: lasted))."
        tell(&episode, .resolved)
    }

    // MARK: Time and people

    /// Tells what had to wait, and ends the silence that a person asked for.
    mutating func tick() {
        guard !episodes.isEmpty else { return }
        for index in episodes.keys.sorted() {
            endIgnoring(index)
            tellIfDue(index)
        }
    }

    private mutating func endIgnoring(_ index: Int) {
        guard var episode = episodes[index], episode.anomaly.status == .ignored,
            let until = episode.anomaly.ignoredUntil, until <= moment.wall
        else { return }
        episode.anomaly.status = .active
        episode.anomaly.ignoredReason = nil
        episode.anomaly.ignoredUntil = nil
        tell(&episode, .updated)
        episodes[index] = episode
    }

    mutating func ignore(id: String, reason: String?, until: Timestamp?) -> Bool {
        guard let index = index(of: id), var episode = episodes[index] else { return false }
        episode.anomaly.status = .ignored
        episode.anomaly.ignoredReason = reason
        episode.anomaly.ignoredUntil = until
        tell(&episode, .ignored)
        episodes[index] = episode
        return true
    }

    mutating func resolve(id: String, cooldown: Int64) -> Bool {
        guard let index = index(of: id) else { return false }
        episodes[index]?.anomaly.status = .active
        close(index, cooldown: cooldown, word: "Closed by hand")
        return true
    }

    private func index(of id: String) -> Int? {
        episodes.first { $0.value.anomaly.id == id }?.key
    }

    var open: [Anomaly] {
        episodes.sorted { $0.key < $1.key }.map(\.value.anomaly)
    }

    // MARK: Restarts

    /// Where a rule's phase is followed.
    func index(type: String, phase: Anomaly.Phase?) -> Int? {
        guard let rule = descriptions.firstIndex(where: { $0.type == type }) else { return nil }
        guard descriptions[rule].isPerPhase else { return phase == nil ? bases[rule] : nil }
        return phase.flatMap { Anomaly.Phase.allCases.firstIndex(of: $0) }.flatMap { $0 < 3 ? bases[rule] + $0 : nil }
    }

    /// The type and the phase that a track follows.
    func name(of index: Int) -> (type: String, phase: Anomaly.Phase?)? {
        guard let rule = bases.lastIndex(where: { $0 <= index }) else { return nil }
        let phase = descriptions[rule].isPerPhase ? Anomaly.Phase.allCases[index - bases[rule]] : nil
        return (descriptions[rule].type, phase)
    }

    /// Goes on with an anomaly of before the restart.
    mutating func resume(_ episode: Episode, at index: Int) {
        guard tracks.indices.contains(index) else { return }
        watches[index].isOpen = true
        episodes[index] = episode
    }

    mutating func silence(_ index: Int, cooldownUntil: Int64?, mutedUntil: Timestamp?) {
        guard tracks.indices.contains(index) else { return }
        tracks[index].cooldownUntil = cooldownUntil
        tracks[index].mutedUntil = mutedUntil
    }

    /// Ends an anomaly whose rule is not there any more.
    mutating func abandon(_ anomaly: Anomaly) {
        var episode = Episode(anomaly: anomaly, badness: 0, toldAt: moment.milliseconds)
        episode.anomaly.status = .resolved
        episode.anomaly.resolvedAt = max(moment.wall, anomaly.startedAt)
        episode.anomaly.text += " Closed because its rule is switched off."
        tell(&episode, .resolved)
    }
}

extension Anomaly {
    /// Notes the newest reading that belongs to it, behind the one that opened it.
    fileprivate mutating func note(_ seq: Int64) {
        if readings.count > 1 { readings[readings.count - 1] = seq } else { readings.append(seq) }
    }
}
