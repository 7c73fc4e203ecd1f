import Configuration
import Journal
import LogMessages
import Logging
import MQTT
import OBIS
import ServiceLifecycle
import Synchronization
import Transport

/// Brings what the journal has to the broker, in order, and keeps the retained topics true.
///
/// One loop makes every decision: connection, commits, acknowledgements and time arrive as events.
final class Publisher: Service {
    static let outlet = "mqtt"
    /// After a refusal the broker is left alone this long.
    private static let hold = Duration.seconds(30)
    /// Entries read from the journal at a time.
    private static let page = 200
    /// When what failed is looked at again, if nothing else happens before.
    private static let tick = Duration.seconds(3)
    /// For how long acknowledgements may gather that nothing waits for: each alone would wake the loop.
    private static let gathering = Duration.milliseconds(100)
    /// A reading that is refused so often, for no reason that lies in rights or room, is given up.
    private static let patience = 10

    private enum Event: Sendable {
        case connection(MQTTClient.Event)
        case committed(Int64)
        case outcome(Int64, String, Result<UInt8, PublishError>)
        case told(Int64)
        case toldOutcome(JournalEvent, Result<UInt8, PublishError>)
        case tick
        /// Acknowledgements have gathered for a while.
        case gathered
        /// What the journal was to know of the acknowledgements.
        case recorded(Result<Void, JournalError>)
        /// The drain rate admits the next entry.
        case paced
        /// The broker, or one meter's topic, is tried again.
        case release(String?)
        case drainRate(Broker.DrainRate)
        case stop
    }

    private let client: MQTTClient
    private let journal: Journal
    private let live: LiveTopics
    private let topics: Topics
    private let drainRate: Broker.DrainRate
    /// Whether the topic `status` is the daemon's own: a replay is no daemon that is online.
    private let announcesDaemon: Bool
    private let pulse: Pulse
    private let rateChanges: AsyncStream<Broker.DrainRate>
    private let rateSink: AsyncStream<Broker.DrainRate>.Continuation
    private let log: PacedLog
    private let clock: any HostClock
    private let state = Mutex(PublisherFigures())

