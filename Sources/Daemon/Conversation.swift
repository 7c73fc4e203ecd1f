import Logging
import Metering
import OBIS
import Transport
import Wire

/// One open link and the session that speaks over it, until the link is lost.
///
/// The session decides; this only carries bytes, time and actions between it, the link and the pipeline.
struct Conversation {
    let link: any Link
    let intake: Intake
    let clock: any HostClock
    /// Nil for meters that talk by themselves.
    let schedule: Schedule?
    let polls: PollHistory
    /// What it hears beside its line.
    let bell: Bell
    /// Whether other meters use the connection as well: it is not opened anew for the sake of one.
    let isShared: Bool
    let pulse: Pulse
    let report: @Sendable (Finding) async -> Void

    /// What the supervisor logs.
    enum Finding: Sendable {
        case rejected(WireError)
        case noise(Int)
        case pollFailed(WireError)
        /// Not an entry of a load profile, which comes only where telegrams came.
        case telegram
    }

    /// Why a conversation ended.
    enum End: Error {
        /// The recording is at its end.
        case finished
        case lost(TransportError)
        case silent(Duration)
        /// So many polls in a row failed that the port itself is suspected.
        case unanswered
    }

    /// Runs until the link is lost or the task is cancelled.
    ///
    /// - Parameter session: keeps what it learned of its meter for the next conversation.
    func run(_ session: inout any Session<Telegram>) async -> End {
        let (end, used) = await run(copy: session)
        session = used
        return end
    }

    private func run(copy session: any Session<Telegram>) async -> (End, any Session<Telegram>) {
        bell.attach(to: link.inbound)
        defer { bell.detach() }
        guard let schedule else { return await talk(session) }
        return await withTaskGroup(of: Void.self) { group in
            group.addTask { await poll(schedule) }
            defer { group.cancelAll() }
            return await talk(session)
        }
    }

    private func talk(_ session: any Session<Telegram>) async -> (End, any Session<Telegram>) {
        var dialogue = Dialogue(self, session)
        let end = await dialogue.run()
        return (end, dialogue.session)
    }

    private func poll(_ schedule: Schedule) async {
        while !Task.isCancelled {
            let delay = max(await delay(by: schedule), rest(schedule))
            // The clock may be set meanwhile: a long wait looks at it again.
            guard (try? await Task.pause(for: min(delay, Self.longestSleep))) != nil else { return }
            guard delay <= Self.longestSleep else { continue }
            polls.asked(at: clock.now)
            bell.ring()
        }
    }

    /// What is rare is kept in the journal, so that a daemon that was away at that time makes up for it.
    private func delay(by schedule: Schedule) async -> Duration {
        let now = clock.now
        guard schedule.isRare else { return polls.delay(by: schedule, at: now) }
        let main = intake.main
        if let due = await main.takeDuePoll() { polls.recall(due, at: now) }
        let delay = polls.delay(by: schedule, at: now)
        if let due = polls.due { await main.keep(duePoll: due) }
        return delay
    }

    private static let longestSleep = Duration.seconds(30)

    /// How long a meter on a bus that does not answer is left alone beyond its interval, since each attempt costs the
    /// others its time-outs.
    private func rest(_ schedule: Schedule) -> Duration {
        guard isShared, let last = polls.last else { return .zero }
        let wait = schedule.patience(afterFailures: polls.failures)
        return wait - .milliseconds(Timestamp.milliseconds(from: last, to: clock.now))
    }
}

/// The deciding half of a conversation: its session, the session's timer, and what they have come to.
private struct Dialogue {
    private let conversation: Conversation
    private(set) var session: any Session<Telegram>
    private var timer: SessionTimer
    /// When the newest bytes arrived.
    private var arrived: Timestamp
    /// The same, monotonic.
    private var lastHeard: Duration
    /// What the line is taken for; nil between two questions.
    private var turn: Turn?
    /// A poll came due while the load profile was read: it is the next.
    private var isPollDue = false
    /// Whether the load profile may be asked, when nothing else is to be done.
    private var mayFill = false
    private var isOver = false
    private var failures = 0
    /// What the session knows of what it kept.
    private var known: [UInt8]?

