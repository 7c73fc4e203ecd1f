import Configuration
import Foundation
import Testing

/// A text, and where and how it is refused.
struct Refusal: Sendable, CustomTestStringConvertible {
    let text: String
    let place: String
    let key: String
    let parts: [String]

    /// - Parameters:
    ///   - place: `line:column`
    ///   - parts: what message and remedy say, among other things.
    init(_ text: String, _ place: String, _ key: String, _ parts: String...) {
        self.text = text
        self.place = place
        self.key = key
        self.parts = parts
    }

    var testDescription: String { text }

    /// The text is refused once, as said.
    func check(_ loader: ConfigurationLoader) {
        let found = errors(text, loader)
        #expect(found.count == 1, "\(found)")
        guard let first = found.first else { return }
        #expect("\(first.line):\(first.column)" == place, "\(first)")
        #expect(first.key == key)
        for part in parts { #expect(first.description.contains(part), "\(first)") }
    }
}

@Suite("What is wrong is named with its place, its key and a remedy")
struct DiagnosticTests {
    @Test(
        "in the document",
        arguments: [
            Refusal("meters: [", "1:10", "", "no valid YAML", "indentation"),
            Refusal("node: \"a\nbroker: {}", "2:11", "", "quoted scalar"),
            Refusal("a: b: c", "1:5", "", "mapping values are not allowed"),
            Refusal("node: a\n\tbroker: {}", "2:1", "", "tab character"),
            Refusal("node: a\nbroker: {}\nnode: b", "1:1", "", "`node`", "twice", "keep one"),
            Refusal("broker:\n  host: a\n  host: b", "2:3", "", "`host`", "twice"),
            Refusal("node: *nothing", "1:7", "", "undefined alias"),
            Refusal("node: a\n---\nnode: b", "2:1", "", "another document"),
            Refusal("broker: {password: !secret mqtt}", "1:20", "", "the tag `!secret`", "_file"),
            Refusal("? [a, b]\n: c", "1:3", "", "a key must be a plain word"),
            Refusal("<<: 1", "1:5", "", "must name a mapping"),
            Refusal("- a", "1:1", "", "must be a mapping"),
            Refusal("node: \u{7}", "1:7", "", "no valid YAML"),
        ])
    func document(_ refusal: Refusal) { check(refusal) }

    @Test(
        "in keys and kinds of values",
        arguments: [
            Refusal("brokr: {}", "1:1", "brokr", "`brokr` is no key of the configuration", "did you mean broker?"),
            Refusal("zzz: {}", "1:1", "zzz", "the keys are: node, broker, home_assistant"),
            Refusal("broker:\n  Host: a", "2:3", "broker.Host", "no key of broker", "did you mean host?"),
            Refusal("broker: {base-topic: a}", "1:10", "broker.base-topic", "did you mean base_topic?"),
            Refusal("broker: {tls: {ca: x}}", "1:16", "broker.tls.ca", "no key of tls", "ca_file"),
            Refusal("journal: {sync: {evry: 1s}}", "1:18", "journal.sync.evry", "did you mean every?"),
            Refusal(meter("limits: {fuze: 25 A}"), "5:14", "meters[0].limits.fuze", "did you mean fuse?"),
            Refusal(meter("timezone: UTC"), "5:5", "meters[0].timezone", "did you mean time_zone?"),
            Refusal("broker: here", "1:9", "broker", "must be a mapping"),
            Refusal("meters: here", "1:9", "meters", "must be a list"),
            Refusal("meters: {id: main}", "1:9", "meters", "must be a list", "dash"),
            Refusal("meters:\n  - main", "2:5", "meters[0]", "must be a mapping"),
            Refusal("node:", "1:6", "node", "has no value"),
            Refusal("node: [a]", "1:7", "node", "one value, not a list"),
            Refusal("node: {a: b}", "1:7", "node", "one value, not a mapping"),
            Refusal(
                "meters: [{protocol: dlms-push, transport: {tcp: \"h:1\"}}]", "1:10", "meters[0]", "`id` is missing",
                "`id: main`"),
            Refusal("meters: [{id: a, transport: {tcp: \"h:1\"}}]", "1:10", "meters[0]", "`protocol` is missing"),
            Refusal("meters: [{id: a, protocol: dlms-push}]", "1:10", "meters[0]", "`transport` is missing"),
        ])
    func keys(_ refusal: Refusal) { check(refusal) }

