import Configuration
import Journal
import LogMessages
import Logging
import MQTT
import Metering
import OBIS
import ServiceLifecycle
import Transport
import UnixSignals

/// The whole daemon: journal, readers and publisher, wired from a configuration.
public struct DaemonService: Sendable {
    public static let version = "0.1.0"

    private let configuration: Configuration
    private let opener: any LinkOpening
    private let clock: any HostClock
    private let logger: Logger

    public init(
        configuration: Configuration, opener: any LinkOpening = LinkOpener(), clock: any HostClock = SystemClock(),
        logger: Logger
    ) {
        self.configuration = configuration
        self.opener = BusOpener(opener)
        self.clock = clock
        self.logger = logger
    }

    /// Runs until SIGTERM or SIGINT, then ends within two seconds and loses nothing that was accepted.
    ///
    /// - Throws: `JournalError` when there is no journal to begin with.
    public func run() async throws {
        let backbone = try await Backbone(configuration, clock: clock, logger: logger)
        let readers = await makeReaders(backbone)
        await makeBalances(backbone, readers.flatMap(\.intake.pipelines))
        let overseer = Overseer(
            node: backbone.node, topics: backbone.topics, journal: backbone.journal, publisher: backbone.publisher,
            live: backbone.live, pipelines: readers.flatMap(\.intake.pipelines), clock: clock, startedAt: clock.now)
        let control = ControlServer(
            socket: ControlSocket(journal: configuration.journal.path),
            answer: ControlDesk(overseer: overseer, pipelines: overseer.pipelines).answer, logger: logger)
        let manager = ServiceManager()
        logger.notice(
            .daemonReady, "obisd \(Self.version) reads \(readers.count) \(readers.count == 1 ? "meter" : "meters").",
            metadata: [
                "node": "\(backbone.node)", "broker": "\(configuration.broker.host):\(configuration.broker.port)",
            ])
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [
            .init(service: JournalKeeper(journal: backbone.journal)),
            .init(service: backbone.publisher),
            .init(service: overseer),
            .init(service: control),
        ]
        if configuration.broker.acceptsCommands {
            services.append(
                .init(
                    service: CommandService(
                        client: backbone.client, topics: backbone.topics, readers: readers, clock: clock,
                        log: PacedLog(logger))))
        }
        services.append(.init(service: HangUpListener(logger: logger)))
        services.append(.init(service: ReaderGroup(readers: readers, manager: manager, logger: logger)))
        // Started in this order, stopped in reverse: no reading is taken any more when the publisher says goodbye,
        // and the journal is closed last.
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services,
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: Logger(label: "lifecycle") { _ in SwiftLogNoOpLogHandler() }))
        try await group.run()
        logger.notice(.daemonStopped, "Stopped.")
    }

    private func makeReaders(_ backbone: Backbone) async -> [MeterReader] {
        var readers: [MeterReader] = []
        for meter in configuration.meters where meter.isEnabled {
            guard let meterProtocol = ProtocolRegistry.named(meter.protocolName) else { continue }
            let intake = await Intake(meter: meter) { meter, mapping in
                await MeterPipeline(
                    meter: meter, mapping: mapping, node: backbone.node, topics: backbone.topics,
                    journal: backbone.journal, live: backbone.live, clock: clock, logger: logger(of: meter))
            }
            readers.append(
                MeterReader(
                    intake: intake, meterProtocol: meterProtocol, opener: opener, clock: clock,
                    logger: logger(of: meter)))
        }
        return readers
    }

    /// Meters that stand behind another one are compared with it.
    private func makeBalances(_ backbone: Backbone, _ pipelines: [MeterPipeline]) async {
        let behind = Dictionary(grouping: pipelines.filter { $0.meter.behind != nil }) { $0.meter.behind ?? "" }
        for main in pipelines {
            guard let subs = behind[main.meter.id] else { continue }
            let desk = await BalanceDesk(
                main: main.meter, subs: subs.map(\.meter.id), backbone, logger: logger(of: main.meter))
            for pipeline in subs + [main] { await pipeline.join(desk) }
        }
    }

    private func logger(of meter: Meter) -> Logger {
        var logger = logger
        logger[metadataKey: "meter"] = "\(meter.id)"
        logger[metadataKey: "protocol"] = "\(meter.protocolName)"
        return logger
    }
}

extension BrokerSettings {
    /// What the configuration says of the broker.
    public init(_ broker: Broker, clientID: String) {
        self.init(
            host: broker.host, port: broker.port, clientID: clientID, keepalive: broker.keepalive,
            version: broker.version == .v5 ? .v5 : .v311, username: broker.username, password: broker.password,
            tls: broker.tls.map { TLSSettings(caFile: $0.caFile, certificateFile: $0.certFile, keyFile: $0.keyFile) })
    }
}

extension JournalSettings {
    init(_ configured: JournalConfiguration) {
        let sync: Sync =
            switch configured.sync {
            case .commit: .full
            case .every(let time): .every(time)
            }
        self.init(keep: configured.keep, maxSize: configured.maxSize, sync: sync)
    }
}

/// Says what SIGHUP does not do yet, instead of ending the daemon as the signal would.
private struct HangUpListener: Service {
    let logger: Logger

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            logger.warning("SIGHUP: this version does not reload its configuration. Restart it to apply changes.")
        }
    }
}

/// Closes the journal when everything else has ended.
struct JournalKeeper: Service {
    let journal: Journal

    func run() async throws {
        try? await gracefulShutdown()
        await journal.close()
    }
}

/// Runs one reader for each meter.
private struct ReaderGroup: Service {
    let readers: [MeterReader]
    let manager: ServiceManager
    let logger: Logger

    func run() async throws {
        manager.ready()
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                for reader in readers { group.addTask { await reader.run() } }
            }
            // With no meter at all there is still a broker to tell so.
            while (try? await Task.sleep(for: .seconds(3600))) != nil {}
        }
        manager.stopping()
        for pipeline in readers.flatMap(\.intake.pipelines) { await pipeline.end() }
    }
}
