import Configuration
import Glibc
import Journal
import LogMessages
import Logging
import MQTT
import ServiceLifecycle
import Transport
import UnixSignals

/// The whole daemon: journal, readers and publisher, wired from a configuration.
public struct DaemonService: Sendable {
    public static let version = "0.1.0"

    private let configuration: Configuration
    private let load: @Sendable () throws -> Configuration
    private let opener: any LinkOpening
    private let traffic = RecentTraffic()
    private let clock: any HostClock
    private let manager: ServiceManager
    private let patience: Duration
    private let logger: Logger

    /// - Parameters:
    ///   - load: reads the configuration again, on SIGHUP. Throws `ConfigurationError` where it has mistakes.
    ///   - patience: how long a turn of a loop may take before the loop counts as hanging.
    public init(
        configuration: Configuration, load: @escaping @Sendable () throws -> Configuration,
        opener: any LinkOpening = LinkOpener(), clock: any HostClock = SystemClock(),
        manager: ServiceManager = .ofEnvironment(), patience: Duration = .seconds(10), logger: Logger
    ) {
        self.configuration = configuration
        self.load = load
        // Beneath the shares of a bus: its line is one.
        self.opener = BusOpener(CapturingOpener(opener, to: traffic) { clock.now })
        self.clock = clock
        self.manager = manager
        self.patience = patience
        self.logger = logger
    }

    /// Runs until SIGTERM or SIGINT, then ends within two seconds and loses nothing that was accepted.
    ///
    /// - Throws: `JournalError` when there is no journal to begin with.
    public func run() async throws {
        try await withTaskExecutorPreference(LoopExecutor.shared) { try await runOnLoop() }
    }

    private func runOnLoop() async throws {
        // Until the reloader listens: the configuration has just been read.
        _ = signal(SIGHUP, SIG_IGN)
        let pulses = Pulses(patience: patience, clock: clock)
        let asking = Task.onLoop { await askForPatience() }
        defer { asking.cancel() }
        let backbone = try await Backbone(configuration, clock: clock, pulses: pulses, logger: logger)
        let fleet = Fleet(
            backbone, opener: opener, traffic: traffic, clock: clock, pulses: pulses, logger: logger)
        await fleet.change(to: configuration.meters)
        asking.cancel()
        let count = configuration.meters.count { $0.isEnabled }
        logger.notice(
            .daemonReady, "obisd \(Self.version) reads \(count) \(count == 1 ? "meter" : "meters").",
            metadata: [
                "node": "\(backbone.node)", "broker": "\(configuration.broker.host):\(configuration.broker.port)",
            ])
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services(backbone, fleet, pulses).map { .init(service: $0) },
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: Logger(label: "lifecycle") { _ in SwiftLogNoOpLogHandler() }))
        try await group.run()
        logger.notice(.daemonStopped, "Stopped.")
    }

    /// A damaged journal of a gigabyte is restored in minutes where the disk is slow: a manager that ended the daemon
    /// meanwhile would have it begin anew each time. After an hour something else is wrong.
    private func askForPatience() async {
        for _ in 0..<360 {
            manager.starting(for: .seconds(60))
            guard (try? await Task.pause(for: .seconds(10))) != nil else { return }
        }
    }

    /// Started in this order, stopped in reverse: no reading is taken any more when the publisher says goodbye, and the
    /// journal is closed last.
    private func services(_ backbone: Backbone, _ fleet: Fleet, _ pulses: Pulses) -> [any Service] {
        let overseer = Overseer(
            node: backbone.node, topics: backbone.topics, journal: backbone.journal, publisher: backbone.publisher,
            live: backbone.live, fleet: fleet, manager: manager, pulse: pulses.add("the overseer"), clock: clock,
            startedAt: clock.now)
        let commands = CommandGate(
            backbone.client, topics: backbone.topics, isOpen: configuration.broker.acceptsCommands)
        let metrics = MetricsService(
            configuration.metrics, log: PacedLog(logger) { clock.monotonic }
        ) { await overseer.info() }
        return [
            JournalKeeper(journal: backbone.journal), backbone.publisher,
            Watchdog(manager: manager, pulses: pulses, journal: backbone.journal, logger: logger), overseer,
            ControlServer(
                socket: ControlSocket(journal: configuration.journal.path),
                answer: ControlDesk(overseer: overseer, fleet: fleet, traffic: traffic).answer, logger: logger),
            CommandService(
                client: backbone.client, topics: backbone.topics, gate: commands, fleet: fleet,
                journal: backbone.journal, discovery: backbone.discovery, clock: clock,
                log: PacedLog(logger)),
            metrics,
            FleetService(fleet: fleet, manager: manager),
            Reloader(
                initial: configuration, load: load, backbone: backbone, fleet: fleet, commands: commands,
                metrics: metrics, manager: manager, logger: logger),
        ]
    }
}

extension BrokerSettings {
    /// What the configuration says of the broker.
    public init(_ broker: Broker, clientID: String) {
        self.init(
            host: broker.host, port: broker.port, clientID: clientID, keepalive: broker.keepalive,
            version: broker.version == .v5 ? .v5 : .v311, username: broker.username, password: broker.password,
            tls: broker.tls.map(TLSSettings.init))
    }
}

extension TLSSettings {
    init(_ tls: Broker.TLS) {
        self.init(
            caFile: tls.caFile, certificateFile: tls.certFile, keyFile: tls.keyFile,
            preSharedKey: tls.preSharedKey.map { PreSharedKey(identity: $0.identity, key: $0.key) })
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

/// Closes the journal when everything else has ended.
struct JournalKeeper: Service {
    let journal: Journal

    func run() async throws {
        try? await gracefulShutdown()
        await journal.close()
    }
}
