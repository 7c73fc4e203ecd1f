import Configuration
import Journal
import Logging
import MQTT
import OBIS
import ServiceLifecycle
import Synchronization

/// Brings what the journal has to the broker, in order, and keeps the retained topics true.
///
/// One loop makes every decision: connection, commits, acknowledgements and time arrive as events.
final class Publisher: Service {
    static let outlet = "mqtt"
    /// After a refusal the broker is left alone this long.
    private static let hold = Duration.seconds(30)
    /// Entries read from the journal at a time.
    private static let page = 200
    /// How often a page that could not be read is tried again.
    private static let tick = Duration.seconds(1)

    private enum Event: Sendable {
        case connection(MQTTClient.Event)
        case committed(Int64)
        case outcome(Int64, Result<UInt8, PublishError>)
        case tick
        /// The drain rate admits the next entry.
        case paced
        case release
        case stop
    }

    private let client: MQTTClient
    private let journal: Journal
    private let live: LiveTopics
    private let topics: Topics
    private let drainRate: Broker.DrainRate
    /// Whether the topic `status` is the daemon's own: a replay is no daemon that is online.
    private let announcesDaemon: Bool
    private let logger: Logger
    private let clock: any HostClock
    private let state = Mutex(PublisherFigures())

    init(
        client: MQTTClient, journal: Journal, live: LiveTopics, topics: Topics, drainRate: Broker.DrainRate,
        announcesDaemon: Bool = true, clock: any HostClock, logger: Logger
    ) {
        self.client = client
        self.journal = journal
        self.live = live
        self.topics = topics
        self.drainRate = drainRate
        self.announcesDaemon = announcesDaemon
        self.clock = clock
        self.logger = logger
    }

    var figures: PublisherFigures { state.withLock { $0 } }

