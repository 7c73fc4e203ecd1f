import Configuration
import Foundation
import Journal
import Logging
import MQTT
import Metering
import OBIS
import Synchronization
import TestSupport
import Testing
import Transport
import Wire

@testable import Daemon

/// What a scripted session was told.
enum Heard: Equatable {
    case recalled([UInt8]), opened, poll, profile(ProfileSpan), kept(Bool), mark
}

/// A meter with a load profile, as its session sees it. What is sent comes back, and is the answer; an answer that is led
/// comes as a test says.
final class ScriptedMeter: Sendable {
    enum Answer: Sendable {
        /// All entries of the span.
        case whole
        /// So many, then this error.
        case broken(Int, WireError)
        /// None before a test says so.
        case led
    }

    /// What passes on the line.
    enum Byte {
        static let reading: UInt8 = 9
        static let profile: UInt8 = 8
        /// Of an answer that is led: the next entry, and the rest.
        static let entry: UInt8 = 1
        static let end: UInt8 = 2
        /// Tells when nothing is going on any more but what waits for the test.
        static let mark: UInt8 = 3
    }

    enum Question {
        case poll
        case profile(Answer)
    }

    struct State {
        var question: Question?
        var isAnswering: Bool {
            switch question {
            case nil, .profile(.led)?: false
            case .poll?, .profile?: true
            }
        }
        /// Minutes of an interval.
        var interval: Int64 = 15
        /// How late the meter's clock is.
        var delay = Duration.zero
        var answers: [Answer] = []
        var pollErrors: [WireError] = []
        /// What the meter says of its clock, in minutes ahead of UTC; nil: it tells no time.
        var utcOffset: Int?
        var keeps: [UInt8]?
        /// What is changed in an entry before it is sent, by its number among all that were sent.
        var spoil: (@Sendable (Int, inout Telegram) -> Void)?
        var sent = 0
        var pending: [Telegram] = []
    }

    /// By which the meter's clock changes, as that of the configuration does.
    private static let zone = TimeZone(identifier: "Europe/Zurich")

    let clock: HandClock
    let state = Mutex(State())
    let heard: AsyncStream<Heard>
    private let hear: AsyncStream<Heard>.Continuation

    init(_ clock: HandClock) {
        self.clock = clock
        (heard, hear) = AsyncStream.makeStream(of: Heard.self)
    }

    var makeSession: any Session<Telegram> { ScriptedSession(meter: self) }

    func live(utcOffset: Int? = nil) -> Telegram {
        let time = utcOffset.flatMap { offset in
            let civil = MeterTime(localSeconds: clock.now.milliseconds / 1000 + 60 * Int64(offset))
            return MeterTime(
                year: civil.year, month: civil.month, day: civil.day, hour: civil.hour, minute: civil.minute,
                second: civil.second, utcOffset: offset)
        }
        return Telegram(
            meter: Self.identity, meterTime: time, registers: [Self.energy(clock.now.milliseconds / 60_000)])
    }

    static let identity = MeterIdentity(id: "1000", manufacturer: "TST", medium: .electricity)

    /// A counter that rises by 1 Wh a minute.
    static func energy(_ minutes: Int64) -> Register {
        Register(obis: ObisCode(1, 0, 1, 8, 0), value: .number(FixedDecimal(minutes)), unit: .wattHour)
    }

    /// Those that the meter has by now whose civil times are in the span, in the order in which it stored them.
    private func entries(_ span: ProfileSpan, _ state: State) -> [Telegram] {
        let step = state.interval * 60
        let now = (clock.now.milliseconds - state.delay.wholeMilliseconds) / 1000
        let first = (span.start - 3 * 3600) / step * step
        return stride(from: first, through: min(span.end, now), by: Int64.Stride(step)).compactMap { end in
            let offset = Self.zone?.secondsFromGMT(for: Date(timeIntervalSince1970: Double(end))) ?? 0
            let civil = end + Int64(offset)
            guard span.start < civil, civil <= span.end else { return nil }
            return Telegram(
                meter: Self.identity, registers: [Self.energy(end / 60)], intervalEnd: MeterTime(localSeconds: civil))
        }
    }

