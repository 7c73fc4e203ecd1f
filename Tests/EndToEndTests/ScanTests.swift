import Foundation
import MeterSimulator
import OBIS
import TestSupport
import Testing

/// `obisd scan` on simulated buses.
@Suite("`obisd scan`", .serialized)
struct ScanTests {
    private static let quick = ["--latency", "150", "--line", "38400 8E1", "--decimal"]

    /// Slaves of all kinds with numbers in a row, or with far fewer probes with a first digit each.
    private static func slaves(_ count: Int, step: Int = 1) -> [SimulatedBus.Slave] {
        (0..<count).map { index in
            let configuration = MBusSlave.Configuration(
                kind: MBusSlave.Kind.allCases[index % 4], structure: index == 5 ? .fixed : .variable,
                address: UInt8(index + 1), serial: "\(20_250_101 + index * step)", telegrams: index == 6 ? 3 : 1)
            return SimulatedBus.Slave(MBusSlave(configuration: configuration))
        }
    }

    private static func scan(_ house: BusHouse, _ arguments: [String]) async throws -> Program.Outcome {
        try await Program.run(["scan"] + quick + arguments + ["127.0.0.1:\(house.port)"])
    }

    private static func meters(_ found: Program.Outcome) -> [String] {
        found.lines.filter { $0.contains("protocol: mbus") }
    }

    @Test("finds 40 slaves with numbers in a row, and its stanza passes the check", .timeLimit(.minutes(2)))
    func forty() async throws {
        let slaves = Self.slaves(40)
        let house = try await BusHouse(slaves, seed: 1)
        let began = ContinuousClock.now
        let found = try await Self.scan(house, ["--addresses", "secondary"])
        print("scan of \(slaves.count) slaves: \(house.messages.count) messages, \(began.duration(to: .now))")
        #expect(found.exitCode == 0 && found.error == "")
        let expected = slaves.map { slave in
            let configuration = slave.meter.configuration
            // A fixed structure has only its number.
            let rest = configuration.structure == .fixed ? "" : "/OBI/01"
            return "  - {id: \(configuration.kind)-\(configuration.serial), protocol: mbus, bus: bus, "
                + "secondary: \"\(configuration.serial)\(rest)\", interval: 1h}"
        }
        #expect(Self.meters(found).sorted() == expected.sorted())
        try await Self.check(found)
        await house.close()
    }

    @Test("finds slaves by both addresses once, and prints the primary one where it is theirs alone")
    func both() async throws {
        let slaves = Self.slaves(7, step: 10_000_000)
        let house = try await BusHouse(slaves, seed: 1)
        let found = try await Self.scan(house, ["--last", "9"])
        #expect(found.exitCode == 0 && found.error == "")
        let expected = slaves.map { slave in
            let configuration = slave.meter.configuration
            return "  - {id: \(configuration.kind)-\(configuration.serial), protocol: mbus, bus: bus, "
                + "address: \(configuration.address), interval: 1h}"
        }
        #expect(Self.meters(found) == expected)
        try await Self.check(found)

        let json = try await Self.scan(house, ["--last", "9", "--format", "json"])
        let lines = json.lines.compactMap { ExactJSON($0) }
        #expect(json.exitCode == 0 && lines.map { $0["primary"]?.int } == Array(1...7))
        #expect(lines.map { $0["id"]?.string } == slaves.map(\.meter.configuration.serial))
        #expect(
            lines.last
                == ExactJSON(
                    #"{"primary":7,"secondary":"80250101/OBI/01","id":"80250101","medium":"water"}"#))
        await house.close()
    }

    private static func check(_ found: Program.Outcome) async throws {
        try await withFolder { folder in
            let file = folder.appendingPathComponent("obisd.yaml")
            let text = "broker: {host: localhost}\njournal: {path: \(folder.path)/j.db}\n" + found.output
            try Data(text.utf8).write(to: file)
            let check = try await Program.run(["check", "--config", file.path])
            #expect(check.exitCode == 0, "\(check.output)\(check.error)")
        }
    }

    @Test("tells of slaves that share an address")
    func unresolved() async throws {
        let twins = [MBusSlave.Kind.electricity, .heat].map { kind in
            SimulatedBus.Slave(MBusSlave(configuration: .init(kind: kind, address: 0, serial: "44444444")))
        }
        let house = try await BusHouse(twins + Self.slaves(2), seed: 1)
        let found = try await Self.scan(house, ["--addresses", "primary", "--last", "3"])
        #expect(found.exitCode == 0 && Self.meters(found).count == 2)
        #expect(found.error.contains("several meters answer at address 0"))
        await house.close()
    }

    @Test("goes on where it was interrupted", arguments: [SIGINT, SIGKILL])
    func resumed(signal: Int32) async throws {
        let house = try await BusHouse(Self.slaves(7, step: 10_000_000), seed: 1)
        let whole = try await Self.scan(house, ["--addresses", "secondary"])
        try await withFolder { folder in
            let state = folder.appendingPathComponent("state.json")
            let arguments = ["--addresses", "secondary", "--state", state.path]
            let process = try ChildProcess(
                Program.path, ["scan"] + Self.quick + arguments + ["127.0.0.1:\(house.port)"])
            func asked() -> Int {
                (try? Data(contentsOf: state)).flatMap { ExactJSON(String(decoding: $0, as: UTF8.self)) }?["asked"]?.int
                    ?? 0
            }
            try await waitFor("four probes") { asked() >= 4 }
            process.end(signal)
            #expect(process.exitCode == 128 + signal)
            let before = asked()
            let rest = try await Self.scan(house, arguments)
            #expect(rest.output == whole.output && rest.exitCode == 0)
            #expect(rest.error.contains("going on with the search") && rest.error.contains("found so far"))
            #expect(before < asked())

            // A search that is at its end says the same once more, without a question.
            let messages = house.messages.count
            #expect(try await Self.scan(house, arguments).output == whole.output && house.messages.count == messages)

            try Data("nonsense".utf8).write(to: state)
            #expect(try await Self.scan(house, arguments).exitCode == 65)
        }
        await house.close()
    }

    @Test("says with its exit code that nobody is there, that there is no port, and that it was asked wrongly")
    func exitCodes() async throws {
        let mute = try await BusHouse([.init(MBusSlave(faults: .init(isMute: true)))], seed: 1)
        let empty = try await Self.scan(mute, ["--last", "3"])
        #expect(empty.exitCode == 69 && empty.output.contains("meters: []"))
        await mute.close()
        let closed = try await Program.run(["scan", "127.0.0.1:\(FreePort.tcp())"])
        #expect(closed.exitCode == 74 && !closed.error.isEmpty && closed.output == "")
        let missing = try await Program.run(["scan", "/dev/no-such-port"])
        #expect(missing.exitCode == 74 && missing.error.contains("/dev/no-such-port"))
        for arguments in [
            ["gateway"], [], ["gateway:0"], ["gateway:70000"], ["rfc2217://"], ["--first", "9", "--last", "3", "g:1"],
            ["--last", "251", "g:1"], ["--latency", "0", "g:1"], ["--retries", "10", "g:1"], ["--line", "fast", "g:1"],
            ["--addresses", "tertiary", "g:1"],
        ] {
            #expect(try await Program.run(["scan"] + arguments).exitCode == 64, "\(arguments)")
        }
    }
}