    func run() async throws {
        let cursor = try await journal.cursor(of: Self.outlet)
        if announcesDaemon { live.set(topics.status, "online") }
        try client.start()
        let (events, sink) = AsyncStream.makeStream(of: Event.self)
        await withGracefulShutdownHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await event in self.client.events { sink.yield(.connection(event)) } }
                group.addTask { for await newest in self.journal.commits() { sink.yield(.committed(newest)) } }
                group.addTask { while (try? await Task.sleep(for: Self.tick)) != nil { sink.yield(.tick) } }
                await self.loop(PublishQueue(cursor: cursor), events, sink)
                group.cancelAll()
            }
        } onGracefulShutdown: {
            sink.yield(.stop)
        }
    }

    private func loop(_ queue: PublishQueue, _ events: AsyncStream<Event>, _ sink: AsyncStream<Event>.Continuation)
        async
    {
        var queue = queue
        var pace = Pace(drainRate)
        var isPacing = false
        var lastRetry = clock.monotonic
        for await event in events {
            switch event {
            case .connection(let event): connection(event, &queue)
            case .committed(let newest): queue.committed(newest: newest)
            case .outcome(let position, .success(let reason)): accepted(position, reason, &queue)
            case .outcome(let position, .failure(let error)): failed(position, error, &queue, sink)
            case .release: queue.release()
            case .paced: isPacing = false
            case .tick:
                // Retained topics that the broker refused, whether or not it refuses readings as well.
                guard clock.monotonic - lastRetry >= Self.hold else { break }
                lastRetry = clock.monotonic
                live.retry()
            case .stop: return await finish(&queue, events)
            }
            await record(&queue)
            await send(&queue, &pace, &isPacing, sink)
        }
    }

    // MARK: Events

    private func connection(_ event: MQTTClient.Event, _ queue: inout PublishQueue) {
        switch event {
        case .connected(let properties):
            state.withLock { $0.lastError = nil }
            live.connected()
            // The retained topics keep their share of the window while a backlog drains.
            queue.connected(window: max(1, properties.window - LiveBoard.share))
        case .disconnected(let reason):
            state.withLock { $0.lastError = reason.sentence }
            live.disconnected()
            queue.disconnected()
        case .subscribed, .subscriptionRefused: break
        }
    }

    private func accepted(_ position: Int64, _ reason: UInt8, _ queue: inout PublishQueue) {
        queue.accepted(position)
        state.withLock {
            $0.acknowledged += 1
            $0.lastError = nil
            $0.hasSubscriber = reason != 16
        }
    }

    private func failed(
        _ position: Int64, _ error: PublishError, _ queue: inout PublishQueue, _ sink: AsyncStream<Event>.Continuation
    ) {
        switch error {
        case .notConnected, .connectionLost:
            queue.failed(position, hold: false)
        case .tooLarge, .invalid:
            // No time and no change at the broker's access list makes it pass: it must not hold back the others.
            queue.accepted(position)
            state.withLock {
                $0.setAside += 1
                $0.lastError = error.description
            }
            logger.error(
                "\(error.description) It stays in the journal and is not sent.", metadata: ["position": "\(position)"])
        case .refused, .queueFull:
            let isFirst = !queue.isHolding
            queue.failed(position, hold: true)
            state.withLock {
                $0.refused += 1
                $0.lastError = error.description
            }
            guard isFirst else { return }
            logger.error("\(error.description) The reading stays in the journal and is sent again in 30 s.")
            Task {
                try? await Task.sleep(for: Self.hold)
                sink.yield(.release)
            }
        }
    }

    // MARK: Sending

    /// - Parameter isPacing: whether a timer runs that ends in `paced`; there is never more than one.
    private func send(
        _ queue: inout PublishQueue, _ pace: inout Pace, _ isPacing: inout Bool,
        _ sink: AsyncStream<Event>.Continuation
    ) async {
        while true {
            if let position = queue.fetchAfter { await load(&queue, after: position) }
            guard pace.admits(at: clock.monotonic) else {
                if !isPacing {
                    isPacing = true
                    let delay = pace.delay(at: clock.monotonic)
                    Task {
                        try? await Task.sleep(for: delay)
                        sink.yield(.paced)
                    }
                }
                return
            }
            guard let entry = queue.next() else { return }
            pace.took(at: clock.monotonic)
            client.publish(message(for: entry)) { result in
                sink.yield(.outcome(entry.position, result))
            }
        }
    }

    private func load(_ queue: inout PublishQueue, after position: Int64) async {
        do throws(JournalError) {
            queue.loaded(try await journal.entries(after: position, limit: Self.page))
        } catch {
            // The journal has logged it; the next tick tries again.
            state.withLock { $0.lastError = error.message }
        }
    }

    private func message(for entry: JournalEntry) -> MQTTMessage {
        switch entry {
        case .reading(let reading): MQTTMessage(topic: topics.reading(reading.meter), payload: reading.payload)
        case .gap(let gap):
            MQTTMessage(topic: topics.gap(gap.meter), payload: GapPayload.json(gap, stream: journal.stream))
        }
    }

    // MARK: Recording

    /// Acknowledgements reach the journal in batches: a synced transaction each would cost as much as a reading.
    private func record(_ queue: inout PublishQueue) async {
        state.withLock {
            $0.unrecorded = queue.acknowledged - queue.recorded
            $0.isHolding = queue.isHolding
        }
        if let position = queue.mustRecord { await record(position, &queue) }
    }

    private func record(_ position: Int64, _ queue: inout PublishQueue) async {
        do throws(JournalError) {
            try await journal.advance(outlet: Self.outlet, to: position)
            queue.recorded(upTo: position)
        } catch {
            // Repeating some readings after a crash is allowed; losing one is not.
            queue.recordingFailed(upTo: position)
            state.withLock { $0.lastError = error.message }
        }
    }

    // MARK: The end

    /// Says goodbye, hears what was still acknowledged, and records it.
    private func finish(_ queue: inout PublishQueue, _ events: AsyncStream<Event>) async {
        let farewell = MQTTMessage(topic: topics.status, payload: Array("offline".utf8), retain: true)
        await client.stop(farewell: announcesDaemon ? farewell : nil)
        var iterator = events.makeAsyncIterator()
        while !queue.isQuiet, let event = await iterator.next() {
            switch event {
            case .outcome(let position, .success): queue.accepted(position)
            case .outcome(let position, .failure): queue.failed(position, hold: false)
            case .connection, .committed, .paced, .tick, .release, .stop: break
            }
        }
        if let position = queue.unrecorded { await record(position, &queue) }
    }
}

/// How publishing goes, for `info`.
struct PublisherFigures: Sendable {
    var acknowledged: Int64 = 0
    var refused: Int64 = 0
    /// Entries that no broker with these limits will ever take.
    var setAside: Int64 = 0
    /// The broker refuses, and readings wait until it does not.
    var isHolding = false
    /// Acknowledged entries that the journal still counts as waiting.
    var unrecorded: Int64 = 0
    /// Whether anybody had subscribed when the last reading was acknowledged; nil before the first.
    var hasSubscriber: Bool?
    var lastError: String?
}

/// Spreads a backlog over time: so many entries a second, with a burst of a tenth of a second.
struct Pace: Sendable {
    private let interval: Duration?
    private var next = Duration.zero
    private static let burst = Duration.milliseconds(100)

    init(_ rate: Broker.DrainRate) {
        switch rate {
        case .perSecond(let count): interval = .seconds(1) / max(1, count)
        case .unlimited: interval = nil
        }
    }

    func admits(at now: Duration) -> Bool {
        interval == nil || next - Self.burst <= now
    }

    func delay(at now: Duration) -> Duration {
        max(.milliseconds(1), next - now)
    }

    mutating func took(at now: Duration) {
        guard let interval else { return }
        next = max(next, now) + interval
    }
}
