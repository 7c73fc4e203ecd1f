import Foundation
import MBus
import MeterSimulator
import OBIS
import Synchronization
import TestSupport
import Testing
import Wire

/// Meters that take turns on one connection, with the real program and a real broker.
@Suite("A bus of meters")
struct BusTests {
    // MARK: How long it takes

    /// The times of EN 13757-2 at a speed, with what the daemon allows a network by default.
    private struct Times {
        let bit: Double
        var latency = 0.4
        var reaction = 0.01

        init(baud: Int) { bit = 1 / Double(baud) }

        var firstByte: Double { 330 * bit + 0.05 + latency }
        /// An acknowledgement is known to be alone when the line has been silent for so long.
        var acknowledged: Double { 33 * bit + reaction + 33 * bit + latency / 2 }
        var answered: Double { 33 * bit + reaction }
        var unanswered: Double { 33 * bit + firstByte }

        /// One poll, in seconds.
        func poll(_ meter: Meter) -> Double {
            guard !meter.isDead else { return Double(meter.isSecondary ? 3 : 4) * unanswered }
            return (meter.isSecondary ? 2 : 1) * acknowledged + Double(meter.telegrams) * answered
        }
    }

    private struct Meter {
        let id: String
        let slave: MBusSlave
        let isSecondary: Bool
        var isDead: Bool { slave.faults.isMute }
        var telegrams: Int { slave.configuration.telegrams }
        var reset: [UInt8] { ShortFrame.reset(slave.configuration.address).encoded() }

        /// - Parameter dead: numbers of those that say nothing.
        init(_ index: Int, _ slave: MBusSlave, dead: Set<Int>) {
            var slave = slave
            slave.faults.isMute = dead.contains(index)
            self.slave = slave
            id = "m\(index)"
            isSecondary = index % 3 == 0
        }

        func stanza(_ rest: String) -> String {
            let address =
                isSecondary
                ? "secondary: \(slave.configuration.secondaryAddress)" : "address: \(slave.configuration.address)"
            return "id: \(id), protocol: mbus, bus: house, \(address), \(rest)"
        }
    }

    private static func building(_ count: Int, dead: Set<Int>) -> [Meter] {
        SimulatedBus.building(count).enumerated().map { Meter($0, $1.meter, dead: dead) }
    }

    // MARK: Sixty meters

    private static let seed: UInt64 = 7