    @Test(
        "in single values",
        arguments: [
            Refusal("node: two words", "1:7", "node", "`two words` cannot be an id", "A-Z a-z 0-9 _ -"),
            Refusal("node: \"\"", "1:7", "node", "cannot be an id"),
            Refusal("node: \(String(repeating: "a", count: 65))", "1:7", "node", "1 to 64"),
            Refusal("node: zürich", "1:7", "node", "cannot be an id"),
            Refusal("broker: {host: \"mqtt://broker\"}", "1:16", "broker.host", "not a URL", "tls: {}"),
            Refusal("broker: {host: \"broker:1883\"}", "1:16", "broker.host", "without a port", "`port:`"),
            Refusal("broker: {host: \"a b\"}", "1:16", "broker.host", "no host name"),
            Refusal("broker: {port: many}", "1:16", "broker.port", "`many` is no whole number"),
            Refusal("broker: {port: 65536}", "1:16", "broker.port", "no port", "1 to 65535"),
            Refusal("broker: {keepalive: 60}", "1:21", "broker.keepalive", "`60` is no duration", "ms s m h d"),
            Refusal("broker: {keepalive: 1s}", "1:21", "broker.keepalive", "out of range", "5s to"),
            Refusal("broker: {protocol: 4}", "1:20", "broker.protocol", "no MQTT version", "5, 3.1.1"),
            Refusal("broker: {base_topic: a/#}", "1:22", "broker.base_topic", "cannot begin a topic"),
            Refusal("broker: {base_topic: /a}", "1:22", "broker.base_topic", "cannot begin a topic"),
            Refusal("broker: {drain_rate: 1000}", "1:22", "broker.drain_rate", "no rate", "1000/s or unlimited"),
            Refusal("broker: {drain_rate: 0/s}", "1:22", "broker.drain_rate", "out of range"),
            Refusal("broker: {username: \"\"}", "1:20", "broker.username", "is empty"),
            Refusal("broker: {tls: }", "1:15", "broker.tls", "has no value", "`tls: {}`"),
            Refusal("broker: {tls: {ca_file: ca.crt}}", "1:25", "broker.tls.ca_file", "no such file"),
            Refusal("broker: {tls: {cert_file: known}}", "1:15", "broker.tls", "belong together"),
            Refusal("home_assistant: {discovery: devise}", "1:29", "home_assistant.discovery", "did you mean device?"),
            Refusal("home_assistant: {prefix: obisd}", "1:17", "home_assistant", "its prefix is the base topic"),
            Refusal("broker: {base_topic: homeassistant}", "1:9", "broker", "its prefix is the base topic"),
            Refusal("home_assistant: {prefix: +}", "1:26", "home_assistant.prefix", "cannot begin a topic"),
            Refusal("metrics: {}", "1:10", "metrics", "`file` is missing", ".prom"),
            Refusal("metrics: {file: /run/obisd.txt}", "1:17", "metrics.file", "node_exporter", "ends with .prom"),
            Refusal("metrics: {file: o.prom, every: 10ms}", "1:32", "metrics.every", "out of range", "1s to 1h"),
            Refusal("metrics: {fle: o.prom}", "1:11", "metrics.fle", "did you mean file?"),
            Refusal("journal: {keep: 1y}", "1:17", "journal.keep", "`1y` is no duration"),
            Refusal("journal: {max_size: 64MB}", "1:21", "journal.max_size", "no size", "KiB MiB GiB"),
            Refusal("journal: {max_size: 1KiB}", "1:21", "journal.max_size", "too small", "8MiB"),
            Refusal("journal: {when_full: drop-oldest}", "1:22", "journal.when_full", "did you mean drop_oldest?"),
            Refusal("journal: {sync: always}", "1:17", "journal.sync", "write commit"),
            Refusal("journal: {sync: {}}", "1:17", "journal.sync", "`every` is missing"),
            Refusal("journal: {sync: {every: 5m}}", "1:25", "journal.sync.every", "out of range", "100ms to 1m"),
        ])
    func values(_ refusal: Refusal) { check(refusal) }

