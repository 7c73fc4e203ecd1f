import OBIS

/// What an engine must not forget over a restart: open and ignored anomalies, the silence after old ones, and what it
/// has learned.
public struct EngineState: Sendable, Hashable {
    static let version = 1

    let bytes: [UInt8]
    let root: StoredValue

    /// - Parameter bytes: what `AnomalyEngine.stored` gave.
    /// - Returns: nil for anything else.
    public init?(_ bytes: [UInt8]) {
        guard let root = StoredValue(bytes), root["version"]?.integer == Self.version else { return nil }
        self.bytes = bytes
        self.root = root
    }

    /// The memory of a rule.
    func memory(of type: String) -> StoredValue? { root["rules"]?[type] }
}

extension Tracks {
    /// Writes what is open and what is silent. Running timers are not kept: they start anew.
    func store(_ writer: inout JSONWriter) {
        writer.key("open")
        writer.array { writer in
            for (_, episode) in episodes.sorted(by: { $0.key < $1.key }) { episode.store(&writer) }
        }
        writer.key("silent")
        writer.array { writer in
            for (index, track) in tracks.enumerated() {
                let isCooling = track.cooldownUntil.map { $0 > moment.milliseconds } ?? false
                let isMuted = track.mutedUntil.map { $0 > moment.wall } ?? false
                guard isCooling || isMuted, let name = name(of: index) else { continue }
                writer.object {
                    $0.member("type", name.type)
                    $0.member("phase", name.phase?.rawValue)
                    $0.member("cooldown_until", track.cooldownUntil.map { wall(at: $0) })
                    $0.member("muted_until", track.mutedUntil)
                }
            }
        }
    }

    private func wall(at milliseconds: Int64) -> Timestamp {
        let rest = max(0, min(milliseconds - moment.milliseconds, Self.longestSilence))
        return Timestamp(milliseconds: moment.wall.milliseconds &+ rest)
    }

    /// No cooldown is longer, whatever the clocks say after a restart: a year, in milliseconds.
    private static let longestSilence: Int64 = 31_536_000_000

    /// Goes on where the state stopped.
    ///
    /// - Returns: open anomalies whose rules are not there any more.
    mutating func restore(_ state: EngineState) -> [Anomaly] {
        var orphans: [Anomaly] = []
        for stored in state.root["open"]?.array ?? [] {
            guard let episode = Episode(stored, meter: meter) else { continue }
            if let index = index(type: episode.anomaly.type, phase: episode.anomaly.phase) {
                resume(episode, at: index)
            } else {
                orphans.append(episode.anomaly)
            }
        }
        return orphans
    }

    /// The silences, once it is known what time it is.
    mutating func restoreSilences(_ state: EngineState) {
        for stored in state.root["silent"]?.array ?? [] {
            guard let type = stored["type"]?.string,
                let index = index(type: type, phase: stored["phase"]?.string.flatMap(Anomaly.Phase.init))
            else { continue }
            let cooldown = stored["cooldown_until"]?.timestamp.map {
                moment.milliseconds
                    + max(0, min(Timestamp.milliseconds(from: moment.wall, to: $0), Self.longestSilence))
            }
            silence(index, cooldownUntil: cooldown, mutedUntil: stored["muted_until"]?.timestamp)
        }
    }
}

extension Tracks.Episode {
    fileprivate func store(_ writer: inout JSONWriter) {
        writer.object {
            $0.member("id", anomaly.id)
            $0.member("type", anomaly.type)
            $0.member("phase", anomaly.phase?.rawValue)
            $0.member("severity", anomaly.severity.rawValue)
            $0.member("status", anomaly.status.rawValue)
            $0.member("revision", anomaly.revision)
            $0.member("title", anomaly.title)
            $0.member("text", anomaly.text)
            $0.member("measured", anomaly.measured)
            $0.member("threshold", anomaly.threshold)
            $0.member("unit", anomaly.unit?.symbol)
            $0.member("started_at", anomaly.startedAt)
            $0.member("updated_at", anomaly.updatedAt)
            $0.key("readings")
            $0.array { for seq in anomaly.readings { $0.number(seq) } }
            $0.member("ignored_reason", anomaly.ignoredReason)
            $0.member("ignored_until", anomaly.ignoredUntil)
            $0.member("badness", FixedDecimal(badness, decimals: 6))
            $0.member("untold", isUntold)
        }
    }

    fileprivate init?(_ stored: StoredValue, meter: String) {
        guard let id = stored["id"]?.string, let type = stored["type"]?.string,
            let severity = stored["severity"]?.string.flatMap(Anomaly.Severity.init),
            let status = stored["status"]?.string.flatMap(Anomaly.Status.init), status != .resolved,
            let revision = stored["revision"]?.integer, revision > 0, revision < .max / 2,
            let title = stored["title"]?.string, let text = stored["text"]?.string,
            let startedAt = stored["started_at"]?.timestamp, let updatedAt = stored["updated_at"]?.timestamp
        else { return nil }
        anomaly = Anomaly(
            id: id, meter: meter, type: type, phase: stored["phase"]?.string.flatMap(Anomaly.Phase.init),
            severity: severity, status: status, revision: revision, title: title, text: text,
            measured: stored["measured"]?.number, threshold: stored["threshold"]?.number,
            unit: stored["unit"]?.string.flatMap { Unit(printed: $0) }, startedAt: startedAt, updatedAt: updatedAt,
            readings: (stored["readings"]?.array ?? []).prefix(2).compactMap { $0.integer.map { Int64($0) } },
            ignoredReason: stored["ignored_reason"]?.string, ignoredUntil: stored["ignored_until"]?.timestamp)
        badness = stored["badness"]?.double ?? 0
        isUntold = stored["untold"]?.bool ?? false
        toldAt = 0
    }
}