    @Test("of sixty meters with three dead ones every live one is read, with right values and no hole")
    func sixty() async throws {
        let meters = Self.building(60, dead: [5, 24, 47])
        let times = Times(baud: 38400)
        let round = meters.map(times.poll).reduce(0, +)
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let house = try await BusHouse(meters.map { .init($0.slave) }, seed: Self.seed)
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: meters.map { $0.stanza("baud: 38400, interval: 10s") },
                buses: ["id: house, transport: {tcp: \"127.0.0.1:\(house.port)\"}"])
            let began = ContinuousClock.now
            try daemon.start()
            let live = meters.filter { !$0.isDead }
            try await subscriber.wait(for: "two readings of each", within: .seconds(4 * 2 * round)) { subscriber in
                live.allSatisfy { subscriber.newest($0.id) >= 2 }
            }
            print("bus of \(meters.count) meters: two rounds need \(2 * round) s, took \(began.duration(to: .now))")
            for meter in live { try expectGood(meter, subscriber) }
            for meter in meters where meter.isDead {
                #expect(subscriber.newest(meter.id) == 0)
                #expect(subscriber.last("obisd/e2e/\(meter.id)/availability")?.payload == "offline")
            }
            #expect(try await daemon.terminate() == 0)
            await house.close()
        }
    }

    private func expectGood(_ meter: Meter, _ subscriber: Subscriber) throws {
        let start = Household(seed: Self.seed)
        /// What the simulated house has used since, at 30 kW for ten minutes at the most.
        func grew(_ value: FixedDecimal?, from first: Int, _ exponent: Int8, by most: Int = 5000) -> Bool {
            guard let value else { return false }
            return FixedDecimal(Int64(first), exponent: exponent) <= value
                && value <= FixedDecimal(Int64(first + most), exponent: exponent)
        }
        #expect(subscriber.sequenceProblems(meter.id) == [])
        #expect(subscriber.last("obisd/e2e/\(meter.id)/availability")?.payload == "online", "\(meter.id)")
        for reading in subscriber.readings(meter.id) {
            let json = reading.json
            let configuration = meter.slave.configuration
            #expect(json["quality"]?.string == "good", "\(meter.id): \(json["issues"] ?? .null)")
            #expect(json["device"]?["id"]?.string?.hasSuffix(configuration.serial) == true, "\(meter.id)")
            func named(_ group: String, _ name: String) -> FixedDecimal? {
                json[group]?[name]?.digits.flatMap { FixedDecimal($0) }
            }
            let litres = start.imported / 10
            switch (configuration.kind, configuration.structure) {
            case (.electricity, .variable):
                #expect(grew(named("energies", "active_import"), from: start.imported, -3), "\(meter.id)")
                #expect(named("voltages", "l3").map { $0 > 200 && $0 < 250 } == true, "\(meter.id)")
            case (.gas, _), (.water, _): #expect(grew(named("volumes", "volume"), from: litres, -3), "\(meter.id)")
            case (.heat, .variable):
                #expect(grew(named("volumes", "volume"), from: litres, -3), "\(meter.id)")
                #expect(grew(named("heat", "energy"), from: start.imported / 1000, 0), "\(meter.id)")
            case (.electricity, .fixed), (.heat, .fixed):
                #expect(json["registers"]?.keys.count == 2, "\(meter.id)")
            }
        }
    }

    // MARK: Dead ones

    @Test("a meter that is dead is asked less and less often, and comes back when it answers")
    func backedOff() async throws {
        let meters = Self.building(4, dead: [1])
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let house = try await BusHouse(meters.map { .init($0.slave) }, seed: 1)
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: meters.map { $0.stanza("baud: 38400, interval: 1s") },
                buses: ["id: house, transport: {tcp: \"127.0.0.1:\(house.port)\"}"])
            try daemon.start()
            try await subscriber.wait(for: "fifteen readings of each live one") { subscriber in
                meters.allSatisfy { $0.isDead || subscriber.newest($0.id) >= 15 }
            }
            let dead = try #require(meters.first { $0.isDead })
            // Three times at its interval, then after 2, 4, 8 … s.
            let polls = house.count(dead.reset)
            #expect((3...8).contains(polls))
            print("dead meter: \(polls) polls while the live ones had 15 readings")
            #expect(subscriber.last("obisd/e2e/\(dead.id)/availability")?.payload == "offline")

            // The gateway restarts, and all of its meters work.
            await house.restart(with: Self.building(4, dead: []).map { .init($0.slave) })
            let known = meters.map { subscriber.newest($0.id) }
            try await subscriber.wait(for: "more readings of each") { subscriber in
                zip(meters, known).allSatisfy { subscriber.newest($0.id) > $1 }
            }
            try await subscriber.wait(for: "the meter being online") {
                $0.last("obisd/e2e/\(dead.id)/availability")?.payload == "online"
            }
            for meter in meters { #expect(subscriber.sequenceProblems(meter.id) == []) }
            #expect(try await daemon.terminate() == 0)
            await house.close()
        }
    }

    // MARK: Two speeds

    private final class Server: Sendable {
        let server = Mutex<RFC2217Server?>(nil)

        /// The bus has the speed that the master gives it.
        func follow(_ line: LineSettings) {
            guard let server = server.withLock({ $0 }) else { return }
            Task { await server.setLine(line) }
        }
    }

    @Test("slaves of two speeds share one bus behind a server that takes line settings")
    func twoSpeeds() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let follower = Server()
            let server = try await RFC2217Server(line: LineSettings(baud: 2400, dataBits: 8, parity: .even)) { line in
                follower.follow(line)
            }
            follower.server.withLock { $0 = server }
            let slaves: [SimulatedBus.Slave] = [
                .init(MBusSlave(configuration: .init(kind: .water, address: 1, serial: "11111111")), baud: 2400),
                .init(MBusSlave(configuration: .init(kind: .heat, address: 1, serial: "22222222")), baud: 9600),
                .init(MBusSlave(configuration: .init(kind: .gas, address: 2, serial: "33333333")), baud: 2400),
            ]
            let serving = Task {
                await SimulatedBus(slaves: slaves, seed: 3).run(over: server) { server.readerLine.baud }
            }
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    "id: slow, protocol: mbus, bus: house, address: 1, interval: 1s",
                    "id: fast, protocol: mbus, bus: house, secondary: 22222222, baud: 9600, interval: 1s",
                    "id: other, protocol: mbus, bus: house, address: 2, interval: 1s",
                ],
                buses: ["id: house, transport: {rfc2217: \"127.0.0.1:\(server.port)\", line: 2400 8E1}"])
            try daemon.start()
            let expected = [("slow", "11111111", "water"), ("fast", "22222222", "heat"), ("other", "33333333", "gas")]
            try await subscriber.wait(for: "three readings of each") { subscriber in
                expected.allSatisfy { subscriber.newest($0.0) >= 3 }
            }
            for (id, serial, _) in expected {
                #expect(subscriber.sequenceProblems(id) == [])
                for reading in subscriber.readings(id) {
                    #expect(reading.json["device"]?["id"]?.string?.hasSuffix(serial) == true, "\(id)")
                    #expect(reading.json["quality"]?.string == "good", "\(id)")
                }
            }
            #expect(try await daemon.terminate() == 0)
            serving.cancel()
            await server.close()
        }
    }
}
