import OBIS
import Wire

/// Listening to one line setting with all protocols at once, until it is clear that somebody is understood or nobody will be.
///
/// Meters talk in bursts. One that was heard from its beginning and of which no protocol made anything says that the
/// setting is wrong: then there is no need to wait for the rest of the time.
struct Listening: Sendable {
    let line: LineSettings?
    private let began: Duration
    /// How long the first message may take to come, and after it another one.
    private let period: Duration
    private(set) var ears: [Ear]
    private(set) var evidence = LineEvidence()
    private var burst: Burst?
    private var senselessBursts = 0
    private var recognisedAt: Duration?

    private struct Burst {
        let began: Duration
        var last: Duration
        var count = 0
        /// Whether something came that is no filling between messages.
        var hasSubstance = false
        /// Of each ear at the beginning.
        let complaints: [Int]
    }

    init(
        _ line: LineSettings?, protocols: [MeterProtocol], settings: ProtocolSettings, period: Duration,
        at now: Duration
    ) {
        self.line = line
        self.period = period
        began = now
        ears = protocols.filter { !$0.recognition.lines.isEmpty }.map { Ear($0, settings) }
    }

    // MARK: Times

    /// Silence that ends a burst.
    private static let pause = Duration.milliseconds(400)
    /// Silence behind which the next burst is told from the rest of the last one, also while an ear waits.
    private static let longPause = Duration.milliseconds(800)
    /// What began so soon may have begun before anybody listened.
    private static let joined = Duration.milliseconds(300)
    /// A message that began in time is heard to its end, if that is in reason.
    private var longest: Duration {
        period + .seconds(3) + (line.map { $0.duration(ofCharacters: 1000) } ?? .seconds(5))
    }

    // MARK: Events

    mutating func receive(_ bytes: [UInt8], at now: Duration) {
        if let last = burst, now - last.last >= Self.longPause { judge(last) }
        if burst.map({ now - $0.last >= Self.pause && ears.allSatisfy { $0.deadline == nil } }) ?? true {
            burst = Burst(began: now, last: now, complaints: ears.map(\.complaints))
        }
        burst?.last = now
        burst?.count += bytes.count
        if bytes.contains(where: { !Self.filling.contains($0) }) { burst?.hasSubstance = true }
        evidence.add(bytes)
        handle(.received(bytes), at: now)
    }

    private static let filling: Set<UInt8> = [0, 0xFF, 0x0A, 0x0D]

    mutating func handle(_ event: SessionEvent, at now: Duration) {
        for index in ears.indices { ears[index].handle(event, at: now) }
        noteRecognition(at: now)
    }

    mutating func timePassed(at now: Duration) {
        for index in ears.indices { ears[index].timePassed(at: now) }
        noteRecognition(at: now)
        if let last = burst, now - last.last >= Self.pause, ears.allSatisfy({ $0.deadline == nil }) { judge(last) }
    }

    private mutating func noteRecognition(at now: Duration) {
        if recognisedAt == nil, ears.contains(where: \.hasRecognised) { recognisedAt = now }
    }

    /// A burst of which some protocol took every byte is not senseless: a call between two messages, for example.
    private mutating func judge(_ last: Burst) {
        burst = nil
        guard last.count > 1, last.began - began >= Self.joined else { return }
        let isTaken = zip(ears, last.complaints).contains { ear, complaints in
            ear.deadline == nil && ear.complaints == complaints
        }
        if !last.hasSubstance || !isTaken { senselessBursts += 1 }
    }

    // MARK: End

    /// The protocol that understands the line best.
    var best: Ear? {
        ears.filter(\.hasRecognised).min { rank($0) < rank($1) }
    }

    /// A telegram counts more than a message that nobody can open. What is left over tells whose such a message is; where
    /// several read the same text, it is what is usual on this line.
    private func rank(_ ear: Ear) -> (Int, Int, Int) {
        let usual = ear.meterProtocol.recognition.lines.firstIndex { $0.heardAs == line } ?? Int.max
        return ear.telegrams.count > 0 ? (0, usual, ear.noise) : (1, ear.noise, usual)
    }

    /// Whether somebody talks and is not understood.
    private var isHopeless: Bool {
        // Without a line there is no other setting to go on to.
        guard line != nil else { return false }
        // A damaged message looks senseless as well.
        return senselessBursts >= (ears.contains { !$0.rejected.isEmpty } ? 2 : 1)
    }

    func isOver(at now: Duration) -> Bool {
        if let recognisedAt {
            return (best?.messages ?? 0) >= 2 || now - recognisedAt >= period
        }
        if isHopeless || now - began >= longest { return true }
        guard now - began >= period else { return false }
        return burst.map { now - $0.last >= Self.pause && ears.allSatisfy { $0.deadline == nil } } ?? true
    }

    /// When time must be told next, unless bytes come before.
    func deadline(after now: Duration) -> Duration {
        let known = [began + period, recognisedAt.map { $0 + period }, burst.map { $0.last + Self.pause }]
        let times = known.compactMap { $0 } + ears.compactMap(\.deadline)
        return times.filter { $0 > now }.min() ?? max(now, began + longest)
    }
}
