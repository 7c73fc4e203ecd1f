import Configuration
import MBus
import Metering
import OBIS
import Testing
import Wire

@Suite("Buses and the meters on them")
struct BusTests {
    private static let loader = ConfigurationLoader(
        protocols: ProtocolRegistry.all, files: FakeFiles(texts: ["key": "00112233445566778899aabbccddeeff"]),
        credentialsDirectory: nil)

    private static let bus = "buses: [{id: house, transport: {tcp: \"gateway:10001\"}}]\n"

    /// Meters on the bus, of which the stanzas follow `protocol`.
    private static func meters(_ stanzas: String...) -> String {
        bus + "meters:\n"
            + stanzas.enumerated().map { "  - {id: m\($0), protocol: mbus, \($1)}\n" }.joined()
    }

    private func load(_ text: String) throws -> Configuration {
        try Self.loader.load(text: text, file: "obisd.yaml")
    }

    // MARK: Read

    @Test("a bus has an id and a way, with the line of M-Bus where it is a port")
    func readBuses() throws {
        let text = """
            buses:
              - {id: a, transport: {tcp: "gateway:10001"}}
              - {id: b, transport: {serial: /dev/ttyUSB0}}
              - {id: c, transport: {rfc2217: "server:3001", line: 300 8E1}}
              - {id: d, transport: {udp: "gateway:10002"}}
            """
        let line = LineSettings(baud: 2400, dataBits: 8, parity: .even)
        #expect(
            try load(text).buses == [
                Bus(id: "a", endpoint: .tcp(host: "gateway", port: 10001)),
                Bus(id: "b", endpoint: .serial(path: "/dev/ttyUSB0", line: line)),
                Bus(
                    id: "c",
                    endpoint: .rfc2217(
                        host: "server", port: 3001, line: LineSettings(baud: 300, dataBits: 8, parity: .even))),
                Bus(id: "d", endpoint: .udp(host: "gateway", port: 10002)),
            ])
        #expect(try load("buses: []").buses == [] && (try load("node: a")).buses == [])
    }

    static let slaves: [(stanza: String, slave: MasterSession.Address, baud: Int?)] = [
        ("bus: house, address: 7", .primary(7), nil), ("bus: house, address: 0, baud: 9600", .primary(0), 9600),
        ("bus: house, address: 250, baud: 300", .primary(250), 300),
        (
            "bus: house, secondary: 12345678/LGZ/02/04",
            .secondary(SecondaryAddress(identification: 0x1234_5678, manufacturer: 0x30FA, version: 2, medium: 4)), nil
        ),
        ("bus: house, secondary: 12345678", .secondary(SecondaryAddress(identification: 0x1234_5678)), nil),
        ("bus: house, secondary: \"00000012\"", .secondary(SecondaryAddress(identification: 0x12)), nil),
        ("bus: house, secondary: 1234FFFF", .secondary(SecondaryAddress(identification: 0x1234_FFFF)), nil),
        ("transport: {tcp: \"other:10001\"}, address: 1", .primary(1), nil),
    ]

    @Test("a meter is asked by one of its addresses, at a speed of its own", arguments: slaves)
    func readSlave(stanza: String, slave: MasterSession.Address, baud: Int?) throws {
        let meter = try #require(try load(Self.meters("\(stanza), interval: 5m")).meters.first)
        #expect(meter.settings.slave == slave && meter.settings.maximumBaud == baud)
        let isOnBus = stanza.hasPrefix("bus")
        #expect(meter.bus == (isOnBus ? "house" : nil))
        #expect(meter.endpoint == .tcp(host: isOnBus ? "gateway" : "other", port: 10001))
        #expect(meter.settings.line == nil && meter.settings.address == nil && meter.interval == .seconds(300))
    }

    @Test("meters of a bus have its line, share its port, and have keys of their own")
    func shared() throws {
        let text = """
            buses: [{id: house, transport: {serial: /dev/ttyUSB0, line: 4800 8E1}}]
            meters:
              - {id: a, protocol: mbus, bus: house, address: 1, at: ["06:00"]}
              - {id: b, protocol: mbus, bus: house, secondary: "00000001", encryption_key_file: key}
              - {id: c, protocol: iec62056-21, bus: house, address: "0001"}
              - {id: d, protocol: mbus, bus: house, address: 1, enabled: false}
            """
        let meters = try load(text).meters
        #expect(meters.map(\.bus) == Array(repeating: "house", count: 4))
        #expect(meters.allSatisfy { $0.settings.line?.baud == 4800 && $0.endpoint == meters[0].endpoint })
        #expect(meters[1].settings.encryptionKey != nil && meters[0].times.count == 1)
    }

    @Test("the same address on two buses is no conflict, and buses may stand in included files")
    func several() throws {
        let files = FakeFiles(texts: [
            "obisd.d/a.yaml":
                "buses: [{id: a, transport: {tcp: \"a:1\"}}]\nmeters: [{id: m, protocol: mbus, bus: b, address: 1}]",
            "obisd.d/b.yaml":
                "buses: [{id: b, transport: {tcp: \"b:1\"}}]\nmeters: [{id: n, protocol: mbus, bus: a, address: 1}]",
        ])
        let loader = ConfigurationLoader(protocols: ProtocolRegistry.all, files: files, credentialsDirectory: nil)
        let configuration = try loader.load(text: "include: obisd.d/*.yaml", file: "obisd.yaml")
        #expect(configuration.buses.map(\.id) == ["a", "b"] && configuration.meters.map(\.bus) == ["b", "a"])
    }

    // MARK: Refused

    private func check(_ refusal: Refusal) {
        let found = errors(refusal.text, Self.loader)
        #expect(found.map { "\($0.line):\($0.column) \($0.key)" } == ["\(refusal.place) \(refusal.key)"])
        for part in refusal.parts { #expect(found.first?.description.contains(part) == true, "\(part) in \(found)") }
    }

    @Test(
        "what is wrong with a bus is named with its place",
        arguments: [
            Refusal("buses: house", "1:8", "buses", "must be a list"),
            Refusal("buses: [{id: a}]", "1:9", "buses[0]", "`transport` is missing", "gateway:10001"),
            Refusal("buses: [{transport: {tcp: \"g:1\"}}]", "1:9", "buses[0]", "`id` is missing", "house"),
            Refusal("buses: [{id: a b, transport: {tcp: \"g:1\"}}]", "1:14", "buses[0].id", "cannot be an id"),
            Refusal(
                "buses: [{id: a, transport: {tcp: \"g:1\"}, line: 2400 8E1}]", "1:42", "buses[0].line", "no key of"),
            Refusal(
                "buses: [{id: a, transport: {file: x.bin}}]", "1:28", "buses[0].transport", "recorded bytes are no bus",
                "tcp"),
            Refusal(
                "buses: [{id: a, transport: {listen: \"udp://:1\", from: [127.0.0.1]}}]", "1:28", "buses[0].transport",
                "does not call", "tcp"),
            Refusal(
                "buses:\n  - {id: a, transport: {tcp: \"g:1\"}}\n  - {id: a, transport: {tcp: \"g:2\"}}", "3:10",
                "buses[1].id", "another bus is called `a`", "an id of its own"),
            Refusal(
                "buses:\n  - {id: a, transport: {tcp: \"g:1\"}}\n  - {id: b, transport: {tcp: \"g:1\"}}", "3:24",
                "buses[1].transport", "has this port already", "2:24"),
            Refusal(
                bus + "meters:\n  - {id: m, protocol: sml, transport: {tcp: \"gateway:10001\"}}", "3:39",
                "meters[0].transport", "bus house", "has this port already", "1:32"),
        ])
    func refusedBus(_ refusal: Refusal) { check(refusal) }

    @Test(
        "what is wrong with a meter on it is named with its place",
        arguments: [
            Refusal(
                meters("bus: house"), "3:5", "meters[0]", "`address` is missing", "7"),
            Refusal(
                meters("bus: hause, address: 1"), "3:35", "meters[0].bus", "there is no bus `hause`", "house"),
            Refusal(
                "meters: [{id: m, protocol: mbus, bus: house, address: 1}]", "1:39", "meters[0].bus",
                "there is no bus `house`", "write `buses: [{id: house"),
            Refusal(
                meters("bus: house, transport: {tcp: \"g:1\"}, address: 1"), "3:53", "meters[0].transport",
                "has its transport already", "keep one"),
            Refusal(
                bus + "meters:\n  - {id: m, protocol: sml, bus: house}", "3:33", "meters[0].bus",
                "talks by itself", "sml", "transport"),
            Refusal(
                bus + "meters:\n  - {id: m, protocol: iec62056-21, mode: d, bus: house}", "3:50", "meters[0].bus",
                "talks by itself"),
            Refusal(meters("bus: house, address: 251"), "3:51", "meters[0].address", "250"),
            Refusal(meters("bus: house, address: seven"), "3:51", "meters[0].address", "no whole number"),
            Refusal(
                meters("bus: house, address: 1, secondary: 12345678"), "3:51", "meters[0].address",
                "`secondary` says already", "keep one"),
            Refusal(
                meters("bus: house, secondary: 1234"), "3:53", "meters[0].secondary", "12345678/LGZ/02/04"),
            Refusal(
                meters("bus: house, secondary: 12345678/LGZ/02/04/05"), "3:53", "meters[0].secondary",
                "12345678/LGZ/02/04"),
            Refusal(meters("bus: house, address: 1, baud: 2401"), "3:60", "meters[0].baud", "2400", "9600"),
            Refusal(meters("bus: house, address: 1, baud: 110"), "3:60", "meters[0].baud", "300"),
            Refusal(
                meters("bus: house, address: 1", "bus: house, address: 1"), "4:51", "meters[1].address",
                "the meter `m0` has this address already", "3:51", "enabled: false"),
            Refusal(
                meters("bus: house, secondary: 12345678", "bus: house, secondary: 12345678/FFFF"), "4:53",
                "meters[1].secondary", "has this address already"),
            Refusal(
                meter("secondary: 12345678", protocol: "sml"), "5:16", "meters[0].secondary", "no meaning for", "sml"),
            Refusal(
                meters("bus: house, address: 1, mode: c"), "3:60", "meters[0].mode", "no meaning for", "mbus"),
        ])
    func refusedMeter(_ refusal: Refusal) { check(refusal) }
}
