import Foundation
import TestSupport
import Testing

/// A daemon between a broker that keeps everything and a healthy meter on a serial line, each push of which has to
/// arrive, beside the meters of a fault.
final class Neighbours {
    let folder: URL
    let broker: MosquittoBroker
    let daemon: DaemonProcess
    let subscriber: Subscriber
    let readings: Completeness
    let healthy: PushLine
    private var pid: pid_t = 0
    private var healthyMost = Duration.zero
    private var healthyCount = 0

    /// - Parameters:
    ///   - meters: stanzas of the others.
    ///   - daemonFolder: where the daemon has its configuration and journal; it exists.
    init(
        in folder: URL, meters: [String] = [], broker keys: String = "", filter: String = "obisd/e2e/+/reading",
        daemonFolder: URL? = nil
    ) async throws {
        self.folder = folder
        broker = try await MosquittoBroker(FaultHouse.persistent)
        healthy = try await PushLine(path: folder.appendingPathComponent("healthy").path, configuration: .init())
        subscriber = try Subscriber(port: broker.port, folder: folder, filter: filter, session: "keeper")
        daemon = try DaemonProcess(
            folder: daemonFolder ?? folder, brokerPort: broker.port,
            meters: [
                "id: healthy, protocol: dlms-push, transport: {serial: \(healthy.line.path), line: 2400 8E1}, "
                    + "profile: lg-e450"
            ] + meters,
            broker: keys)
        readings = Completeness(of: daemon, at: subscriber)
    }

    var figures: ProcessFigures { ProcessFigures(pid: pid) }

    /// Returns when the healthy meter is read.
    func start(environment: [String] = [], wrapper: [String] = []) async throws {
        try daemon.start(environment: environment, wrapper: wrapper)
        pid = try #require(daemon.pid)
        try await healthy.pushUntilRead("healthy", subscriber)
    }

    /// One push of the healthy meter. Returns when it has arrived, behind everything that had waited.
    func push(within limit: Duration = .seconds(90)) async throws {
        let began = ContinuousClock.now
        await healthy.push()
        let energy = healthy.house.imported
        try await readings.wait(for: "a push of the healthy meter", within: limit) { [subscriber] _ in
            let newest = subscriber.messages.last { $0.kind == "reading" && $0.meter == "healthy" }
            return newest?.json?["registers"]?["1-1:1.8.0*255"]?["value"]?.int == energy
        }
        healthyMost = max(healthyMost, ContinuousClock.now - began)
        healthyCount += 1
    }

    /// Pushes until this is over, one after the other.
    func pushing(while condition: () async throws -> Bool) async throws {
        while try await condition() { try await push() }
    }

    /// What the healthy meter had meanwhile.
    func tell(_ cell: String) {
        print(
            "Neighbour, \(cell): \(healthyCount) pushes, \(healthyCount) arrived, each within \(healthyMost.inSeconds)")
    }

    /// How long a wait took, as a line that others collect.
    func recovery(of cell: String, within limit: Duration, _ wait: (Duration) async throws -> Void) async throws {
        let began = ContinuousClock.now
        try await wait(limit)
        FaultMatrix.tell(recovery: cell, ContinuousClock.now - began, within: limit)
    }

    func requireAlive() throws { try #require(daemon.isRunning && daemon.pid == pid, "the daemon ended") }

    /// The daemon has lived through everything, and everything that it accepted has arrived. Ends all.
    @discardableResult
    func requireNothingLost(ending: [RawLine] = []) async throws -> Int {
        try requireAlive()
        for line in ending { await line.close() }
        let count = try await readings.requireEverything().count
        await healthy.line.close()
        return count
    }
}