    private enum Turn {
        case poll(began: Duration)
        case profile(began: Duration)

        var began: Duration {
            switch self {
            case .poll(let began), .profile(let began): began
            }
        }
    }

    private static let failuresBeforeReopening = 3
    /// A readout of 20 kB at 300 baud; a meter that drips bytes for longer has had its time.
    private static let longestPoll = Duration.seconds(900)
    /// How long a meter may get on without anybody asking whether it does: its limits may change meanwhile.
    private static let lookInterval = Duration.seconds(60)

    init(_ conversation: Conversation, _ session: any Session<Telegram>) {
        self.conversation = conversation
        self.session = session
        timer = SessionTimer(bell: conversation.bell)
        arrived = conversation.clock.now
        lastHeard = conversation.clock.monotonic
    }

    mutating func run() async -> Conversation.End {
        let end = await talk()
        timer.disarm()
        // What has come of an answer that is cut off is kept.
        _ = await conversation.intake.main.profileEnded(WireError(.truncated, "the line was lost meanwhile"))
        return end
    }

    private mutating func talk() async -> Conversation.End {
        do throws(TransportError) {
            known = await conversation.intake.main.sessionMemory
            if let known { try await handle(.recalled(known)) }
            try await handle(.opened)
            conversation.bell.lookAgain(at: conversation.clock.monotonic + Self.lookInterval)
            return try await listen()
        } catch {
            return .lost(error)
        }
    }

    /// Bytes first: what a timer was armed for may have come with them.
    private mutating func listen() async throws(TransportError) -> Conversation.End {
        var inbound = conversation.link.inbound.makeAsyncIterator()
        while true {
            let input = try await next(&inbound)
            guard !Task.isCancelled else { return .lost(TransportError(.cancelled, "shutting down")) }
            guard let input else {
                await close()
                return .finished
            }
            try await take(input)
            if let end = try await answer(conversation.bell.take()) { return end }
            if failures >= Self.failuresBeforeReopening, !conversation.isShared { return .unanswered }
        }
    }

    private mutating func next(_ inbound: inout LinkInbound.Iterator) async throws(TransportError) -> LinkInput? {
        conversation.pulse.rest()
        defer { conversation.pulse.beat() }
        do throws(TransportError) {
            return try await inbound.next()
        } catch {
            await close()
            throw error
        }
    }

    /// What was complete is still worth reading. Nothing can be sent any more, so that failing is no news.
    private mutating func close() async {
        isOver = true
        try? await handle(.closed)
    }

    private mutating func take(_ input: LinkInput) async throws(TransportError) {
        // Nothing is the end of a connection that said no more.
        if !input.bytes.isEmpty {
            arrived = conversation.clock.timestamp(of: input.arrivedAt)
            lastHeard = conversation.clock.monotonic
            try await handle(.received(input.bytes))
        }
        if input.endsBurst { try await handle(.boundary) }
    }

    private mutating func answer(_ rung: Bell.Rung) async throws(TransportError) -> Conversation.End? {
        if let number = rung.timer, timer.isCurrent(number) { try await handle(.timer) }
        if rung.isPollDue { try await poll() }
        return rung.isLookDue ? await impatience() : nil
    }

    private mutating func poll() async throws(TransportError) {
        if case .profile? = turn {
            isPollDue = true
            return
        }
        if turn == nil { turn = .poll(began: try await beginTurn()) }
        try await handle(.poll)
    }

    private func impatience() async -> Conversation.End? {
        let now = conversation.clock.monotonic
        var wait = Self.lookInterval
        if conversation.schedule == nil {
            let limit = await conversation.intake.main.silenceLimit
            let silence = now - lastHeard
            if silence > limit { return .silent(limit) }
            wait = min(wait, limit - silence)
        }
        if turn.map({ now - $0.began > Self.longestPoll }) == true { return .unanswered }
        conversation.bell.lookAgain(at: now + wait)
        return nil
    }