    @Test(
        "in a meter",
        arguments: [
            Refusal(
                "meters: [{id: a b, protocol: dlms-push, transport: {tcp: \"h:1\"}}]", "1:15", "meters[0].id",
                "cannot be an id"),
            Refusal(
                meter("", protocol: "dlms-pusch"), "3:15", "meters[0].protocol", "no protocol",
                "did you mean dlms-push?"),
            Refusal(meter("", protocol: "modbus"), "3:15", "meters[0].protocol", "dlms-push, iec62056-21"),
            Refusal(meter("enabled: maybe"), "5:14", "meters[0].enabled", "truth value", "true or false"),
            Refusal(
                meter("profile: lg-e45"), "5:14", "meters[0].profile", "no profile `lg-e45`", "did you mean lg-e450?"),
            Refusal(meter("address: 1"), "5:14", "meters[0].address", "no meaning for the protocol dlms-push"),
            Refusal(meter("profile: lg-e450", protocol: "iec62056-21"), "5:14", "meters[0].profile", "no meaning"),
            Refusal(
                meter("encryption_key_file: none", protocol: "iec62056-21"), "5:26", "meters[0].encryption_key_file",
                "no meaning"),
            Refusal(meter("address: 1?!", protocol: "iec62056-21"), "5:14", "meters[0].address", "no device address"),
            Refusal(meter("time_zone: Europe/Zurick"), "5:16", "meters[0].time_zone", "did you mean Europe/Zurich?"),
            Refusal(meter("time_zone: \"+25:00\""), "5:16", "meters[0].time_zone", "no time zone", "+01:00"),
            Refusal(meter("meter_clock: ignored"), "5:18", "meters[0].meter_clock", "did you mean ignore?"),
            Refusal(meter("interval: 900"), "5:15", "meters[0].interval", "no duration"),
            Refusal(meter("interval: 10ms"), "5:15", "meters[0].interval", "out of range"),
            Refusal(meter("align: true"), "5:12", "meters[0].align", "talks by itself"),
            Refusal(meter("at: [\"00:00\"]"), "5:9", "meters[0].at", "talks by itself"),
            Refusal(meter("at: [\"24:00\"]", protocol: "iec62056-21"), "5:10", "meters[0].at[0]", "no time of the day"),
            Refusal(meter("at: []", protocol: "iec62056-21"), "5:9", "meters[0].at", "names no time"),
            Refusal(
                meter("at: \"00:00\"\ninterval: 5m", protocol: "iec62056-21"), "6:15", "meters[0].interval",
                "`at` says already"),
            Refusal(
                meter("interval: 7m\nalign: true", protocol: "iec62056-21"), "5:15", "meters[0].interval",
                "does not divide a day"),
            Refusal(meter("limits: {fuse: 25}"), "5:20", "meters[0].limits.fuse", "`25` has no unit", "25 A"),
            Refusal(meter("limits: {fuse: 25 V}"), "5:20", "meters[0].limits.fuse", "V is the wrong unit", "25 A"),
            Refusal(meter("limits: {fuse: big}"), "5:20", "meters[0].limits.fuse", "`big` is no quantity"),
            Refusal(meter("limits: {fuse: -25 A}"), "5:20", "meters[0].limits.fuse", "more than zero"),
            Refusal(
                meter("limits: {contracted_power: 9 kWh}"), "5:32", "meters[0].limits.contracted_power",
                "kWh is the wrong unit"),
            Refusal(meter("limits: {phases: 4}"), "5:22", "meters[0].limits.phases", "1 to 3"),
            Refusal(
                meter("sub_meters: []"), "5:17", "meters[0].sub_meters", "no meaning for the protocol dlms-push"),
            Refusal(
                meter("sub_meters: [{id: gas}]", protocol: "dsmr-p1"), "5:18", "meters[0].sub_meters[0]",
                "`channel` is missing"),
            Refusal(
                meter("sub_meters: [{channel: 0, id: gas}]", protocol: "dsmr-p1"), "5:28",
                "meters[0].sub_meters[0].channel", "1 to 254"),
            Refusal(
                meter("sub_meters: [{channel: 1, id: main}]", protocol: "dsmr-p1"), "5:35",
                "meters[0].sub_meters[0].id", "another meter is called `main`"),
            Refusal(
                meter("sub_meters:\n- {channel: 1, id: a}\n- {channel: 1, id: b}", protocol: "dsmr-p1"), "7:17",
                "meters[0].sub_meters[1].channel", "stands twice"),
            Refusal(
                "meters: [{id: a, protocol: iec62056-21, address: fast, transport: {tcp: \"h:1\"}}]", "1:67",
                "meters[0].transport", "the speed of the line changes", "rfc2217"),
        ])
    func meters(_ refusal: Refusal) { check(refusal) }