    fileprivate func handle(_ event: SessionEvent) -> [SessionAction<Telegram>] {
        let (actions, heard) = state.withLock { state in
            respond(to: event, &state)
        }
        if let heard { hear.yield(heard) }
        return actions
    }

    private func respond(to event: SessionEvent, _ state: inout State) -> ([SessionAction<Telegram>], Heard?) {
        switch event {
        case .recalled(let bytes): return ([], .recalled(bytes))
        case .kept(let isDone): return ([], .kept(isDone))
        case .opened:
            state.question = nil
            return ([], .opened)
        case .poll:
            state.question = .poll
            return ([.send([Byte.reading])], .poll)
        case .readProfile(let span):
            let answer = state.answers.isEmpty ? .whole : state.answers.removeFirst()
            state.pending = entries(span, state)
            state.question = .profile(answer)
            if case .led = answer { return ([], .profile(span)) }
            return ([.send([Byte.profile])], .profile(span))
        case .received(let bytes):
            let actions = bytes.filter { $0 != Byte.mark }.flatMap { step($0, &state) }
            guard bytes.contains(Byte.mark) else { return (actions, nil) }
            // What follows from what came with it is not known yet.
            let isBusy = bytes.contains { $0 != Byte.mark } || state.isAnswering
            return isBusy ? (actions + [.send([Byte.mark])], nil) : ([], .mark)
        case .boundary, .drained, .timer, .closed: return ([], nil)
        }
    }

    private func step(_ byte: UInt8, _ state: inout State) -> [SessionAction<Telegram>] {
        switch (byte, state.question) {
        case (Byte.reading, .poll?):
            state.question = nil
            guard state.pollErrors.isEmpty else { return [.finished(state.pollErrors.removeFirst())] }
            let keep = state.keeps.map { [SessionAction<Telegram>.keep($0)] } ?? []
            return keep + [.emit(live(utcOffset: state.utcOffset)), .finished(nil)]
        case (Byte.profile, .profile(let answer)?):
            state.question = nil
            if case .broken(let count, let error) = answer { return send(count, &state) + [.finished(error)] }
            return send(state.pending.count, &state) + [.finished(nil)]
        case (Byte.entry, .profile(.led)?): return send(1, &state)
        case (Byte.end, .profile(.led)?):
            state.question = nil
            return send(state.pending.count, &state) + [.finished(nil)]
        default: return []
        }
    }

    private func send(_ count: Int, _ state: inout State) -> [SessionAction<Telegram>] {
        let entries = state.pending.prefix(count)
        state.pending.removeFirst(entries.count)
        return entries.map { entry in
            var entry = entry
            state.spoil?(state.sent, &entry)
            state.sent += 1
            return .emit(entry)
        }
    }
}

private struct ScriptedSession: Session {
    let meter: ScriptedMeter

    mutating func handle(_ event: SessionEvent) -> [SessionAction<Telegram>] { meter.handle(event) }
}

/// A link in memory that gives back what is sent, and counts turns.
final class MemoryLink: Link {
    let feed = LinkFeed()
    private let counts = Mutex((begun: 0, ended: 0))

    var turns: (begun: Int, ended: Int) { counts.withLock { $0 } }
    var inbound: LinkInbound { feed.inbound }
    func send(_ bytes: [UInt8]) async throws(TransportError) { feed.push(bytes) }
    func setLine(_ line: LineSettings) async throws(TransportError) {}
    func beginTurn() async throws(TransportError) { counts.withLock { $0.begun += 1 } }
    func endTurn() { counts.withLock { $0.ended += 1 } }
    func close() async { feed.finish(nil, discarding: true) }
}

