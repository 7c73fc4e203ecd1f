import Foundation
import Synchronization
import TestSupport
import Testing

/// The cells of one part of the matrix of faults, which says how many of them hold when all have been looked at.
final class FaultMatrix: Sendable {
    /// A cell that this machine cannot do; why has been printed.
    struct NotTested: Error {}

    private struct Told {
        var held = 0
        var all = 0
    }

    private let name: String
    private let cells: Int
    private let told = Mutex(Told())
    private let places: Places

    /// - Parameter atOnce: how many cells run at a time: starting many programs together takes the time that others
    ///   measure.
    init(_ name: String, cells: Int, atOnce: Int) {
        self.name = name
        self.cells = cells
        places = Places(atOnce)
    }

    /// - Parameter body: throws where something does not hold.
    func cell(_ body: () async throws -> Void) async throws {
        await places.enter()
        defer { places.leave() }
        do {
            try await body()
            tell(held: true)
        } catch is NotTested {
            tell(held: false)
        } catch {
            tell(held: false)
            throw error
        }
    }

    /// As a line that scripts/test shows again.
    ///
    /// - Parameter most: of several.
    static func tell(recovery cell: String, _ duration: Duration, within limit: Duration, most: Bool = false) {
        let limit = limit.components.seconds
        print("Recovery, \(cell): \(duration.inSeconds)\(most ? " at most" : "") (within \(limit) s)")
    }

    private func tell(held: Bool) {
        let now = told.withLock { told in
            told.held += held ? 1 : 0
            told.all += 1
            return told
        }
        if now.all == cells { print("Fault matrix, \(name): \(now.held) of \(cells)") }
    }

    private final class Places: Sendable {
        private struct State {
            var free: Int
            var waiting: [CheckedContinuation<Void, Never>] = []
        }
        private let state: Mutex<State>

        init(_ count: Int) { state = Mutex(State(free: count)) }

        func enter() async {
            await withCheckedContinuation { continuation in
                let isFree = state.withLock { state in
                    if state.free > 0 {
                        state.free -= 1
                        return true
                    }
                    state.waiting.append(continuation)
                    return false
                }
                if isFree { continuation.resume() }
            }
        }

        func leave() {
            let next: CheckedContinuation<Void, Never>? = state.withLock { state in
                guard !state.waiting.isEmpty else {
                    state.free += 1
                    return nil
                }
                return state.waiting.removeFirst()
            }
            next?.resume()
        }
    }
}

extension Duration {
    var inSeconds: String { String(format: "%.1f s", self / .seconds(1)) }
}

extension DaemonProcess {
    /// How many lines of the log have each text.
    func requireLines(_ texts: [String: ClosedRange<Int>]) throws {
        for (text, range) in texts {
            let lines = try logLines(text)
            try #require(range.contains(lines.count), "\(lines.count) lines with \(text): \(lines.suffix(10))")
        }
    }
}

/// A daemon with one meter that pushes five times a second, and a subscriber that misses nothing.
final class FaultHouse {
    /// A broker that keeps everything for its subscribers, also when it is stopped.
    static let persistent = [
        "persistence true", "persistence_location FOLDER/", "max_queued_messages 0", "max_inflight_messages 0",
    ]

    let daemon: DaemonProcess
    let readings: Completeness
    let subscriber: Subscriber
    /// Where the meter listens.
    let meterPort: Int
    private let meters: MetersProcess
    private let stanza: String
    private let place: (host: String, port: Int)
    private let wrapper: [String]
    private var pid: pid_t?

    /// - Parameters:
    ///   - host, port: where the daemon looks for the broker.
    ///   - subscriberPort: where the subscriber finds it.
    ///   - user: the subscriber's, with a password of the same letters.
    ///   - broker: further keys of the daemon's broker.
    ///   - network: where daemon and meter run.
    ///   - wrapper: a program that runs the daemon, with its first arguments.
    ///   - meter: the meter's id.
    init(
        in folder: URL, host: String = "127.0.0.1", port: Int, subscriberPort: Int, user: String? = nil,
        broker: String = "", network: NetworkNamespace? = nil, wrapper: [String] = [], meter: String = "main",
        interval: String = "200ms"
    ) async throws {
        let entering = network?.entering ?? []
        self.wrapper = entering + wrapper
        meters = try MetersProcess(folder: folder, ["dlms-push,tcp=0,interval=\(interval)"], wrapper: entering)
        meterPort = try #require(try await meters.ports(of: 1).first)
        subscriber = try Subscriber(
            port: subscriberPort, folder: folder, filter: "obisd/e2e/+/reading", session: "keeper-\(meter)",
            user: user, password: user)
        stanza =
            #"id: \#(meter), protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(meterPort)"}, profile: lg-e450"#
        place = (host, port)
        daemon = try DaemonProcess(folder: folder, host: host, brokerPort: port, meters: [stanza], broker: broker)
        readings = Completeness(of: daemon, at: subscriber)
    }

    /// Writes the configuration anew.
    func configure(broker: String) throws {
        try daemon.configure(host: place.host, brokerPort: place.port, meters: [stanza], broker: broker)
    }

    func startDaemon(environment: [String] = []) throws {
        try daemon.start(environment: environment, wrapper: wrapper)
        pid = daemon.pid
    }

    /// The daemon has lived through everything, and every reading of its journal is at the subscriber.
    func requireNothingLost() async throws {
        try #require(daemon.isRunning && daemon.pid == pid, "the daemon ended")
        meters.end()
        let wrapper = wrapper
        try await readings.requireEverything { try $0.start(wrapper: wrapper) }
    }

    /// Memory that is the daemon's own, in KiB.
    var resident: Int { get throws { try ProcessFigures(pid: try #require(pid)).anonymousKilobytes } }
}
