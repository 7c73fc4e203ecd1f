import Configuration
import Foundation
import Metering
import OBIS
import Testing
import Wire

@Suite("A configuration")
struct ConfigurationTests {
    @Test(
        "an empty file says all the defaults and warns that nothing will be read",
        arguments: ["", "# nothing\n", "meters:\n"])
    func defaults(text: String) throws {
        var configuration = try load(text)
        #expect(configuration.warnings.map(\.message) == ["no meter is configured, nothing will be read"])
        #expect(configuration.profiles["lg-e450"] != nil)
        configuration.warnings = []
        configuration.profiles = [:]
        #expect(configuration == Configuration(files: ["obisd.yaml"]))

        let broker = configuration.broker
        #expect(broker.host == "localhost" && broker.port == 1883 && broker.version == .v5 && broker.tls == nil)
        #expect(broker.clientID == nil && broker.keepalive == .seconds(60) && broker.password == nil)
        #expect(broker.baseTopic == "obisd" && broker.drainRate == .perSecond(1000))
        #expect(configuration.homeAssistant == HomeAssistant(discovery: .device, prefix: "homeassistant"))
        #expect(
            configuration.journal.path == "/var/lib/obisd/journal.db"
                && configuration.journal.keep == .seconds(31_536_000))
        #expect(configuration.journal.maxSize == 1_073_741_824 && configuration.journal.whenFull == .dropOldest)
        #expect(configuration.journal.sync == .commit)
    }

    @Test("every key of the broker, the journal and the discovery arrives")
    func everyKey() throws {
        let files = FakeFiles(texts: [
            "/etc/obisd/mqtt.password": "secret word\r\n", "/etc/obisd/ca.crt": "", "/etc/obisd/client.crt": "",
            "/client.key": "",
        ])
        let text = """
            node: cellar-1
            broker:
              host: "[fd00::1]"
              port: 18883
              client_id: cellar
              keepalive: 2m
              protocol: 3.1.1
              username: obisd
              password_file: mqtt.password
              tls: {ca_file: ca.crt, cert_file: client.crt, key_file: /client.key}
              base_topic: energy/house
              drain_rate: unlimited
            home_assistant: {discovery: off, prefix: ha}
            journal: {path: /data/j.db, keep: 30d, max_size: 64MiB, when_full: drop_oldest, sync: {every: 1s}}
            metrics: {file: obisd.prom, every: 1m}
            meters: []
            """
        let configuration = try loader(files).load(text: text, file: "/etc/obisd/obisd.yaml")
        #expect(configuration.node == "cellar-1")
        let tls = Broker.TLS(caFile: "/etc/obisd/ca.crt", certFile: "/etc/obisd/client.crt", keyFile: "/client.key")
        let expected = Broker(
            host: "fd00::1", port: 18883, clientID: "cellar", keepalive: .seconds(120), version: .v311,
            username: "obisd",
            password: Secret(Array("secret word".utf8)), tls: tls, baseTopic: "energy/house", drainRate: .unlimited)
        #expect(configuration.broker == expected)
        #expect(configuration.homeAssistant == HomeAssistant(discovery: .off, prefix: "ha"))
        let journal = JournalConfiguration(
            path: "/data/j.db", keep: .seconds(2_592_000), maxSize: 67_108_864, whenFull: .dropOldest,
            sync: .every(.seconds(1)))
        #expect(configuration.journal == journal)
        #expect(
            configuration.metrics == MetricsConfiguration(file: "/etc/obisd/obisd.prom", every: .seconds(60)))
        let warnings = configuration.warnings.map { "\($0.line):\($0.column) \($0.key)" }
        #expect(warnings == ["1:1 ", "7:13 broker.protocol"])
    }

    @Test("TLS moves the default port")
    func tlsPort() throws {
        #expect(try load("broker: {host: b, tls: {}}").broker.port == 8883)
        #expect(try load("broker: {host: b, tls: {}, port: 1234}").broker.port == 1234)
        #expect(try load("broker: {host: b, tls: {}}").broker.tls == Broker.TLS())
    }

    @Test("a pre-shared key needs its name, and takes the place of certificates")
    func preSharedKey() throws {
        let files = FakeFiles(texts: [
            "psk": "0102030405060708\n", "short": "01020304\n", "word": "secret\n", "ca": "x",
        ])
        func broker(_ tls: String) -> String { "broker: {host: b, tls: {\(tls)}}" }
        let tls = try load(broker("psk_identity: cellar, psk_file: psk"), files).broker.tls
        #expect(tls == Broker.TLS(preSharedKey: .init(identity: "cellar", key: Secret([1, 2, 3, 4, 5, 6, 7, 8]))))
        for (wrong, text) in [
            ("psk_identity: cellar", "belong together"), ("psk_file: psk", "belong together"),
            ("psk_identity: cellar, psk_file: psk, ca_file: ca", "takes the place of certificates"),
            ("psk_identity: cellar, psk_file: short", "8 to 64 bytes"),
            ("psk_identity: cellar, psk_file: word", "8 to 64 bytes"),
            ("psk_identity: cellar, psk: 0102030405060708", "secrets do not stand in the configuration"),
        ] {
            let found = errors(broker(wrong), loader(files))
            #expect(found.contains { $0.message.contains(text) }, "\(wrong): \(found)")
        }
    }

    @Test("every key of a pushed meter arrives")
    func pushedMeter() throws {
        let text = """
            meters:
              - id: main
                name: Main meter
                enabled: yes
                protocol: dlms-push
                transport: {serial: /dev/ttyUSB0, line: 9600 8N1}
                profile: lg-e450
                time_zone: Europe/Zurich
                meter_clock: ignore
                serial: 00345678
                encryption_key_file: keys/main
                authentication_key_file: /keys/auth
                interval: 5s
                record: {every: 1m}
                limits: {contracted_power: 9 kVA, fuse: 25A, phases: 3, nominal_voltage: 0.23 kV}
            """
        let files = FakeFiles(texts: [
            "/etc/keys/main": "00112233445566778899aabbccddeeff\n",
            "/keys/auth": "D0D1D2D3 D4D5D6D7\nD8D9DADB DCDDDEDF",
        ])
        let configuration = try loader(files).load(text: text, file: "/etc/obisd.yaml")
        let meter = try #require(configuration.meters.first)
        #expect(
            meter.id == "main" && meter.name == "Main meter" && meter.isEnabled && meter.protocolName == "dlms-push")
        let line = LineSettings(baud: 9600)
        #expect(meter.endpoint == .serial(path: "/dev/ttyUSB0", line: line) && meter.settings.line == line)
        #expect(meter.settings.profile?.name == "lg-e450")
        #expect(meter.settings.encryptionKey == Secret((0...15).map { $0 * 17 }))
        #expect(meter.settings.authenticationKey == Secret((0xD0...0xDF).map { $0 }))
        #expect(meter.timeZone == .named("Europe/Zurich") && !meter.usesMeterClock && meter.serial == "00345678")
        #expect(meter.interval == .seconds(5) && !meter.isAligned && meter.times.isEmpty)
        #expect(meter.recordsEvery == .seconds(60))
        let limits = MeterLimits(
            contractedPower: .init(9000, .voltAmpere), fuse: 25, phases: 3, nominalVoltage: 230)
        #expect(meter.limits == limits)
        #expect(configuration.places == ["main": Place(file: "/etc/obisd.yaml", line: 2, column: 5)])
        #expect(configuration.warnings == [])
    }

    @Test("a polled meter is asked by interval, aligned or at times of the day")
    func polledMeter() throws {
        func meters(_ keys: String) throws -> Meter {
            let text = "meters: [{id: m, protocol: iec62056-21, transport: {tcp: \"gateway:10001\"}\(keys)}]"
            return try #require(try load(text).meters.first)
        }
        #expect(try meters("").interval == .seconds(900))
        #expect(try meters("").endpoint == .tcp(host: "gateway", port: 10001))
        #expect(try meters("").settings.line == nil)
        let aligned = try meters(", interval: 5m, align: true")
        #expect(aligned.interval == .seconds(300) && aligned.isAligned)
        #expect(try meters(", interval: 1500ms, align: true").interval == .milliseconds(1500))
        let timed = try meters(", at: [\"12:00\", 00:30, \"12:00\"]")
        #expect(timed.interval == nil && timed.times.map(\.description) == ["00:30", "12:00"])
        #expect(try meters(", at: \"06:00\"").times.map(\.minutesSinceMidnight) == [360])
        #expect(try meters(", address: 00012345").settings.address == "00012345")
    }

    @Test("a serial port has the line of its protocol unless it names one")
    func defaultLine() throws {
        let meter = try #require(try load(meter("")).meters.first)
        #expect(meter.endpoint.description == "/dev/ttyUSB0 at 2400 8E1")
    }

    @Test(
        "transports are read in every form",
        arguments: [
            ("{tcp: \"[fd00::1]:4059\"}", "tcp://[fd00::1]:4059"), ("{tcp: 10.0.0.1:4059}", "tcp://10.0.0.1:4059"),
            ("{file: captures/a.bin}", "/etc/captures/a.bin"), ("{file: /a.bin}", "/a.bin"),
            ("{serial: /dev/pts/3, line: 300 7e1}", "/dev/pts/3 at 300 7E1"),
            ("{rfc2217: \"ser2net:3001\", line: 300 7E1}", "rfc2217://ser2net:3001 at 300 7E1"),
            ("{rfc2217: \"ser2net:3001\"}", "rfc2217://ser2net:3001 at 2400 8E1"),
            ("{udp: \"[fe80::1%eth0]:4059\"}", "udp://[fe80::1%eth0]:4059"),
            ("{listen: \"udp://:4059\", from: [fd00::/64, 10.1.2.3]}", "listening on udp://:4059"),
            ("{listen: \"tcp://127.0.0.1:4059\", from: 127.0.0.1}", "listening on tcp://127.0.0.1:4059"),
            ("{listen: \"udp://[fd00::1]:4059\", from: \"::1\"}", "listening on udp://[fd00::1]:4059"),
        ])
    func transports(text: String, expected: String) throws {
        let text = "meters: [{id: m, protocol: dlms-push, transport: \(text)}]"
        let configuration = try loader().load(text: text, file: "/etc/obisd.yaml")
        #expect(configuration.meters.map(\.endpoint.description) == [expected])
    }

    @Test("callers are networks, with their prefixes")
    func callers() throws {
        let text =
            "meters: [{id: m, protocol: dlms-push, transport: {listen: \"udp://:1\", from: [10.1.2.3/8, fd00::/64]}}]"
        guard case .listen(_, let from)? = try load(text).meters.first?.endpoint else {
            Issue.record("does not listen")
            return
        }
        #expect(from.map(\.prefix) == [8, 64] && from[0].network == [10, 0, 0, 0])
        #expect(from[1].network == [0xFD, 0] + [UInt8](repeating: 0, count: 14))
    }

    @Test("devices behind a meter are meters of their own")
    func subMeters() throws {
        let text = """
            meters:
              - id: main
                protocol: dsmr-p1
                time_zone: Europe/Amsterdam
                transport: {serial: /dev/ttyUSB0}
                sub_meters:
                  - {channel: 1, id: gas, name: Gas, serial: G0025}
                  - {channel: 2, id: water}
            """
        let main = try #require(try load(text).meters.first)
        #expect(main.subMeters.map(\.id) == ["gas", "water"] && main.subMeters.map(\.channel) == [1, 2])
        let gas = main.subMeters[0].meter(of: main)
        #expect(gas.id == "gas" && gas.name == "Gas" && gas.serial == "G0025" && gas.timeZone == main.timeZone)
        #expect(gas.subMeters.isEmpty)
    }

    @Test("two meters may name one port when only one of them is enabled, and the key of the other may be missing")
    func disabledMeter() throws {
        let text = """
            meters:
              - {id: a, protocol: dlms-push, transport: {tcp: "h:1"}}
              - {id: b, protocol: dlms-push, transport: {tcp: "h:1"}, enabled: false, encryption_key_file: missing}
            """
        #expect(try load(text).meters.map(\.isEnabled) == [true, false])
    }

    @Test("anchors, aliases and merged mappings are followed")
    func anchors() throws {
        let text = """
            meters:
              - &first {id: a, protocol: dlms-push, transport: {tcp: "h:1"}, interval: 5s, limits: &l {fuse: 25 A}}
              - <<: *first
                id: b
                transport: {tcp: "h:2"}
              - {id: c, protocol: dlms-push, transport: {tcp: "h:3"}, limits: *l}
            """
        let meters = try load(text).meters
        #expect(meters.map(\.id) == ["a", "b", "c"])
        #expect(meters.map(\.limits.fuse) == [25, 25, 25])
        #expect(meters.map(\.interval) == [.seconds(5), .seconds(5), nil])
    }

    @Test("zones are names of the database and fixed offsets")
    func zones() throws {
        #expect(ClockZone("Europe/Vienna") == .named("Europe/Vienna"))
        #expect(ClockZone("UTC") == .named("UTC"))
        #expect(ClockZone("+01:00") == .fixed(60) && ClockZone("-03:30") == .fixed(-210))
        for text in ["", "Europe/Zurick", "+1", "+15:00", "01:00", "GMT+1", "+01:60"] {
            #expect(ClockZone(text) == nil, "\(text)")
        }
        for text in ["Europe/Zurich", "+01:00", "-03:30", "+00:00"] { #expect(ClockZone(text)?.description == text) }
    }
}