/// Everything that is logged.
final class SentenceLog: LogHandler {
    private let all = Mutex<[String]>([])
    var sentences: [String] { all.withLock { $0 } }

    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) { all.withLock { $0.append("\(event.message)") } }
}

final class Findings: Sendable {
    private let all = Mutex<[Conversation.Finding]>([])

    func add(_ finding: Conversation.Finding) { all.withLock { $0.append(finding) } }

    var pollsFailed: Int {
        all.withLock { $0.count { if case .pollFailed = $0 { true } else { false } } }
    }
}

/// A meter, its journal, and a conversation with it, which a test starts, leads and ends.
final class ProfileBench {
    let clock = HandClock()
    let scripted: ScriptedMeter
    let meter: Meter
    private let path: String
    private let settings: JournalSettings
    private let log: Logger
    private(set) var journal: Journal
    private(set) var live: LiveTopics
    private(set) var intake: Intake
    private(set) var link = MemoryLink()
    private(set) var polls = PollHistory()
    let bell = Bell()
    private var running: Task<Conversation.End, Never>?
    /// What the supervisor would log.
    let findings = Findings()

    init(_ meter: Meter, _ settings: JournalSettings = JournalSettings(), log: Logger, folder: URL) async throws {
        scripted = ScriptedMeter(clock)
        self.meter = meter
        self.settings = settings
        self.log = log
        path = folder.appendingPathComponent("journal.db").path
        journal = try await Journal.open(path: path, settings: settings, logger: quietLogger)
        live = Self.makeLive()
        intake = await Self.intake(meter, journal, live, clock, log)
    }

    private static func makeLive() -> LiveTopics {
        LiveTopics(
            client: MQTTClient(
                settings: BrokerSettings(host: "127.0.0.1", port: 9, clientID: "x"), logger: quietLogger),
            logger: quietLogger)
    }

    private static func intake(
        _ meter: Meter, _ journal: Journal, _ live: LiveTopics, _ clock: HandClock, _ log: Logger,
        kept: [String: [UInt8]] = [:]
    ) async -> Intake {
        await Intake(meter: meter) { meter, mapping in
            await MeterPipeline(
                meter: meter, mapping: mapping, node: "cellar", topics: Topics(base: "obisd", node: "cellar"),
                journal: journal, live: live, clock: clock, hasLoadProfile: true, kept: kept, logger: log)
        }
    }

    var pipeline: MeterPipeline { intake.main }

    // MARK: The conversation

    /// Opens the line.
    ///
    /// - Parameters:
    ///   - isPolled: false for a meter that talks by itself.
    ///   - schedule: nil: it is read only when the test asks.
    /// - Returns: what the session was told until it knows that.
    @discardableResult
    func converse(isShared: Bool = false, isPolled: Bool = true, schedule: Schedule? = nil) async -> [Heard] {
        link = MemoryLink()
        if schedule == nil { polls.asked(at: clock.now) }
        let never = schedule ?? Schedule(interval: .seconds(100 * 365 * 86_400))
        let conversation = Conversation(
            link: link, intake: intake, clock: clock, schedule: isPolled ? never : nil, polls: polls, bell: bell,
            isShared: isShared, pulse: Pulse("reader", patience: .seconds(10), clock: clock)
        ) { [findings] in findings.add($0) }
        let session = scripted.makeSession
        running = Task {
            var session = session
            return await conversation.run(&session)
        }
        return await hear { $0 == .opened }
    }

    /// The next thing that the session is told and that is so; what comes before it is passed over.
    @discardableResult
    func hear(_ isWanted: (Heard) -> Bool) async -> [Heard] {
        var passed: [Heard] = []
        for await next in scripted.heard {
            passed.append(next)
            if isWanted(next) { break }
        }
        return passed
    }