    init(
        client: MQTTClient, journal: Journal, live: LiveTopics, topics: Topics, drainRate: Broker.DrainRate,
        announcesDaemon: Bool = true, clock: any HostClock, pulse: Pulse, logger: Logger
    ) {
        self.client = client
        self.journal = journal
        self.live = live
        self.topics = topics
        self.drainRate = drainRate
        self.announcesDaemon = announcesDaemon
        self.clock = clock
        self.pulse = pulse
        log = PacedLog(logger) { clock.monotonic }
        (rateChanges, rateSink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// From now on a backlog is sent at this rate.
    func change(drainRate: Broker.DrainRate) { rateSink.yield(drainRate) }

    var figures: PublisherFigures { state.withLock { $0 } }

    func run() async throws {
        if announcesDaemon { live.set(topics.status, "online", urgency: .first) }
        try client.start()
        let events = EventQueue<Event>()
        await withGracefulShutdownHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await event in self.client.events { events.put(.connection(event)) } }
                group.addTask { for await newest in self.journal.commits() { events.put(.committed(newest)) } }
                group.addTask { for await newest in self.journal.eventCommits() { events.put(.told(newest)) } }
                group.addTask { for await rate in self.rateChanges { events.put(.drainRate(rate)) } }
                group.addTask { while (try? await Task.pause(for: Self.tick)) != nil { events.put(.tick) } }
                await self.loop(events)
                group.cancelAll()
            }
        } onGracefulShutdown: {
            events.put(.stop)
        }
    }

    /// What the loop decides from.
    private struct Course {
        /// Nil until the journal is open and says how far the broker is.
        var queue: PublishQueue?
        var events: EventLane?
        var newest: Int64?
        var newestEvent: Int64?
        /// Of the connection; nil while there is none.
        var window: Int?
        var pace: Pace
        /// Whether a timer runs that ends in `paced`; there is never more than one.
        var isPacing = false
        /// Whether a timer runs that ends in `gathered`.
        var isGathering = false
        var lastRetry: Duration
    }

    private func loop(_ events: EventQueue<Event>) async {
        var course = Course(pace: Pace(drainRate), lastRetry: clock.monotonic)
        while true {
            var isStopping = false
            let happened = await events.next(patient: gather(&course, events))
            if happened.isEmpty { return }
            for event in happened {
                if case .stop = event { isStopping = true } else { take(event, &course, events) }
            }
            pulse.beat()
            if isStopping {
                pulse.rest()
                return await finish(&course.queue, events)
            }
            await begin(&course)
            record(&course, events)
            await tell(&course, events)
            await send(&course, events)
        }
    }

    /// - Returns: whether nothing is left to be sent, so that acknowledgements may gather.
    private func gather(_ course: inout Course, _ events: EventQueue<Event>) -> Bool {
        guard let queue = course.queue, queue.isCaughtUp else { return false }
        guard !queue.isQuiet, !course.isGathering else { return true }
        course.isGathering = true
        Task.onLoop {
            try? await Task.pause(for: Self.gathering)
            events.put(.gathered)
        }
        return true
    }

    private func take(_ event: Event, _ course: inout Course, _ events: EventQueue<Event>) {
        switch event {
        case .connection(let event): connection(event, &course)
        case .drainRate(let rate): course.pace = Pace(rate)
        case .committed(let newest):
            course.newest = newest
            course.queue?.committed(newest: newest)
        case .told(let newest): course.newestEvent = newest
        case .outcome(let position, let meter, .success(let reason)):
            accepted(position, meter, reason, &course.queue)
        case .outcome(let position, let meter, .failure(let error)):
            failed(position, meter, error, &course.queue, events)
        case .toldOutcome(let event, let result): told(event, result, &course.events)
        case .release(let meter): course.queue?.release(meter)
        case .paced: course.isPacing = false
        case .gathered: course.isGathering = false
        case .recorded(let result): recorded(result, &course.queue)
        case .tick: retry(&course)
        case .stop: break
        }
    }

    /// As soon as the journal is open: how far the broker is.
    private func begin(_ course: inout Course) async {
        guard course.queue == nil, let newest = course.newest,
            let cursor = try? await journal.cursor(of: Self.outlet), let lane = await EventLane(journal)
        else { return }
        var queue = PublishQueue(cursor: cursor)
        queue.committed(newest: newest)
        if let window = course.window { queue.connected(window: window) }
        course.queue = queue
        course.events = lane
        course.events?.isConnected = course.window != nil
    }

    /// What the broker refused, whether or not it refuses readings as well.
    private func retry(_ course: inout Course) {
        guard clock.monotonic - course.lastRetry >= Self.hold else { return }
        course.lastRetry = clock.monotonic
        live.retry()
        course.events?.retry()
    }

    // MARK: Events

    private func connection(_ event: MQTTClient.Event, _ course: inout Course) {
        switch event {
        case .connected(let properties):
            state.withLock { ($0.lastError, $0.isConnected) = (nil, true) }
            live.connected()
            log.over("hold")
            // The retained topics keep their share of the window while a backlog drains.
            let window = max(1, properties.window - LiveBoard.share)
            course.window = window
            course.queue?.connected(window: window)
            course.events?.isConnected = true
        case .disconnected(let reason):
            state.withLock { ($0.lastError, $0.isConnected) = (reason.sentence, false) }
            live.disconnected()
            course.window = nil
            course.queue?.disconnected()
            course.events?.isConnected = false
        case .subscribed, .subscriptionRefused: break
        }
    }

    private func accepted(_ position: Int64, _ meter: String, _ reason: UInt8, _ queue: inout PublishQueue?) {
        queue?.accepted(position, of: meter)
        state.withLock {
            $0.acknowledged += 1
            $0.lastError = nil
            $0.hasSubscriber = reason != ReasonCode.noMatchingSubscribers
        }
    }

    private func failed(
        _ position: Int64, _ meter: String, _ error: PublishError, _ queue: inout PublishQueue?,
        _ events: EventQueue<Event>
    ) {
        switch error {
        case .notConnected, .connectionLost: queue?.failed(position, of: meter, hold: false)
        case .tooLarge, .invalid: setAside(position, meter, error, &queue, events)
        case .queueFull: hold(position, meter, error, &queue, events)
        case .refused(let reason):
            switch ReasonCode.scope(reason) {
            case .broker: hold(position, meter, error, &queue, events)
            case .message: setAside(position, meter, error, &queue, events)
            case .topic: waitApart(position, meter, error, isFinal: true, &queue, events)
            case .unknown: waitApart(position, meter, error, isFinal: false, &queue, events)
            }
        }
    }

    /// The broker takes nothing from anybody.
    private func hold(
        _ position: Int64, _ meter: String, _ error: PublishError, _ queue: inout PublishQueue?,
        _ events: EventQueue<Event>
    ) {
        let isFirst = queue?.isHolding == false
        queue?.failed(position, of: meter, hold: true)
        state.withLock {
            $0.refused += 1
            $0.lastError = error.description
        }
        guard isFirst else { return }
        log.say(
            "hold", .error, .brokerRefused,
            "\(error.description) The readings stay in the journal and are sent again in 30 s.")
        release(nil, events)
    }

    /// The broker refuses what is of one meter: the others go on.
    ///
    /// - Parameter isFinal: false where the reason says neither that the topic nor that the message is not wanted: a
    ///   reading that is refused again and again is given up, so that those behind it get through.
    private func waitApart(
        _ position: Int64, _ meter: String, _ error: PublishError, isFinal: Bool, _ queue: inout PublishQueue?,
        _ events: EventQueue<Event>
    ) {
        let entry = queue?.entry(at: position, of: meter)
        let refusals = queue?.refused(position, of: meter)
        state.withLock {
            $0.refused += 1
            $0.lastError = error.description
            $0.apart[meter] = error.description
        }
        guard let entry, let refusals else { return }
        if !isFinal, refusals > Self.patience, entry.reading != nil {
            queue?.giveUp(position, of: meter)
            countAside(error, entry)
        } else if refusals == 1 {
            log.say(
                "apart \(meter)", .error, .brokerRefused,
                "\(error.description) The readings of \(meter) stay in the journal and are sent again every 30 s.",
                metadata: ["meter": "\(meter)"])
        }
        release(meter, events)
    }

    private func release(_ meter: String?, _ events: EventQueue<Event>) {
        Task.onLoop {
            try? await Task.pause(for: Self.hold)
            events.put(.release(meter))
        }
    }

    /// No time makes it pass: subscribers are told of it in its place.
    private func setAside(
        _ position: Int64, _ meter: String, _ error: PublishError, _ queue: inout PublishQueue?,
        _ events: EventQueue<Event>
    ) {
        guard let entry = queue?.entry(at: position, of: meter) else { return }
        guard entry.reading != nil, queue?.isGivenUp(position) == false else {
            queue?.accepted(position, of: meter)
            return
        }
        queue?.giveUp(position, of: meter)
        countAside(error, entry)
        publish(entry, isGivenUp: true, events)
    }

    private func countAside(_ error: PublishError, _ entry: JournalEntry) {
        state.withLock {
            $0.setAside += 1
            $0.lastError = error.description
        }
        log.say(
            "aside \(entry.meter)", .error, .readingsGivenUp,
            "\(error.description) The reading stays in the journal and is not sent; a gap says so.",
            metadata: ["meter": "\(entry.meter)", "seq": "\(entry.reading?.seq ?? 0)"])
    }

    private func told(_ event: JournalEvent, _ result: Result<UInt8, PublishError>, _ lane: inout EventLane?) {
        guard let refusal = lane?.concluded(event, result) else { return }
        state.withLock { $0.lastError = refusal.description }
        log.say(
            "event \(event.meter)", .error, .brokerRefused,
            "\(refusal.description) The anomaly stays in the journal and is sent again every 30 s.",
            metadata: ["meter": "\(event.meter)"])
    }

    // MARK: Sending

    private func send(_ course: inout Course, _ events: EventQueue<Event>) async {
        guard var queue = course.queue else { return }
        defer { course.queue = queue }
        while true {
            if let fetch = queue.fetch {
                guard await load(&queue, fetch.meter, after: fetch.after, through: fetch.through) else { return }
            }
            guard course.pace.admits(at: clock.monotonic) else { return wait(&course, events) }
            guard let entry = queue.next() else {
                // A page may have been of meters only that wait by themselves.
                guard queue.fetch == nil else { continue }
                return
            }
            course.pace.took(at: clock.monotonic)
            publish(entry, isGivenUp: queue.isGivenUp(entry.position), events)
        }
    }

    private func wait(_ course: inout Course, _ events: EventQueue<Event>) {
        guard !course.isPacing else { return }
        course.isPacing = true
        let delay = course.pace.delay(at: clock.monotonic)
        Task.onLoop {
            try? await Task.pause(for: delay)
            events.put(.paced)
        }
    }

    private func publish(_ entry: JournalEntry, isGivenUp: Bool, _ events: EventQueue<Event>) {
        client.publish(message(for: entry, isGivenUp: isGivenUp)) { result in
            events.put(.outcome(entry.position, entry.meter, result), isUrgent: !result.isSuccess)
        }
    }

    /// - Returns: whether it could be read; where not, the journal has logged it, and the next tick tries again.
    private func load(
        _ queue: inout PublishQueue, _ meter: String?, after position: Int64, through end: Int64?
    ) async -> Bool {
        do throws(JournalError) {
            if let meter, let end {
                let page = try await journal.entries(of: meter, after: position, through: end, limit: Self.page)
                queue.loaded(page.entries, of: meter, through: page.through)
            } else {
                queue.loaded(try await journal.entries(after: position, limit: Self.page), of: nil)
            }
            return true
        } catch {
            state.withLock { $0.lastError = error.message }
            return false
        }
    }

    private func message(for entry: JournalEntry, isGivenUp: Bool) -> MQTTMessage {
        switch entry {
        case .reading(let reading) where isGivenUp: gap(JournalGap(standingFor: reading, reason: .setAside))
        case .reading(let reading): MQTTMessage(topic: topics.reading(reading.meter), payload: reading.payload)
        case .gap(let found): gap(found)
        }
    }

    private func gap(_ gap: JournalGap) -> MQTTMessage {
        MQTTMessage(topic: topics.gap(gap.meter), payload: GapPayload.json(gap, stream: journal.stream))
    }

    /// Anomalies, which wait behind no reading.
    private func tell(_ course: inout Course, _ events: EventQueue<Event>) async {
        guard let newest = course.newestEvent else { return }
        while course.events?.mayHaveNext(newest: newest) == true,
            let event = await course.events?.next(newest: newest, journal)
        {
            client.publish(MQTTMessage(topic: topics.anomaly(event.meter), payload: event.payload)) { result in
                events.put(.toldOutcome(event, result))
            }
        }
        course.events?.record(journal)
    }

    // MARK: Recording

    /// Acknowledgements reach the journal in batches: a transaction each would cost as much as a reading.
    private func record(_ course: inout Course, _ events: EventQueue<Event>) {
        guard var queue = course.queue else { return }
        defer { course.queue = queue }
        let newest = course.newest ?? 0
        state.withLock {
            $0.acknowledgedCursor = queue.acknowledged
            $0.isHolding = queue.isHolding
            $0.waiting = max(0, newest - queue.acknowledged.position)
            $0.apart = $0.apart.filter { queue.metersApart.contains($0.key) }
        }
        guard let cursor = queue.mustRecord else { return }
        queue.recording(cursor)
        journal.advance(outlet: Self.outlet, to: cursor) { result in events.put(.recorded(result)) }
    }

    private func recorded(_ result: Result<Void, JournalError>, _ queue: inout PublishQueue?) {
        switch result {
        case .success: queue?.recordingDone()
        case .failure(let error):
            // Repeating some readings after a crash is allowed; losing one is not.
            queue?.recordingFailed()
            state.withLock { $0.lastError = error.message }
        }
    }

    // MARK: The end

    /// Says goodbye, hears what was still acknowledged, and records it.
    private func finish(_ queue: inout PublishQueue?, _ events: EventQueue<Event>) async {
        await client.stop(farewell: announcesDaemon ? Backbone.farewell(topics) : nil)
        guard var queue else { return }
        while !queue.isQuiet {
            let happened = await events.next()
            if happened.isEmpty { break }
            for event in happened {
                switch event {
                case .outcome(let position, let meter, .success): queue.accepted(position, of: meter)
                case .outcome(let position, let meter, .failure): queue.failed(position, of: meter, hold: false)
                case .connection, .committed, .told, .recorded, .toldOutcome, .paced, .tick, .gathered,
                    .release, .drainRate, .stop:
                    break
                }
            }
        }
        // Behind what is being recorded: the journal keeps to the order.
        guard let cursor = queue.unrecorded else { return }
        do throws(JournalError) {
            try await journal.advance(outlet: Self.outlet, to: cursor)
        } catch {
            state.withLock { $0.lastError = error.message }
        }
    }
}

extension Result {
    fileprivate var isSuccess: Bool { if case .success = self { true } else { false } }
}