    /// On a bus the others come first that waited before; that is no part of the question.
    ///
    /// - Returns: when the line was this meter's.
    private func beginTurn() async throws(TransportError) -> Duration {
        conversation.pulse.rest()
        try await conversation.link.beginTurn()
        conversation.pulse.beat()
        return conversation.clock.monotonic
    }

    /// What follows a question that is over: the poll that came due meanwhile, else the next piece of what was missed.
    private mutating func nextQuestion() async throws(TransportError) -> SessionEvent? {
        guard turn == nil, !isOver else { return nil }
        if isPollDue {
            isPollDue = false
            turn = .poll(began: try await beginTurn())
            return .poll
        }
        guard mayFill else { return nil }
        mayFill = false
        guard let span = await conversation.intake.main.nextProfileSpan() else { return nil }
        turn = .profile(began: try await beginTurn())
        return .readProfile(span)
    }

    /// Gives the session an event, and every event that performing its actions brings.
    private mutating func handle(_ event: SessionEvent) async throws(TransportError) {
        var events = [event]
        while !events.isEmpty {
            for action in session.handle(events.removeFirst()) {
                events += try await perform(action)
            }
            if events.isEmpty, let next = try await nextQuestion() { events.append(next) }
        }
    }

    private mutating func perform(_ action: SessionAction<Telegram>) async throws(TransportError) -> [SessionEvent] {
        switch action {
        case .send(let bytes):
            conversation.pulse.rest()
            try await conversation.link.send(bytes)
            conversation.pulse.beat()
            return [.drained]
        case .setLine(let line):
            conversation.pulse.rest()
            try await conversation.link.setLine(line)
            conversation.pulse.beat()
        case .arm(let duration): timer.arm(duration)
        case .disarm: timer.disarm()
        case .emit(let telegram):
            if telegram.intervalEnd == nil { await conversation.report(.telegram) }
            await conversation.intake.accept(telegram, capturedAt: arrived)
        case .reject(let error):
            // A question that is repeated says nothing of the line where the meter may not have what is asked for.
            if case .profile? = turn, error.code == .timeout { break }
            await conversation.report(.rejected(error))
        case .noise(let count): await conversation.report(.noise(count))
        case .keep(let bytes): return await keep(bytes)
        case .finished(let error): await finished(error)
        }
        return []
    }

    private mutating func keep(_ bytes: [UInt8]) async -> [SessionEvent] {
        let main = conversation.intake.main
        // The journal may have been opened meanwhile: what it holds has to be known before it is replaced.
        if let memory = await main.sessionMemory, memory != known {
            known = memory
            return [.recalled(memory), .kept(false)]
        }
        guard await main.keep(bytes) else { return [.kept(false)] }
        known = bytes
        return [.kept(true)]
    }

    private mutating func finished(_ error: WireError?) async {
        let ended = turn
        turn = nil
        conversation.link.endTurn()
        // The meter answers: what its load profile does is no failure of the line, nor of the meter.
        if case .profile? = ended {
            mayFill = await conversation.intake.main.profileEnded(error)
            return
        }
        conversation.polls.ended(error)
        failures = error == nil ? 0 : failures + 1
        mayFill = error == nil && conversation.intake.main.fillsHoles
        if let error { await conversation.report(.pollFailed(error)) }
    }
}

/// The one timer of a session. An old timer that fires late is told by its number.
private struct SessionTimer {
    private let bell: Bell
    private var number = 0
    private var task: Task<Void, Never>?

    init(bell: Bell) {
        self.bell = bell
    }

    mutating func arm(_ duration: Duration) {
        disarm()
        let (number, bell) = (number, bell)
        task = Task.onLoop {
            guard (try? await Task.pause(for: duration)) != nil else { return }
            bell.ring(timer: number)
        }
    }

    mutating func disarm() {
        number += 1
        task?.cancel()
        task = nil
    }

    func isCurrent(_ number: Int) -> Bool { number == self.number }
}

extension HostClock {
    /// The time of day at a monotonic instant of the recent past.
    func timestamp(of instant: ContinuousClock.Instant) -> Timestamp {
        let age = instant.duration(to: ContinuousClock().now)
        return Timestamp(milliseconds: now.milliseconds - max(0, age.wholeMilliseconds))
    }
}
