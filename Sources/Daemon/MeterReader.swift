import Configuration
import LogMessages
import Logging
import Metering
import OBIS
import Transport
import Wire

/// The supervised reader of one meter: opens its line, holds the conversation, and begins anew when the line is
/// lost, for ever. What happens here changes nothing for another meter.
struct MeterReader: Sendable {
    let intake: Intake
    let meterProtocol: MeterProtocol
    let opener: any LinkOpening
    let clock: any HostClock
    let pulse: Pulse
    let logger: Logger
    private let log: ReaderLog
    private let polls = PollHistory()
    let bell = Bell()

    init(
        intake: Intake, meterProtocol: MeterProtocol, opener: any LinkOpening, clock: any HostClock,
        pulse: Pulse, logger: Logger
    ) {
        self.intake = intake
        self.meterProtocol = meterProtocol
        self.opener = opener
        self.clock = clock
        self.pulse = pulse
        self.logger = logger
        log = ReaderLog(PacedLog(logger) { clock.monotonic })
    }

    private var pipeline: MeterPipeline { intake.main }
    private var meter: Meter { pipeline.meter }
    var isPolled: Bool { meterProtocol.isPolled(meter.settings) }

    /// Asks the meter at once, beside its schedule.
    ///
    /// - Returns: why that is not possible; nil where it is done.
    func readNow() -> String? {
        guard isPolled else { return "the meter talks by itself and is not asked" }
        return bell.ring() ? nil : "the line of the meter is not open"
    }

    /// Returns when the task is cancelled.
    func run() async {
        var backoff = Backoff()
        // One for all conversations: it remembers what its meter cannot do.
        var session = meterProtocol.makeSession(meter.settings)
        // The time counts from now, whenever the line is there.
        if isPolled { _ = polls.delay(by: Schedule(meter), at: clock.now) }
        while !Task.isCancelled {
            pulse.rest()
            let telegramsBefore = await pipeline.figures.telegrams
            do throws(TransportError) {
                let link = try await opener.open(
                    meter.endpoint, options: LinkOptions(receiveOnly: !isPolled, name: meter.id, bus: meter.bus),
                    logger: logger)
                await pipeline.linkOpened()
                log.opened(meter.endpoint)
                let end = await converse(over: link, &session)
                await link.close()
                if case .finished = end, case .file = meter.endpoint { return await rest() }
                await ended(end)
                // A push may come at any moment: a port that was only silent is open again at once.
                if case .silent = end { continue }
            } catch {
                await failed(error)
            }
            // A line that brought a reading works: the next attempt is an early one.
            if await pipeline.figures.telegrams > telegramsBefore { backoff.reset() }
            pulse.rest()
            _ = try? await Task.pause(for: backoff.next())
        }
    }

    private func converse(over link: any Link, _ session: inout any Session<Telegram>) async -> Conversation.End {
        let conversation = Conversation(
            link: link, intake: intake, clock: clock, schedule: isPolled ? Schedule(meter) : nil, polls: polls,
            bell: bell, isShared: meter.bus != nil, pulse: pulse
        ) { finding in
            await report(finding)
        }
        return await conversation.run(&session)
    }

    /// The recording was read to its end; nothing more will come.
    private func rest() async {
        pulse.rest()
        logger.notice("The recording was read to its end.")
        while (try? await Task.pause(for: .seconds(3600))) != nil {}
    }

    private func report(_ finding: Conversation.Finding) async {
        switch finding {
        case .telegram: log.telegram()
        case .rejected(let error):
            await pipeline.rejected(error)
            // Each try of a poll that nobody answers: the poll itself is told below.
            if error.code != .timeout { log.rejected(error) }
        case .pollFailed(let error):
            await pipeline.rejected(error)
            log.pollFailed(error)
        case .noise(let count):
            await pipeline.noise(count)
            log.noise(count)
        }
    }

    private func ended(_ end: Conversation.End) async {
        guard !Task.isCancelled else { return }
        switch end {
        case .finished: await failed(TransportError(.closed, "the other side closed the connection"))
        case .lost(let error): await failed(error)
        case .silent(let duration): log.silent(for: duration)
        case .unanswered: log.unanswered()
        }
    }

    private func failed(_ error: TransportError) async {
        guard !Task.isCancelled, error.code != .cancelled else { return }
        await pipeline.linkFailed(error.message)
        log.lost(error)
    }
}
