public import Configuration
import Foundation
import Journal
public import Logging
import MQTT
import Metering
import OBIS
import ServiceLifecycle
import Synchronization
public import Transport
import UnixSignals
import Wire

/// Feeds what was captured on a meter's line through everything that a live byte goes through: decoder, validator,
/// journal, publisher. Its readings carry the capture's times and `source` `replay`; the state, which is the present,
/// does not follow them.
public struct Replay: Sendable {
    /// How fast a capture passes.
    public enum Speed: String, Sendable, CaseIterable {
        /// As fast as it can be taken.
        case full
        /// With the pauses that it had.
        case real
    }

    public struct Outcome: Sendable, Equatable {
        public var readings = 0
        public var rejected: [String: Int] = [:]
        public var noise = 0

        public init() {}
    }

    private let configuration: Configuration
    private let meter: Meter
    private let capture: Capture
    private let speed: Speed
    private let clock: any HostClock
    private let logger: Logger

    public init(
        configuration: Configuration, meter: Meter, capture: Capture, speed: Speed,
        clock: any HostClock = SystemClock(),
        logger: Logger
    ) {
        self.configuration = configuration
        self.meter = meter
        self.capture = capture
        self.speed = speed
        self.clock = clock
        self.logger = logger
    }

    /// Journals the readings and publishes them; returns when the broker has acknowledged everything that waited, or
    /// after SIGTERM or SIGINT.
    ///
    /// - Throws: `JournalError`, also when a running daemon has the journal.
    public func run() async throws -> Outcome {
        let backbone = try await Backbone(
            configuration, isDaemon: false, clock: clock, pulses: Pulses(clock: clock), logger: logger)
        let player = Player(
            replay: self, intake: await intake(backbone), journal: backbone.journal, publisher: backbone.publisher)
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    .init(service: JournalKeeper(journal: backbone.journal)), .init(service: backbone.publisher),
                    .init(service: player, successTerminationBehavior: .gracefullyShutdownGroup),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: Logger(label: "lifecycle") { _ in SwiftLogNoOpLogHandler() }))
        try await group.run()
        return player.outcome
    }

    /// Does the same with a journal that is thrown away and no broker.
    ///
    /// - Returns: what would be published on `reading`, in order.
    public func rehearse() async throws -> (outcome: Outcome, payloads: [[UInt8]]) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("obisd-replay-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var configuration = configuration
        configuration.journal.sync = .commit
        let backbone = try await Backbone(
            configuration, journalPath: folder.appendingPathComponent("journal.db").path, isDaemon: false, clock: clock,
            pulses: Pulses(clock: clock), logger: logger)
        let journal = backbone.journal
        let player = Player(replay: self, intake: await intake(backbone), journal: journal, publisher: nil)
        await player.play()
        var payloads: [[UInt8]] = []
        var position: Int64 = 0
        while let page = try? await journal.entries(after: position, limit: 200), let last = page.last {
            payloads += page.compactMap { $0.reading?.payload }
            position = last.position
        }
        await journal.close()
        return (player.outcome, payloads)
    }

    private func intake(_ backbone: Backbone) async -> Intake {
        await Intake(meter: meter) { meter, mapping in
            await MeterPipeline(
                meter: meter, mapping: mapping, source: .replay, node: backbone.node, topics: backbone.topics,
                journal: backbone.journal, live: backbone.live, clock: clock, logger: logger)
        }
    }

    /// Plays the capture once.
    private final class Player: Service {
        private let replay: Replay
        private let intake: Intake
        private let journal: Journal
        /// Nil where nothing is published.
        private let publisher: Publisher?
        private let state = Mutex(Outcome())

        init(replay: Replay, intake: Intake, journal: Journal, publisher: Publisher?) {
            self.replay = replay
            self.intake = intake
            self.journal = journal
            self.publisher = publisher
        }

        var outcome: Outcome { state.withLock { $0 } }

        func run() async throws {
            await cancelWhenGracefulShutdown {
                await self.play()
                guard let publisher = self.publisher else { return }
                while await self.isWaiting(for: publisher) {
                    guard (try? await Task.pause(for: .milliseconds(100))) != nil else { return }
                }
            }
        }

        /// Whether the broker has not acknowledged everything.
        private func isWaiting(for publisher: Publisher) async -> Bool {
            // The journal knows the publisher as soon as that has begun.
            let figures = await journal.figures(known: publisher.figures.outlets)
            return figures.backlog[Publisher.outlet].map { $0 > 0 } ?? true
        }

        func play() async {
            await playPieces()
            for pipeline in intake.pipelines { await pipeline.end() }
            guard !Task.isCancelled else { return }
            for pipeline in intake.pipelines { await pipeline.journaled() }
        }

        private func playPieces() async {
            guard let meterProtocol = ProtocolRegistry.named(replay.meter.protocolName) else { return }
            // Whether the meter was asked or not: what it said is decoded, as strictly as on its line.
            var session = meterProtocol.makeListener(replay.meter.settings)
            var last: Timestamp?
            var armed: Duration?
            _ = session.handle(.opened)
            for piece in replay.capture.pieces {
                let pause =
                    last.map { Duration.milliseconds(Timestamp.milliseconds(from: $0, to: piece.time)) } ?? .zero
                if replay.speed == .real, pause > .zero {
                    guard (try? await Task.pause(for: pause)) != nil else { return }
                }
                if let last, let silence = armed, pause > silence {
                    armed = nil
                    await take(session.handle(.timer), at: last, &armed)
                }
                if !piece.isSent { await take(session.handle(.received(piece.bytes)), at: piece.time, &armed) }
                if piece.endsBurst { await take(session.handle(.boundary), at: piece.time, &armed) }
                last = piece.time
                if Task.isCancelled { return }
            }
            if let last { await take(session.handle(.closed), at: last, &armed) }
        }

        /// - Parameter armed: the silence that the session waits for.
        private func take(
            _ actions: [SessionAction<Telegram>], at time: Timestamp, _ armed: inout Duration?
        ) async {
            for action in actions {
                switch action {
                case .emit(let telegram):
                    await intake.accept(telegram, capturedAt: time)
                    state.withLock { $0.readings += 1 }
                case .reject(let error):
                    state.withLock { $0.rejected[error.code.rawValue, default: 0] += 1 }
                    replay.logger.warning("A message was dropped: \(error.message).", metadata: ["time": "\(time)"])
                case .noise(let count): state.withLock { $0.noise += count }
                case .arm(let silence): armed = silence
                case .disarm: armed = nil
                case .send, .setLine, .keep, .finished: break
                }
            }
        }
    }
}