    @Test(
        "in a transport",
        arguments: [
            Refusal(transport("{}"), "1:50", "meters[0].transport", "names no way", "{serial: /dev/ttyUSB0}"),
            Refusal(transport("/dev/ttyUSB0"), "1:50", "meters[0].transport", "must be a mapping"),
            Refusal(transport("{serial: /dev/a, tcp: \"h:1\"}"), "1:50", "meters[0].transport", "more than one way"),
            Refusal(transport("{serial: ttyUSB0}"), "1:59", "meters[0].transport.serial", "no full path"),
            Refusal(transport("{serial: /dev/a, line: 2400}"), "1:73", "meters[0].transport.line", "2400 8E1"),
            Refusal(transport("{serial: /dev/a, line: 2401 8E1}"), "1:73", "meters[0].transport.line", "no line"),
            Refusal(
                transport("{tcp: \"h:1\", line: 2400 8E1}"), "1:69", "meters[0].transport.line", "plain TCP", "rfc2217"),
            Refusal(
                transport("{udp: \"h:1\", line: 2400 8E1}"), "1:69", "meters[0].transport.line", "only a serial port"),
            Refusal(
                transport("{serial: /dev/a, from: [10.0.0.1]}"), "1:73", "meters[0].transport.from",
                "belongs to `listen`"),
            Refusal(transport("{tcp: gateway}"), "1:56", "meters[0].transport.tcp", "port is missing", "gateway:10001"),
            Refusal(transport("{tcp: \"fd00::1:4059\"}"), "1:56", "meters[0].transport.tcp", "in brackets"),
            Refusal(transport("{tcp: \"h:99999\"}"), "1:56", "meters[0].transport.tcp", "no host and port"),
            Refusal(transport("{seriel: /dev/a}"), "1:51", "meters[0].transport.seriel", "did you mean serial?"),
            Refusal(transport("{udp: \"fd00::1:4059\"}"), "1:56", "meters[0].transport.udp", "in brackets"),
            Refusal(transport("{rfc2217: gateway}"), "1:60", "meters[0].transport.rfc2217", "port is missing"),
            Refusal(
                transport("{rfc2217: \"h:1\", line: 2400}"), "1:73", "meters[0].transport.line", "2400 8E1"),
            Refusal(
                transport("{listen: \"udp://:4059\"}"), "1:50", "meters[0].transport", "`from` is missing",
                "[192.168.1.20]"),
            Refusal(
                transport("{listen: \":4059\", from: [\"::1\"]}"), "1:59", "meters[0].transport.listen",
                "no address to listen on", "udp://:4059"),
            Refusal(
                transport("{listen: \"udp://host:4059\", from: [\"::1\"]}"), "1:59", "meters[0].transport.listen",
                "no address to listen on"),
            Refusal(
                transport("{listen: \"udp://:4059\", from: []}"), "1:80", "meters[0].transport.from", "names nobody"),
            Refusal(
                transport("{listen: \"udp://:4059\", from: [10.0.0.0/33]}"), "1:81", "meters[0].transport.from[0]",
                "no address or network", "192.168.1.0/24"),
        ])
    func transports(_ refusal: Refusal) { check(refusal) }

