import AsyncAlgorithms
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
    let pipeline: MeterPipeline
    let clock: any HostClock
    /// Nil for meters that talk by themselves.
    let schedule: Schedule?
    let report: @Sendable (Finding) async -> Void

    /// What the supervisor logs.
    enum Finding: Sendable {
        case rejected(WireError)
        case noise(Int)
        case pollFailed(WireError)
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

    private enum Input: Sendable {
        case session(SessionEvent, at: Timestamp)
        /// An armed timer; the number tells an old one.
        case timer(Int)
        case ended(TransportError?)
        case look
    }

    private static let failuresBeforeReopening = 3
    private static let lookInterval = Duration.seconds(5)

    /// Runs until the link is lost or the task is cancelled.
    func run(_ session: any Session<Telegram>) async -> End {
        let inputs = AsyncChannel<Input>()
        return await withTaskGroup(of: Void.self) { group in
            group.addTask { await listen(into: inputs) }
            group.addTask { await look(into: inputs) }
            if let schedule { group.addTask { await poll(schedule, into: inputs) } }
            let end = await decide(session, inputs)
            inputs.finish()
            group.cancelAll()
            return end
        }
    }

    // MARK: Sources of events

    private func listen(into inputs: AsyncChannel<Input>) async {
        do throws(TransportError) {
            var iterator = link.inbound.makeAsyncIterator()
            while let input = try await iterator.next() {
                await inputs.send(.session(.received(input.bytes), at: clock.timestamp(of: input.arrivedAt)))
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
        var last: Timestamp?
        while !Task.isCancelled {
            let delay = schedule.delay(now: clock.now, last: last)
            guard (try? await Task.sleep(for: delay)) != nil else { return }
            last = clock.now
            await inputs.send(.session(.poll, at: clock.now))
        }
    }

    // MARK: Deciding

    private func decide(_ session: any Session<Telegram>, _ inputs: AsyncChannel<Input>) async -> End {
        var session = session
        var timer = SessionTimer(inputs: inputs)
        var failures = 0
        var lastHeard = clock.monotonic
        var events: [SessionEvent] = [.opened]
        var arrived = clock.now
        var inputsIterator = inputs.makeAsyncIterator()
        defer { timer.disarm() }
        while true {
            while !events.isEmpty {
                for action in session.handle(events.removeFirst()) {
                    do throws(TransportError) {
                        try await perform(action, arrived, &timer, &events, &failures)
                    } catch {
                        return .lost(error)
                    }
                }
            }
            if failures >= Self.failuresBeforeReopening { return .unanswered }
            guard let input = await inputsIterator.next() else {
                return .lost(TransportError(.cancelled, "shutting down"))
            }
            switch input {
            case .session(let event, let at):
                if case .received = event { lastHeard = clock.monotonic }
                arrived = at
                events = [event]
            case .timer(let number):
                if timer.isCurrent(number) { events = [.timer] }
            case .look:
                let limit = await pipeline.silenceLimit
                if schedule == nil, clock.monotonic - lastHeard > limit { return .silent(limit) }
            case .ended(let error):
                for action in session.handle(.closed) {
                    // What was complete is still worth reading; nothing can be sent any more.
                    if case .send = action { continue }
                    try? await perform(action, arrived, &timer, &events, &failures)
                }
                return error.map { .lost($0) } ?? .finished
            }
        }
    }

    private func perform(
        _ action: SessionAction<Telegram>, _ arrived: Timestamp, _ timer: inout SessionTimer<Input>,
        _ events: inout [SessionEvent], _ failures: inout Int
    ) async throws(TransportError) {
        switch action {
        case .send(let bytes):
            try await link.send(bytes)
            events.append(.drained)
        case .setLine(let line): try await link.setLine(line)
        case .arm(let duration): timer.arm(duration) { .timer($0) }
        case .disarm: timer.disarm()
        case .emit(let telegram):
            await report(.telegram)
            await pipeline.accept(telegram, capturedAt: arrived)
        case .reject(let error): await report(.rejected(error))
        case .noise(let count): await report(.noise(count))
        case .finished(let error):
            failures = error == nil ? 0 : failures + 1
            if let error { await report(.pollFailed(error)) }
        }
    }
}

/// The one timer of a session. An old timer that fires late is told by its number.
private struct SessionTimer<Input: Sendable> {
    let inputs: AsyncChannel<Input>
    private var number = 0
    private var task: Task<Void, Never>?

    init(inputs: AsyncChannel<Input>) {
        self.inputs = inputs
    }

    mutating func arm(_ duration: Duration, _ input: @escaping @Sendable (Int) -> Input) {
        disarm()
        let (number, inputs) = (number, inputs)
        task = Task {
            guard (try? await Task.sleep(for: duration)) != nil else { return }
            await inputs.send(input(number))
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
        return Timestamp(milliseconds: now.milliseconds - max(0, age.milliseconds))
    }
}
