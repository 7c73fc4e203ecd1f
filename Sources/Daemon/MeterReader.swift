import Configuration
import Logging
import Metering
import OBIS
import Synchronization
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
        log = ReaderLog(logger: logger, clock: clock)
    }

    private var pipeline: MeterPipeline { intake.main }
    private var meter: Meter { pipeline.meter }
    private var isPolled: Bool { meterProtocol.isPolled(meter.settings) }

    /// Asks the meter at once, beside its schedule.
    ///
    /// - Returns: why that is not possible; nil where it is done.
    func readNow() -> String? {
        guard isPolled else { return "the meter talks by itself and is not asked" }
        return polls.request() ? nil : "the line of the meter is not open"
    }

    /// Returns when the task is cancelled.
    func run() async {
        var backoff = Backoff()
        // One for all conversations: it remembers what its meter cannot do.
        var session = meterProtocol.makeSession(meter.settings)
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
            _ = try? await Task.sleep(for: backoff.next())
        }
    }

    private func converse(over link: any Link, _ session: inout any Session<Telegram>) async -> Conversation.End {
        let conversation = Conversation(
            link: link, intake: intake, clock: clock, schedule: isPolled ? Schedule(meter) : nil, polls: polls,
            isShared: meter.bus != nil, pulse: pulse
        ) { finding in
            await report(finding)
        }
        return await conversation.run(&session)
    }

    /// The recording was read to its end; nothing more will come.
    private func rest() async {
        pulse.rest()
        logger.notice("The recording was read to its end.")
        while (try? await Task.sleep(for: .seconds(3600))) != nil {}
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
        case .silent(let duration):
            log.say(
                "silent", .warning, "Nothing was heard for \(duration.components.seconds) s: the port is opened anew.")
        case .unanswered:
            log.say("unanswered", .warning, "The meter does not answer: the port is opened anew.")
        }
    }

    private func failed(_ error: TransportError) async {
        guard !Task.isCancelled, error.code != .cancelled else { return }
        await pipeline.linkFailed(error.message)
        log.lost(error)
    }
}

/// The log lines of one reader: sentences, each kind at most once a minute.
private final class ReaderLog: Sendable {
    private let logger: Logger
    private let clock: any HostClock
    private let limiter = Mutex(LogLimiter())
    private let wasHeard = Mutex(false)

    init(logger: Logger, clock: any HostClock) {
        self.logger = logger
        self.clock = clock
    }

    func say(_ key: String, _ level: Logger.Level, _ text: String, _ metadata: Logger.Metadata = [:]) {
        guard let suppressed = limiter.withLock({ $0.admit(key, now: clock.monotonic) }) else { return }
        logger.log(
            level: level, "\(text)\(suppressed > 0 ? " (\(suppressed) more like this since the last line)" : "")",
            metadata: metadata)
    }

    func opened(_ endpoint: Endpoint) {
        say("opened", .info, "The line is open: \(endpoint).")
    }

    /// When it opens again, that is news.
    func lost(_ error: TransportError) {
        say("link \(error.code.rawValue)", .warning, "The line is not open: \(error.message). It is tried again.")
        limiter.withLock { $0.forget("opened") }
    }

    /// The first telegram of a line is worth a sentence: everything is wired right.
    func telegram() {
        let isFirst = wasHeard.withLock { heard in
            defer { heard = true }
            return !heard
        }
        if isFirst { logger.notice("The first message arrived.") }
    }

    func rejected(_ error: WireError) {
        say(
            "rejected \(error.code.rawValue)", .warning, "A message was dropped: \(error.message).",
            ["error": "\(error.code.rawValue)"])
    }

    func pollFailed(_ error: WireError) {
        say(
            "poll \(error.code.rawValue)", .warning, "The meter could not be read: \(error.message).",
            ["error": "\(error.code.rawValue)"])
    }

    func noise(_ count: Int) {
        say(
            "noise", .info,
            "\(count == 1 ? "1 byte belongs" : "\(count) bytes belong") to no message: noise, or the wrong speed or parity."
        )
    }
}