    @Test(
        "in what is journaled",
        arguments: [
            Refusal(meter("record: 10s"), "5:13", "meters[0].record", "must be a mapping"),
            Refusal(meter("record: {every: 1m, each: 1m}"), "5:25", "meters[0].record.each", "no key", "every"),
            Refusal(meter("record: {every: 10}"), "5:21", "meters[0].record.every", "no duration"),
            Refusal(meter("record: {every: 500ms}"), "5:21", "meters[0].record.every", "out of range", "from 1s to 1d"),
        ])
    func records(_ refusal: Refusal) { check(refusal) }

    @Test(
        "in a profile",
        arguments: [
            Refusal(profile("unit: {}"), "3:5", "profiles.p.unit", "no key of a profile", "did you mean units?"),
            Refusal(profile("units: {1.8: Wh}"), "3:13", "profiles.p.units.1.8", "no pattern", #""31.7.0""#),
            Refusal(profile("units: {1.8.256: Wh}"), "3:13", "profiles.p.units.1.8.256", "no pattern"),
            Refusal(
                profile("units: {1.8.0: wh}"), "3:20", "profiles.p.units.1.8.0", "`wh` is no unit", "did you mean Wh?"),
            Refusal(profile("units: {1.8.0: 0.5 Wh}"), "3:20", "profiles.p.units.1.8.0", "no power of ten"),
            Refusal(profile("units: {1.8.0: \"\"}"), "3:20", "profiles.p.units.1.8.0", "is no unit"),
            Refusal(
                profile("units: {1.8.*: Wh, 1.8.0: kWh}"), "3:24", "profiles.p.units.1.8.0", "never counts",
                "move it up"),
            Refusal(
                profile("lists: [{types: [u16], values: []}]"), "3:13", "profiles.p.lists[0]", "1 types and 0 values"),
            Refusal(
                profile("lists: [{types: [octet], values: [null]}]"), "3:22", "profiles.p.lists[0].types[0]",
                "did you mean octets?"),
            Refusal(
                profile("lists: [{types: [u16], values: [x]}]"), "3:37", "profiles.p.lists[0].values[0]",
                "no OBIS code", "null"),
            Refusal(profile("lists: [{types: [u16]}]"), "3:13", "profiles.p.lists[0]", "`values` is missing"),
            Refusal(
                profile("lists: [{types: [u16], values: [~]}, {types: [u16], values: [~]}]"), "3:42",
                "profiles.p.lists[1]",
                "same types"),
            Refusal(
                profile("extends: lg-e540"), "3:14", "profiles.p.extends", "no profile `lg-e540`",
                "did you mean lg-e450?"),
            Refusal(profile("extends: p"), "3:14", "profiles.p.extends", "no profile `p`"),
            Refusal("profiles: {a: {extends: b}, b: {extends: a}}", "1:42", "profiles.b.extends", "in a circle"),
            Refusal("profiles: {\"a b\": {}}", "1:12", "profiles.a b", "cannot be the name"),
        ])
    func profiles(_ refusal: Refusal) {
        // Of a circle either end may be named.
        let found = errors(refusal.text)
        if refusal.parts == ["in a circle"] {
            #expect(found.allSatisfy { $0.message.contains("in a circle") } && !found.isEmpty)
        } else {
            check(refusal)
        }
    }

    @Test("two meters with one id, and two owners of one port, each name the first")
    func duplicates() {
        let text = """
            meters:
              - {id: a, protocol: dlms-push, transport: {serial: /dev/a}}
              - {id: a, protocol: dlms-push, transport: {tcp: "Host:1"}}
              - {id: b, protocol: dlms-push, transport: {serial: /dev/a, line: 300 7E1}}
              - {id: c, protocol: iec62056-21, transport: {tcp: "host:1"}}
            """
        let found = errors(text).map(\.description)
        #expect(
            found == [
                "obisd.yaml:3:10: meters[1].id: another meter is called `a` (obisd.yaml:2:5); give each meter an id of its own",
                "obisd.yaml:4:45: meters[2].transport: the meter `a` has this port already (obisd.yaml:2:45); "
                    + "give each meter a port of its own, or write `enabled: false` for one of them",
                "obisd.yaml:5:47: meters[3].transport: the meter `a` has this port already (obisd.yaml:3:45); "
                    + "give each meter a port of its own, or write `enabled: false` for one of them",
            ])
    }

