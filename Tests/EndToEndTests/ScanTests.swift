import Foundation
import MeterSimulator
import OBIS
import TestSupport
import Testing

/// `obisd scan` on simulated buses.
@Suite("`obisd scan`", .serialized)
struct ScanTests {
    private static let quick = ["--latency", "150", "--line", "38400 8E1", "--decimal"]

    /// A building of slaves of all kinds with numbers in a row, in a process of its own, as a busy one answers too late.
    private static func withBuilding(
        _ count: Int, _ body: (_ port: Int, _ slaves: [MBusSlave.Configuration], _ folder: URL) async throws -> Void
    ) async throws {
        try await withFolder { folder in
            let meters = try MetersProcess(folder: folder, ["mbus,slaves=\(count),tcp=0"])
            defer { meters.end() }
            let port = try #require(try await meters.ports(of: 1).first)
            try await body(port, SimulatedBus.building(count).map(\.meter.configuration), folder)
        }
    }

    private static func scan(_ port: Int, _ arguments: [String]) async throws -> Program.Outcome {
        try await Program.run(["scan"] + quick + arguments + ["127.0.0.1:\(port)"], within: .seconds(150))
    }

    /// The stanza of one meter.
    private static func stanza(_ slave: MBusSlave.Configuration, _ address: String) -> String {
        "  - {id: \(slave.kind)-\(slave.serial), protocol: mbus, bus: bus, \(address), interval: 1h}"
    }

    private static func meters(_ found: Program.Outcome) -> [String] {
        found.lines.filter { $0.contains("protocol: mbus") }
    }

    @Test("finds 40 slaves with numbers in a row, and its stanza passes the check")
    func forty() async throws {
        try await Self.withBuilding(40) { port, slaves, _ in
            let began = ContinuousClock.now
            let found = try await Self.scan(port, ["--addresses", "secondary"])
            print("scan of \(slaves.count) slaves: \(began.duration(to: .now))")
            #expect(found.exitCode == 0 && found.error == "")
            let expected = slaves.map { slave in
                // A fixed structure has only its number.
                Self.stanza(slave, "secondary: \"\(slave.serial)\(slave.structure == .fixed ? "" : "/OBI/01")\"")
            }
            #expect(Self.meters(found).sorted() == expected.sorted())
            try await Self.check(found)
        }
    }

    @Test("finds slaves by both addresses once, and prints a line of JSON for each")
    func both() async throws {
        try await Self.withBuilding(7) { port, slaves, _ in
            let found = try await Self.scan(port, ["--last", "8", "--format", "json"])
            let lines = found.lines.compactMap { ExactJSON($0) }
            #expect(found.exitCode == 0 && lines.count == 7)
            let expected = slaves.map { slave in
                ExactJSON(
                    """
                    {"primary":\(slave.address),"secondary":"\(slave.serial)/OBI/01","id":"\(slave.serial)",\
                    "medium":"\(slave.kind)"}
                    """)
            }
            #expect(lines == expected.compactMap { $0 })
        }
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
        let slaves = [(MBusSlave.Kind.electricity, 0), (.heat, 0), (.water, 2)].map { kind, address in
            SimulatedBus.Slave(
                MBusSlave(configuration: .init(kind: kind, address: UInt8(address), serial: "4444444\(address)")))
        }
        let house = try await BusHouse(slaves, seed: 1)
        let found = try await Self.scan(
            house.port, ["--addresses", "primary", "--last", "3", "--latency", "2000"])
        #expect(found.exitCode == 0 && Self.meters(found).count == 1)
        #expect(found.error.contains("several meters answer at address 0"))
        await house.close()
    }

    @Test("goes on where it was interrupted", arguments: [SIGINT, SIGKILL])
    func resumed(signal: Int32) async throws {
        try await Self.withBuilding(7) { port, slaves, folder in
            let state = folder.appendingPathComponent("state.json")
            let arguments = ["--addresses", "primary", "--last", "12", "--state", state.path]
            func asked() -> Int {
                let text = (try? Data(contentsOf: state)).map { String(decoding: $0, as: UTF8.self) }
                return text.flatMap { ExactJSON($0) }?["asked"]?.int ?? 0
            }
            let process = try ChildProcess(
                Program.path, ["scan"] + Self.quick + arguments + ["127.0.0.1:\(port)"])
            try await waitFor("four probes") { asked() >= 4 }
            process.end(signal)
            #expect(process.exitCode == 128 + signal)
            let before = asked()
            let rest = try await Self.scan(port, arguments)
            #expect(rest.exitCode == 0 && before < 13 && asked() == 13)
            #expect(rest.error.contains("going on with the search") && rest.error.contains("found so far"))
            #expect(Self.meters(rest) == slaves.map { Self.stanza($0, "address: \($0.address)") })
            try await Self.check(rest)

            // A search that is at its end asks no more.
            let again = try await Self.scan(port, arguments)
            #expect(again.output == rest.output && asked() == 13)

            try Data("nonsense".utf8).write(to: state)
            #expect(try await Self.scan(port, arguments).exitCode == 65)
        }
    }

    @Test("says with its exit code that nobody is there, that there is no port, and that it was asked wrongly")
    func exitCodes() async throws {
        let mute = try await BusHouse([.init(MBusSlave(faults: .init(isMute: true)))], seed: 1)
        let empty = try await Self.scan(mute.port, ["--last", "3"])
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
