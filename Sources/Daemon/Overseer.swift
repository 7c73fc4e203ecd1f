import Configuration
import Journal
import MQTT
import OBIS
import ServiceLifecycle
import Transport
import Wire

/// Looks after what depends on time alone: meters that fell silent, and the daemon's own figures.
struct Overseer: Service {
    let node: String
    let topics: Topics
    let journal: Journal
    let publisher: Publisher
    let live: LiveTopics
    let fleet: Fleet
    let manager: ServiceManager
    let pulse: Pulse
    let clock: any HostClock
    let startedAt: Timestamp

    private static let tick = Duration.seconds(1)
    private static let infoInterval = Duration.seconds(60)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var lastInfo: Duration?
            var lastError: JournalError?
            var lastRevision: Int?
            var lastStatus: String?
            var footprint = Footprint(since: clock.monotonic)
            repeat {
                pulse.beat()
                let pipelines = await fleet.pipelines
                var online = 0
                for (index, pipeline) in pipelines.enumerated() {
                    if await pipeline.tick() { online += 1 }
                    await Self.letOthersPass(after: index)
                }
                await fleet.look()
                let status = status(online, of: pipelines.count)
                // A meter that has come or gone is in `info` at once.
                let isNews = status != lastStatus
                if isNews { manager.status(status) }
                lastStatus = status
                let revision = await fleet.revision
                let now = clock.monotonic
                let error = journal.lastError
                if error != lastError || revision != lastRevision || isNews
                    || lastInfo.map({ now - $0 >= Self.infoInterval }) ?? true
                {
                    lastInfo = now
                    lastError = error
                    lastRevision = revision
                    // A journal that gets no readings ages as well.
                    Task.onLoop { await journal.retain() }
                    live.set(topics.info, await info().json())
                }
                footprint.look(at: { clock.monotonic })
            } while (try? await Task.pause(for: Self.tick)) != nil
        }
        pulse.rest()
    }

    /// Thousands of meters would keep the loop from its lines; it looks at them only when no task is left to be run.
    private static func letOthersPass(after index: Int) async {
        if index % 200 == 199 { try? await Task.pause(for: .milliseconds(1)) }
    }

    /// A line for `systemctl status`.
    private func status(_ online: Int, of all: Int) -> String {
        let figures = publisher.figures
        let broker = figures.isConnected ? "broker connected" : "no broker"
        // Not each number on its way: a line that changes all the time says less.
        let waiting = figures.waiting > PublishQueue.unrecordedLimit * 2 ? ", readings wait for it" : ""
        let trouble = journal.lastError.map { "; \($0.message)" } ?? ""
        return "\(online) of \(all) meters online, \(broker)\(waiting)\(trouble)"
    }

    func info() async -> DaemonInfo {
        let publisherFigures = publisher.figures
        let journalFigures = await journal.figures(known: publisherFigures.outlets)
        let meters = await meters(publisherFigures)
        let backlog = journalFigures.backlog[Publisher.outlet] ?? 0
        var degraded = journal.openingNotes
        if let error = journalFigures.lastError { degraded.append(error.message) }
        degraded += publisherFigures.apart.sorted { $0.key < $1.key }.map { meter, reason in
            "The broker does not take the readings of \(meter), which wait: \(reason)"
        }
        if publisherFigures.isHolding { degraded.append(publisherFigures.lastError ?? "The broker refuses readings.") }
        return DaemonInfo(
            version: DaemonService.version, node: node, stream: journal.stream, startedAt: startedAt, meters: meters,
            journal: DaemonInfo.Journal(
                readings: journalFigures.readings, backlog: backlog,
                oldestWaiting: backlog > 0 ? journalFigures.oldestWaiting : nil, bytes: journalFigures.fileBytes,
                givenUp: journalFigures.givenUp, error: journalFigures.lastError?.message),
            broker: DaemonInfo.Broker(
                acknowledged: publisherFigures.acknowledged, refused: publisherFigures.refused,
                setAside: publisherFigures.setAside, isConnected: publisherFigures.isConnected,
                hasSubscriber: publisherFigures.hasSubscriber, error: publisherFigures.lastError),
            degraded: degraded)
    }

    private func meters(_ figures: PublisherFigures) async -> [DaemonInfo.Meter] {
        var waiting: WaitingReadings?
        if let cursor = figures.acknowledgedCursor { waiting = await journal.waiting(after: cursor) }
        var meters: [DaemonInfo.Meter] = []
        for (index, pipeline) in await fleet.pipelines.enumerated() {
            meters.append(await Self.info(of: pipeline, waiting: waiting?.count(of: pipeline.meter.id)))
            await Self.letOthersPass(after: index)
        }
        return meters
    }

    private static func info(of pipeline: MeterPipeline, waiting: Int64?) async -> DaemonInfo.Meter {
        let meter = pipeline.meter
        let figures = await pipeline.figures
        return DaemonInfo.Meter(
            id: meter.id, name: meter.name, protocolName: meter.protocolName, endpoint: meter.endpoint.description,
            device: figures.device, isOnline: await pipeline.isOnline, readings: figures.journaled,
            backfilled: figures.backfilled, unjournaled: figures.unjournaled,
            lastSeq: figures.lastSeq, lastReading: figures.lastReading, rejected: figures.rejected,
            noiseBytes: figures.noise, linkError: figures.linkError, power: await pipeline.power,
            linkQuality: figures.link.share, waiting: waiting,
            anomalies: DaemonInfo.OpenAnomalies(await pipeline.openAnomalies()))
    }
}