    @Test("one pass finds everything, in the order of the file")
    func everything() {
        let text = """
            node: a b
            brokr: {}
            journal: {keep: 1, path: ""}
            meters:
              - {id: a b, protocol: x, transport: {}}
              - {id: b, protocol: dlms-push, transport: {serial: x}, limits: {phases: 9}}
            """
        let found = errors(text).map { "\($0.line) \($0.key)" }
        #expect(
            found == [
                "1 node", "2 brokr", "3 journal.keep", "3 journal.path", "5 meters[0].id", "5 meters[0].protocol",
                "5 meters[0].transport", "6 meters[1].transport.serial", "6 meters[1].limits.phases",
            ])
    }

    @Test("a diagnostic reads as one line that a person can act upon")
    func description() {
        let place = Place(file: "etc/obisd.yaml", line: 12, column: 5)
        let diagnostic = Diagnostic(place: place, key: "meters[0].id", message: "is wrong", remedy: "write another")
        #expect(diagnostic.description == "etc/obisd.yaml:12:5: meters[0].id: is wrong; write another")
        #expect(Diagnostic(place: place, key: "", message: "is wrong").description == "etc/obisd.yaml:12:5: is wrong")
        #expect(ConfigurationError([diagnostic, diagnostic]).description.split(separator: "\n").count == 2)
    }

    @Test("documents beyond the bounds are refused, not expanded")
    func bounds() {
        let deep = "node: " + String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
        #expect(errors(deep).map(\.message) == ["values are nested deeper than 32 levels"])
        #expect(errors("node: " + String(repeating: "[", count: 100_000)).count == 1)
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...20 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            bomb += "a\(level): &a\(level) [\(aliases)]\n"
        }
        #expect(errors(bomb).map(\.message) == ["the document has more than 50000 values, aliases followed"])
        #expect(errors(String(repeating: "# x\n", count: 300_000)).map(\.message) == ["is larger than 1MiB"])
    }

    @Test("no text at all makes the loader fail otherwise than with a diagnostic")
    func anyText() throws {
        let text = try String(
            contentsOf: checkout.appendingPathComponent("etc/examples/iec62056-21.yaml"), encoding: .utf8)
        let bytes = Array(text.utf8)
        let noise: [UInt8] = Array("{}[]:,-&*!|>'\"%@`#?~<\t\n \u{0}".utf8)
        for index in stride(from: 0, to: bytes.count, by: 7) {
            var changed = bytes
            changed[index] = noise[index % noise.count]
            let found = errors(String(decoding: changed, as: UTF8.self))
            #expect(found.allSatisfy { $0.line >= 1 && $0.column >= 1 && !$0.message.isEmpty })
            _ = errors(String(decoding: bytes[..<index], as: UTF8.self))
        }
    }

    private func check(_ refusal: Refusal) { refusal.check(loader(FakeFiles(texts: ["known": ""]))) }
}

/// The transport begins at column 50.
private func transport(_ text: String) -> String {
    "meters: [{id: m, protocol: dlms-push, transport: \(text)}]"
}

/// The keys begin in line 3, column 5.
private func profile(_ text: String) -> String {
    "profiles:\n  p:\n    \(text)\n"
}
