import AsyncAlgorithms
import Logging
import Metering
import OBIS
import Synchronization
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

    fileprivate enum Input: Sendable {
        case received([UInt8], at: Timestamp)
        case boundary
        /// It is time to read a polled meter.
        case poll
        /// An armed timer; the number tells an old one.
        case timer(Int)
        case ended(TransportError?)
        case look
    }

    private static let lookInterval = Duration.seconds(5)

    /// Runs until the link is lost or the task is cancelled.
    ///
    /// - Parameter session: keeps what it learned of its meter for the next conversation.
    func run(_ session: inout any Session<Telegram>) async -> End {
        let (end, used) = await run(copy: session)
        session = used
        return end
    }

    private func run(copy session: any Session<Telegram>) async -> (End, any Session<Telegram>) {
        let inputs = AsyncChannel<Input>()
        return await withTaskGroup(of: Void.self) { group in
            group.addTask { await listen(into: inputs) }
            group.addTask { await look(into: inputs) }
            if let schedule {
                group.addTask { await poll(schedule, into: inputs) }
                let requests = polls.listen()
                group.addTask { for await _ in requests { await inputs.send(.poll) } }
            }
            var dialogue = Dialogue(self, session, inputs)
            let end = await dialogue.run(inputs)
            inputs.finish()
            group.cancelAll()
            return (end, dialogue.session)
        }
    }

    // MARK: Sources of events

    private func listen(into inputs: AsyncChannel<Input>) async {
        do throws(TransportError) {
            var iterator = link.inbound.makeAsyncIterator()
            while let input = try await iterator.next() {
                // Nothing is the end of a connection that said no more.
                if !input.bytes.isEmpty {
                    await inputs.send(.received(input.bytes, at: clock.timestamp(of: input.arrivedAt)))
                }
                if input.endsBurst { await inputs.send(.boundary) }
            }
            await inputs.send(.ended(nil))
        } catch {
            await inputs.send(.ended(error))
        }
    }

    private func look(into inputs: AsyncChannel<Input>) async {
        while (try? await Task.sleep(for: Self.lookInterval)) != nil { await inputs.send(.look) }
    }

    private func poll(_ schedule: Schedule, into inputs: AsyncChannel<Input>) async {
        while !Task.isCancelled {
            let delay = max(schedule.delay(now: clock.now, last: polls.last), rest(schedule))
            // The clock may be set meanwhile: a long wait looks at it again.
            guard (try? await Task.sleep(for: min(delay, Self.longestSleep))) != nil else { return }
            guard delay <= Self.longestSleep else { continue }
            polls.last = clock.now
            await inputs.send(.poll)
        }
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

/// When a meter was last asked: longer than one conversation, so that a line that comes and goes does not make its
/// meter be asked more often.
final class PollHistory: Sendable {
    private let state = Mutex<(last: Timestamp?, failures: Int)>((nil, 0))
    /// Of the conversation that goes on.
    private let listener = Mutex<AsyncStream<Void>.Continuation?>(nil)

    /// What is asked for beside the schedule, as long as this conversation goes on.
    func listen() -> AsyncStream<Void> {
        let (requests, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        listener.withLock { $0 = continuation }
        return requests
    }

    /// - Returns: whether a conversation goes on that hears it.
    func request() -> Bool {
        listener.withLock { listener in
            if case .terminated? = listener?.yield() { listener = nil }
            return listener != nil
        }
    }

    var last: Timestamp? {
        get { state.withLock { $0.last } }
        set { state.withLock { $0.last = newValue } }
    }

    /// Polls in a row that failed.
    var failures: Int { state.withLock { $0.failures } }

    func ended(_ error: WireError?) {
        state.withLock { $0.failures = error == nil ? 0 : $0.failures + 1 }
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

    init(_ conversation: Conversation, _ session: any Session<Telegram>, _ inputs: AsyncChannel<Conversation.Input>) {
        self.conversation = conversation
        self.session = session
        timer = SessionTimer(inputs: inputs)
        arrived = conversation.clock.now
        lastHeard = conversation.clock.monotonic
    }

    mutating func run(_ inputs: AsyncChannel<Conversation.Input>) async -> Conversation.End {
        let end = await talk(inputs)
        timer.disarm()
        // What has come of an answer that is cut off is kept.
        _ = await conversation.intake.main.profileEnded(WireError(.truncated, "the line was lost meanwhile"))
        return end
    }

    private mutating func talk(_ inputs: AsyncChannel<Conversation.Input>) async -> Conversation.End {
        do throws(TransportError) {
            known = await conversation.intake.main.sessionMemory
            if let known { try await handle(.recalled(known)) }
            try await handle(.opened)
            for await input in inputs {
                conversation.pulse.beat()
                if let end = try await take(input) { return end }
                if failures >= Self.failuresBeforeReopening, !conversation.isShared { return .unanswered }
            }
            return .lost(TransportError(.cancelled, "shutting down"))
        } catch {
            return .lost(error)
        }
    }

    private mutating func take(_ input: Conversation.Input) async throws(TransportError) -> Conversation.End? {
        switch input {
        case .received(let bytes, let at):
            arrived = at
            lastHeard = conversation.clock.monotonic
            try await handle(.received(bytes))
        case .boundary: try await handle(.boundary)
        case .poll:
            if case .profile? = turn {
                isPollDue = true
                return nil
            }
            if turn == nil { turn = .poll(began: try await beginTurn()) }
            try await handle(.poll)
        case .timer(let number):
            if timer.isCurrent(number) { try await handle(.timer) }
        case .look:
            return await impatience()
        case .ended(let error):
            // What was complete is still worth reading. Nothing can be sent any more, so that failing is no news.
            isOver = true
            try? await handle(.closed)
            return error.map { .lost($0) } ?? .finished
        }
        return nil
    }

    private func impatience() async -> Conversation.End? {
        let now = conversation.clock.monotonic
        if conversation.schedule == nil {
            let limit = await conversation.intake.main.silenceLimit
            return now - lastHeard > limit ? .silent(limit) : nil
        }
        return turn.map { now - $0.began > Self.longestPoll } == true ? .unanswered : nil
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
    let inputs: AsyncChannel<Conversation.Input>
    private var number = 0
    private var task: Task<Void, Never>?

    init(inputs: AsyncChannel<Conversation.Input>) {
        self.inputs = inputs
    }

    mutating func arm(_ duration: Duration) {
        disarm()
        let (number, inputs) = (number, inputs)
        task = Task {
            guard (try? await Task.sleep(for: duration)) != nil else { return }
            await inputs.send(.timer(number))
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
