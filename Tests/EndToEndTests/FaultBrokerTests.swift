import Foundation
import TestSupport
import Testing

/// Brokers that are away, silent, slow or unwilling: the daemon stays, says so, loses nothing, and goes on by itself.
@Suite("Fault matrix: the broker", .timeLimit(.minutes(5)))
struct FaultBrokerTests {
    private static let matrix = FaultMatrix("broker", cells: 10, atOnce: 10)
    /// A broker that cannot be reached is tried again every 5 s, and 1 s after it was there.
    private static let reconnected = Duration.seconds(60)
    /// One that refuses is tried again after up to 60 s, and a refused reading after 30 s.
    private static let allowed = Duration.seconds(90)

    @Test("stopped: it cannot be reached, and everything waits for it")
    func stopped() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                let broker = try await MosquittoBroker(FaultHouse.persistent)
                let house = try await FaultHouse(in: folder, port: broker.port, subscriberPort: broker.port)
                try house.startDaemon()
                try await house.readings.waitForMore(5)
                broker.terminate()
                try await house.daemon.waitForLog("Connection refused")
                try await house.readings.waitForAccepted(50)
                try await broker.start()
                try await house.readings.recovery(of: "broker stopped", within: Self.reconnected)
                try await house.requireNothingLost()
                try house.daemon.requireLines(["cannot be reached": 1...2, "WARNING": 1...6])
            }
        }
    }

    @Test("restarted, three times in a row")
    func restarted() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                let broker = try await MosquittoBroker(FaultHouse.persistent)
                let house = try await FaultHouse(in: folder, port: broker.port, subscriberPort: broker.port)
                try house.startDaemon()
                for round in 1...3 {
                    try await house.readings.waitForMore(5)
                    broker.terminate()
                    try await broker.start()
                    try await house.readings.recovery(of: "broker restarted, \(round)", within: Self.reconnected)
                }
                try await house.requireNothingLost()
                try house.daemon.requireLines(["WARNING": 1...6])
            }
        }
    }

    @Test("absent when the daemon starts")
    func absent() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                let broker = try await MosquittoBroker(FaultHouse.persistent)
                let house = try await FaultHouse(in: folder, port: broker.port, subscriberPort: broker.port)
                // The broker knows its subscriber, and is away.
                try await Self.waitForSession(house.subscriber, broker)
                broker.terminate()
                try house.startDaemon()
                try await house.daemon.waitForLog("Connection refused")
                try await house.readings.waitForAccepted(20)
                try await broker.start()
                try await house.readings.recovery(of: "broker absent at the start", within: Self.reconnected)
                try await house.requireNothingLost()
                try house.daemon.requireLines(["cannot be reached": 1...2])
            }
        }
    }

    @Test("frozen, for a moment and beyond the keep-alive")
    func frozen() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                let broker = try await MosquittoBroker(FaultHouse.persistent)
                let house = try await FaultHouse(
                    in: folder, port: broker.port, subscriberPort: broker.port, broker: "keepalive: 5s")
                try house.startDaemon()
                try await house.readings.waitForMore(5)
                broker.pause()
                try await house.readings.waitForAccepted(10)
                broker.resume()
                try await house.readings.recovery(of: "broker frozen for a moment", within: Self.reconnected)
                try house.daemon.requireLines(["WARNING": 0...1])

                broker.pause()
                try await house.daemon.waitForLog("fell silent")
                // A frozen broker's system still takes connections.
                try await house.daemon.waitForLog("did not answer within 15 s")
                broker.resume()
                try await house.readings.recovery(of: "broker frozen beyond the keep-alive", within: .seconds(90))
                try await house.requireNothingLost()
                try house.daemon.requireLines(["fell silent": 1...1, "did not answer": 1...2, "WARNING": 2...6])
            }
        }
    }

    @Test("unreachable: the cable is out, and packets vanish")
    func unreachable() async throws {
        try await Self.matrix.cell {
            try await Self.withNetwork(for: "an unreachable broker") { folder, network, broker, port in
                let house = try await FaultHouse(
                    in: folder, host: network.outside, port: port, subscriberPort: broker.port,
                    broker: "keepalive: 5s", network: network)
                try house.startDaemon()
                try await house.readings.waitForMore(5)
                try network.setCable(plugged: false)
                try await house.daemon.waitForLog("fell silent")
                try await house.daemon.waitForLog("cannot be reached")
                try network.setCable(plugged: true)
                try await house.readings.recovery(of: "broker's cable out", within: .seconds(90))

                let known = try house.daemon.logLines("did not answer within 15 s").count
                try network.setReachable(false)
                try await house.daemon.waitForLog("did not answer within 15 s")
                try network.setReachable(true)
                try await house.readings.recovery(of: "packets to the broker vanish", within: .seconds(90))
                try await house.requireNothingLost()
                try house.daemon.requireLines(["fell silent": 1...2, "did not answer": (known + 1)...(known + 2)])
            }
        }
    }

    @Test("slow: readings come faster than the link takes them")
    func slow() async throws {
        try await Self.matrix.cell {
            try await Self.withNetwork(for: "a slow link to the broker") { folder, network, broker, port in
                let house = try await FaultHouse(
                    in: folder, host: network.outside, port: port, subscriberPort: broker.port, network: network,
                    interval: "50ms")
                try house.startDaemon()
                try await house.readings.waitForMore(20)
                let before = try house.resident
                try network.limit(bitsPerSecond: 64_000)
                try await house.readings.waitForAccepted(200)
                let waiting = try await house.daemon.status()?["journal"]?["backlog"]?.int ?? 0
                try #require(waiting >= 50, "the link is slow")
                // It goes on at the link's pace.
                try await house.readings.waitForMore(10)
                try #require(try house.resident - before <= 8 << 10)
                try network.limit(bitsPerSecond: nil)
                try await house.readings.recovery(of: "slow link to the broker", within: .seconds(90))
                try house.daemon.requireLines(["WARNING": 0...1])
                try await house.requireNothingLost()
            }
        }
    }

    @Test("refusing by its access list: it is asked again, and told once")
    func accessList() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                let denied = "topic deny obisd/e2e/main/reading\n"
                let allowed = "topic readwrite #\n"
                let broker = try await MosquittoBroker(
                    FaultHouse.persistent + ["acl_file FOLDER/acl"], files: ["acl": allowed])
                let house = try await FaultHouse(in: folder, port: broker.port, subscriberPort: broker.port)
                try house.startDaemon()
                try await house.readings.waitForMore(5)
                try broker.write("pattern read #\n" + denied + allowed, to: "acl")
                broker.reload()
                try await house.daemon.waitForLog("The broker refused the message")
                try await house.readings.waitForAccepted(20)
                try broker.write(allowed, to: "acl")
                broker.reload()
                try await house.readings.recovery(of: "access list", within: Self.allowed)
                try await house.requireNothingLost()
                try house.daemon.requireLines(["The broker refused the message": 1...4])
            }
        }
    }

    @Test("refusing a password, which stands in no log line")
    func wrongPassword() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                func passwords(_ password: String) throws -> String {
                    let file = folder.appendingPathComponent("passwords-\(UUID().uuidString)").path
                    for words in [["-c", "-b", file, "obisd", password], ["-b", file, "reader", "reader"]] {
                        try #require(try ChildProcess.run("mosquitto_passwd", words) == 0)
                    }
                    return try String(contentsOfFile: file, encoding: .utf8)
                }
                let broker = try await MosquittoBroker(
                    FaultHouse.persistent + ["password_file FOLDER/passwords"],
                    files: ["passwords": try passwords("another")], allowsAnonymous: false)
                let house = try await FaultHouse(
                    in: folder, port: broker.port, subscriberPort: broker.port, user: "reader",
                    broker: "username: obisd, password_file: secret")
                try await Self.waitForSession(house.subscriber, broker)
                try house.daemon.write("correct-horse\n", to: "secret")
                try house.startDaemon()
                try await house.daemon.waitForLog("Check the password")
                // Several attempts: they come at 1, 2 and 4 s.
                try await house.readings.waitForAccepted(30)
                try broker.write(try passwords("correct-horse"), to: "passwords")
                broker.reload()
                try await house.readings.recovery(of: "wrong password", within: Self.allowed)
                try await house.requireNothingLost()
                try house.daemon.requireLines(["password": 1...3, "correct-horse": 0...0])
            }
        }
    }

    @Test("without an address when the daemon starts: the name comes later, and a resolver that hangs stops nothing")
    func nameService() async throws {
        try await Self.matrix.cell {
            try await Self.withNetwork(for: "a name service that fails") { folder, network, broker, port in
                try network.write("127.0.0.1 localhost\n", to: "hosts")
                // Nobody listens there.
                try network.write("nameserver 127.0.0.1\n", to: "resolv.conf")
                let house = try await FaultHouse(
                    in: folder, host: "broker.home.arpa", port: port, subscriberPort: broker.port, network: network)
                try await Self.waitForSession(house.subscriber, broker)
                try house.startDaemon()
                try await house.daemon.waitForLog("has no address")
                try await house.readings.waitForAccepted(20)
                try network.write("127.0.0.1 localhost\n\(network.outside) broker.home.arpa\n", to: "hosts")
                try await house.readings.recovery(of: "name service", within: Self.reconnected)
                try await house.requireNothingLost()
                try house.daemon.requireLines(["has no address": 1...2])

                // Packets to this one vanish.
                try network.write("127.0.0.1 localhost\n", to: "hosts")
                try network.write("nameserver \(network.outside)\n", to: "resolv.conf")
                try network.setReachable(false)
                let known = try house.daemon.logLines("The line is not open").count
                try house.startDaemon()
                try await waitFor("a look for the meter") {
                    try house.daemon.logLines("The line is not open").count > known
                }
                let code = try await house.daemon.terminate()
                try #require(code == 0, "it ends while the resolver hangs")
            }
        }
    }

    @Test("two daemons with one client id: each says so, seldom, and loses nothing")
    func twins() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                let broker = try await MosquittoBroker(FaultHouse.persistent)
                let relay = try Relay(to: broker.port)
                defer { relay.cut() }
                var houses: [FaultHouse] = []
                for name in ["first", "second"] {
                    let place = folder.appendingPathComponent(name)
                    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
                    houses.append(
                        try await FaultHouse(
                            in: place, port: relay.port, subscriberPort: broker.port, broker: "client_id: twin",
                            meter: name))
                }
                try houses[0].startDaemon()
                try await houses[0].readings.waitForMore(5, of: ["first"])
                let began = ContinuousClock.now
                try houses[1].startDaemon()
                try await houses[0].daemon.waitForLog("another client may use the name \"twin\"")
                try await houses[1].readings.waitForMore(5, of: ["second"])
                // Each comes back after half a second at the earliest, and later when it was sent away before.
                let seconds = Int((ContinuousClock.now - began) / .seconds(1)) + 1
                try #require(relay.connections <= 6 + seconds, "\(relay.connections) in \(seconds) s")

                try #require(try await houses[1].daemon.terminate() == 0)
                try houses[1].configure(broker: "client_id: sister")
                try houses[1].startDaemon()
                for (house, name) in zip(houses, ["first", "second"]) {
                    try await house.readings.recovery(
                        of: "two daemons with one client id, the \(name)", within: Self.reconnected, meters: [name])
                }
                for house in houses {
                    try await house.requireNothingLost()
                    try house.daemon.requireLines(["WARNING": 1...12])
                }
            }
        }
    }

    // MARK: Support

    /// A broker that is reached from a network of its own, at a port of `outside`.
    private static func withNetwork(
        for purpose: String,
        _ body: (URL, NetworkNamespace, _ broker: MosquittoBroker, _ port: Int) async throws -> Void
    ) async throws {
        guard let network = try NetworkNamespace(for: purpose) else { throw FaultMatrix.NotTested() }
        try await withFolder { folder in
            let port = try FreePort.tcp()
            let broker = try await MosquittoBroker(
                FaultHouse.persistent + ["listener \(port) \(network.outside)"])
            try await body(folder, network, broker, port)
        }
    }

    /// Until the broker keeps for the subscriber what comes: it says each subscription in its log.
    private static func waitForSession(_ subscriber: Subscriber, _ broker: MosquittoBroker) async throws {
        let log = broker.folder.appendingPathComponent("mosquitto.log")
        try await waitFor("the subscriber's session") {
            let said = try String(contentsOf: log, encoding: .utf8)
            return said.contains("keeper-main")
        }
    }
}