@Suite("Files of a configuration")
struct FileTests {
    private let stanza = "protocol: dlms-push, transport: {tcp: \"h:1\"}, enabled: false"

    @Test("included files are read in the order of their names, each file once")
    func includes() throws {
        let files = FakeFiles(texts: [
            "/etc/obisd/obisd.yaml": "include: [\"obisd.d/*.yaml\", obisd.d/b.yaml]\nmeters: [{id: main, \(stanza)}]",
            "/etc/obisd/obisd.d/b.yaml": "meters: [{id: b, profile: mine, \(stanza)}]",
            "/etc/obisd/obisd.d/a.yaml": "meters: [{id: a, \(stanza)}]\nprofiles: {mine: {units: {\"1.8.0\": Wh}}}",
            "/etc/obisd/obisd.d/.hidden.yaml": "nonsense: 1",
            "/etc/obisd/obisd.d/readme.txt": "nonsense: 1",
        ])
        let configuration = try loader(files).load(path: "/etc/obisd/obisd.yaml")
        #expect(configuration.meters.map(\.id) == ["main", "a", "b"])
        #expect(
            configuration.files == ["/etc/obisd/obisd.yaml", "/etc/obisd/obisd.d/a.yaml", "/etc/obisd/obisd.d/b.yaml"])
        #expect(configuration.meters.last?.settings.profile?.units.count == 1)
        #expect(configuration.places["b"]?.file == "/etc/obisd/obisd.d/b.yaml")
    }

    @Test("errors of several files name each its own file, in the order of the files")
    func includeErrors() {
        let files = FakeFiles(texts: [
            "obisd.yaml": "include: d/*.yaml\nnode: a b\nmeters: [{id: m, \(stanza)}]",
            "d/1.yaml": "broker: {}\nmeters: [{id: m, \(stanza)}]",
            "d/2.yaml": "meters: [",
        ])
        #expect(throws: ConfigurationError.self) { try loader(files).load(path: "obisd.yaml") }
        do {
            _ = try loader(files).load(path: "obisd.yaml")
        } catch {
            let places = error.diagnostics.map { "\($0.place) \($0.key)" }
            #expect(
                places == [
                    "obisd.yaml:2:7 node", "d/1.yaml:1:1 broker", "d/1.yaml:2:15 meters[0].id", "d/2.yaml:1:10 ",
                ])
            #expect(error.diagnostics[2].message.contains("obisd.yaml:3:10"))
        }
    }

    @Test("a folder that is missing is a warning, a file that is missing an error")
    func missingInclude() throws {
        #expect(try load("include: d/*.yaml").warnings.map(\.key).contains("include"))
        let found = errors("include: d/a.yaml")
        #expect(found.map(\.description) == ["d/a.yaml: there is no such file; it is included by obisd.yaml:1:10"])
        #expect(errors("include: \"*/a.yaml\"").map(\.key) == ["include"])
    }

    @Test("a configuration that cannot be read says why")
    func unreadable() {
        let files = FakeFiles(
            texts: ["large.yaml": String(repeating: "# comment\n", count: 110_000)],
            problems: ["locked.yaml": .notPermitted, "folder": .notAFile, "disk.yaml": .other("Input/output error")])
        let messages = ["none.yaml", "locked.yaml", "folder", "disk.yaml", "large.yaml"].map { path in
            do {
                _ = try loader(files).load(path: path)
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(
            messages == [
                "none.yaml: there is no such file", "locked.yaml: this user may not read the file",
                "folder: is not a regular file", "disk.yaml: the file cannot be read (Input/output error)",
                "large.yaml: is larger than 1MiB",
            ])
    }

    @Test("the files of the machine are read with their mode, and pipes and folders are refused")
    func systemFiles() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("a.yaml").path
        try Data("node: a\n".utf8).write(to: URL(fileURLWithPath: path))
        let files = SystemFiles()

        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
        #expect(try files.read(path, limit: 8).bytes == Array("node: a\n".utf8))
        #expect(try files.read(path, limit: 8).isReadableByOthers == false)
        try FileManager.default.setAttributes([.posixPermissions: 0o604], ofItemAtPath: path)
        #expect(try files.read(path, limit: 8).isReadableByOthers)
        try files.check(path)
        #expect(files.names(in: folder.path) == ["a.yaml"])
        #expect(files.names(in: path + ".d") == nil)
        #expect(throws: FileProblem.tooLarge) { try files.read(path, limit: 7) }
        #expect(throws: FileProblem.missing) { try files.read(path + "x", limit: 7) }
        #expect(throws: FileProblem.missing) { try files.check(path + "/x") }
        #expect(throws: FileProblem.notAFile) { try files.check(folder.path) }
        let pipe = folder.appendingPathComponent("pipe").path
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(throws: FileProblem.notAFile) { try files.read(pipe, limit: 7) }
        let loader = ConfigurationLoader(protocols: FakeProtocols.all)
        #expect(try loader.load(path: path).node == "a")
    }

    static let exampleNames = [
        "dlms-client", "dlms-push", "dlms-push-encrypted", "dlms-push-mbus", "dlms-push-network", "dsmr-p1",
        "iec62056-21",
        "iec62056-21-modes", "mbus", "sml",
    ]

    @Test("every file below etc loads without an error or a warning", arguments: exampleNames)
    func examples(name: String) throws {
        let path = "etc/examples/\(name).yaml"
        let configuration = try loadFromCheckout(path)
        #expect(!configuration.meters.isEmpty)
        #expect(configuration.warnings == [])
        #expect(configuration.meters.allSatisfy { name.hasPrefix($0.protocolName) })
    }

    @Test("every protocol has an example")
    func exampleOfEach() {
        for name in ProtocolRegistry.all.map(\.name) { #expect(Self.exampleNames.contains(name), "\(name)") }
    }

    @Test("there is no example that the test above does not know")
    func allExamples() throws {
        let folder = checkout.appendingPathComponent("etc/examples").path
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }
            .sorted()
        #expect(names == Self.exampleNames.map { "\($0).yaml" }.sorted())
    }

    @Test("the commented default loads, and its comments show the true defaults")
    func commentedDefault() throws {
        let path = "etc/obisd.yaml"
        let text = try String(contentsOf: checkout.appendingPathComponent(path), encoding: .utf8)
        #expect(try loadFromCheckout(path).broker == Broker())

        let files = FakeFiles(anything: "00112233445566778899aabbccddeeff")
        let withKeys = uncommented(text) { _ in true }
        let whole = try loader(files).load(text: withKeys, file: path)
        #expect(whole.meters.map(\.id) == ["main"] && whole.node == "cellar")

        let withDefaults = uncommented(text) { !$0.contains("# example") && !$0.contains("include:") }
        let plain = try loader(files).load(text: withDefaults, file: path)
        #expect(
            plain.broker == Broker() && plain.journal == JournalConfiguration()
                && plain.homeAssistant == HomeAssistant() && plain.metrics == nil)
    }

    @Test("every example of the documentation loads, and every profile is named there")
    func documentation() throws {
        let text = try String(contentsOf: checkout.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
        let blocks = text.components(separatedBy: "```yaml\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
        #expect(blocks.count == 10)
        let files = FakeFiles(texts: ["obisd.d/a.yaml": ""], anything: "00112233445566778899aabbccddeeff")
        let loader = ConfigurationLoader(
            protocols: ProtocolRegistry.all, files: files, credentialsDirectory: "/run/x")
        for block in blocks { #expect(errors(block, loader) == [], "\(block)") }
        for profile in ShippedProfiles.all { #expect(text.contains("`\(profile.name)`"), "\(profile.name)") }
    }

    @Test("every key that the loader knows stands in the documentation")
    func documentedKeys() throws {
        let text = try String(contentsOf: checkout.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
        let places = [
            "x: 1", "buses: [{x: 1}]", "broker: {x: 1}", "broker: {tls: {x: 1}}", "home_assistant: {x: 1}",
            "journal: {x: 1}", "metrics: {x: 1}",
            meter("x: 1"), meter("limits: {x: 1}"), "profiles: {p: {x: 1}}", "profiles: {p: {lists: [{x: 1}]}}",
            "meters: [{id: m, protocol: dlms-push, transport: {x: 1}}]",
            meter("sub_meters: [{x: 1}]", protocol: "dsmr-p1"),
        ]
        for place in places {
            let remedy = try #require(errors(place).first { $0.key.hasSuffix("x") }?.remedy)
            let keys = remedy.replacingOccurrences(of: "the keys are: ", with: "").components(separatedBy: ", ")
            #expect(keys.count >= 2)
            // The plain form of a secret is known only to be refused.
            for key in keys where !keys.contains("\(key)_file") { #expect(text.contains("`\(key)`"), "\(key)") }
        }
    }

    /// The file with the secrets replaced, which are not part of the checkout.
    private func loadFromCheckout(_ path: String) throws -> Configuration {
        let text = try String(contentsOf: checkout.appendingPathComponent(path), encoding: .utf8)
        let files = FakeFiles(anything: "00112233445566778899aabbccddeeff\n")
        return try ConfigurationLoader(protocols: ProtocolRegistry.all, files: files, credentialsDirectory: nil)
            .load(text: text, file: path)
    }

    private func uncommented(_ text: String, where isWanted: (Substring) -> Bool) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let isText = line == "#" || (line.hasPrefix("# ") && !line.hasPrefix("#  "))
            guard line.hasPrefix("#"), !isText, isWanted(line) else { return String(line) }
            return String(line.dropFirst())
        }.joined(separator: "\n")
    }
}