    /// The meter is read.
    ///
    /// - Returns: what the session was told until then, this poll included.
    @discardableResult
    func poll() async -> [Heard] {
        #expect(bell.ring())
        return await hear { $0 == .poll }
    }

    /// Reads the meter, and waits until all has been dealt with that follows from that.
    ///
    /// - Returns: the spans that were asked for.
    @discardableResult
    func pollAndFill() async -> [ProfileSpan] {
        await poll()
        let heard = await settle()
        return heard.compactMap { if case .profile(let span) = $0 { span } else { nil } }
    }

    /// Everything that was going on is over; no answer is led.
    func settle() async -> [Heard] {
        link.feed.push([ScriptedMeter.Byte.mark])
        return await hear { $0 == .mark }
    }

    /// How the conversation ended by itself.
    var end: Conversation.End? {
        get async { await running?.value }
    }

    @discardableResult
    func lose() async -> Conversation.End? {
        link.feed.finish(TransportError(.closed, "the cable was pulled"))
        return await running?.value
    }

    func stop() async {
        running?.cancel()
        _ = await running?.value
        running = nil
    }

    // MARK: The daemon

    /// The process is gone at once: what is not in the journal is nowhere.
    func kill() async {
        await journal.close()
        await stop()
    }

    @discardableResult
    func start(schedule: Schedule? = nil) async throws -> [Heard] {
        journal = try await Journal.open(path: path, settings: settings, logger: quietLogger)
        live = Self.makeLive()
        polls = PollHistory()
        intake = await Self.intake(meter, journal, live, clock, log)
        return await converse(schedule: schedule)
    }

    /// As a reload does with a meter whose stanza changed.
    @discardableResult
    func reload() async -> [Heard] {
        await stop()
        let kept = await pipeline.end()
        intake = await Self.intake(meter, journal, live, clock, log, kept: kept)
        return await converse()
    }

    func readings() async throws -> [ExactJSON] {
        try await journal.entries(after: 0, limit: 10_000).compactMap { entry in
            entry.reading.flatMap { ExactJSON(String(decoding: $0.payload, as: UTF8.self)) }
        }
    }

    /// The times of what was read from the load profile, in the order of the journal.
    func filled() async throws -> [String] {
        let readings = try await readings()
        #expect(readings.map { $0["seq"]?.int } == readings.indices.map { $0 + 1 })
        return readings.filter { $0["source"]?.string == "load-profile" }.compactMap { $0["time"]?.string }
    }

    func expectFilled(_ times: [String], at location: SourceLocation = #_sourceLocation) async throws {
        let filled = try await filled()
        #expect(filled == times, sourceLocation: location)
    }

    /// What is still to be asked for, as the journal has it.
    func holes() async throws -> [Backfill.Hole]? {
        try await journal.value(forKey: "backfill", meter: meter.id).flatMap { Backfill(stored: $0) }?.holes
    }

    /// Every end of an interval of so many minutes behind one time and up to another.
    static func ends(after start: Timestamp, through end: Timestamp, every minutes: Int64 = 15) -> [String] {
        let step = minutes * 60_000
        let first = (start.milliseconds / step + 1) * step
        return stride(from: first, through: end.milliseconds, by: Int.Stride(step))
            .map { Timestamp(milliseconds: $0).description }
    }
}

extension ProfileBench {
    static let meter = Meter(
        id: "main", protocolName: "iec62056-21", endpoint: .file(path: "scripted"), timeZone: .named("Europe/Zurich"),
        interval: .seconds(60))
}

func withProfileBench(
    _ meter: Meter = ProfileBench.meter, _ settings: JournalSettings = JournalSettings(), log: Logger = quietLogger,
    _ body: (ProfileBench) async throws -> Void
) async throws {
    try await withFolder { folder in
        let bench = try await ProfileBench(meter, settings, log: log, folder: folder)
        await bench.converse()
        try await body(bench)
        await bench.stop()
        await bench.journal.close()
    }
}
