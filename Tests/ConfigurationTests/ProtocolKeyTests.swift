import Configuration
import IEC62056
import Metering
import OBIS
import Testing
import Wire

/// Keys that only some protocols understand, with the protocols of the registry.
@Suite("Keys of the protocols")
struct ProtocolKeyTests {
    private static let loader = ConfigurationLoader(protocols: ProtocolRegistry.all, files: FakeFiles())

    private func settings(_ lines: String, protocol name: String) throws -> ProtocolSettings {
        let text = meter(lines, protocol: name)
        let configuration = try Self.loader.load(text: text, file: "obisd.yaml")
        return try #require(configuration.meters.first?.settings)
    }

    // MARK: Accepted

    @Test("without any of them a readout is what the meter says")
    func defaults() throws {
        let settings = try settings("", protocol: "iec62056-21")
        #expect(settings.mode == .auto && settings.maximumBaud == nil && settings.wakeUp == nil)
        #expect(settings.checksum == .auto && settings.line?.description == "300 7E1")
    }

    @Test("each mode has the line and the schedule that belong to it", arguments: ReadoutMode.allCases)
    func modes(mode: ReadoutMode) throws {
        let configuration = try Self.loader.load(
            text: meter(
                "mode: \(mode.rawValue)" + (mode == .programming ? "\nregisters: [1.8.0]" : ""), protocol: "iec62056-21"
            ),
            file: "obisd.yaml")
        let meter = try #require(configuration.meters.first)
        #expect(meter.settings.mode == mode)
        #expect(meter.settings.line?.description == (mode == .d ? "2400 7E1" : "300 7E1"))
        #expect(meter.interval == (mode == .d ? nil : Meter.defaultInterval))
    }

    @Test("each rate of a sign-on may be the fastest", arguments: [300, 600, 1200, 2400, 4800, 9600, 19200])
    func rates(baud: Int) throws {
        #expect(try settings("baud: \(baud)", protocol: "iec62056-21").maximumBaud == baud)
    }

    @Test(
        "waking up is yes, no, or what differs from the standard",
        arguments: [
            ("false", nil), ("true", WakeUp()), ("{}", WakeUp()),
            ("{line: 2400 8N1}", WakeUp(line: LineSettings(baud: 2400))),
            ("{duration: 3s}", WakeUp(duration: .seconds(3))), ("{pause: 100ms}", WakeUp(pause: .milliseconds(100))),
            (
                "{line: 300 7E1, duration: 10s, pause: 1500ms}",
                WakeUp(line: .signOn, duration: .seconds(10), pause: .milliseconds(1500))
            ),
        ] as [(String, WakeUp?)])
    func wakeUp(text: String, wakeUp: WakeUp?) throws {
        #expect(try settings("wake_up: \(text)", protocol: "iec62056-21").wakeUp == wakeUp)
    }

    @Test("each check of a telegram may be demanded", arguments: P1Checksum.allCases)
    func checks(checksum: P1Checksum) throws {
        #expect(try settings("crc: \(checksum.rawValue)", protocol: "dsmr-p1").checksum == checksum)
    }

    // MARK: Programming mode

    @Test("programming mode has registers, a password, a command and a load profile")
    func programming() throws {
        let lines = """
            mode: programming
            registers: ["0.0.0", "1-0:1.8.0*255"]
            password_file: /p
            request: r6
            load_profile: P.02
            """
        let loader = ConfigurationLoader(protocols: ProtocolRegistry.all, files: FakeFiles(texts: ["/p": "12345678\n"]))
        let configuration = try loader.load(text: meter(lines, protocol: "iec62056-21"), file: "obisd.yaml")
        let settings = try #require(configuration.meters.first?.settings)
        #expect(settings.registers == [RegisterChoice("0.0.0"), RegisterChoice("1-0:1.8.0*255")])
        #expect(settings.password == Secret(Array("12345678".utf8)) && settings.request == .r6)
        #expect(settings.loadProfile == .named("P.02"))
        let readout = try #require(ProtocolRegistry.named("iec62056-21"))
        #expect(readout.hasLoadProfile(settings) && readout.isPolled(settings))
    }

    @Test("without more, the command is the maker's and the load profile the usual one")
    func programmingDefaults() throws {
        let settings = try settings("mode: programming\nregisters: 1.8.0", protocol: "iec62056-21")
        #expect(settings.registers == [RegisterChoice("1.8.0")])
        #expect(settings.password == nil && settings.request == nil && settings.loadProfile == .standard)
        let off = try self.settings(
            "mode: programming\nregisters: 1.8.0\nload_profile: off", protocol: "iec62056-21")
        let readout = try #require(ProtocolRegistry.named("iec62056-21"))
        #expect(readout.hasLoadProfile(settings) && !readout.hasLoadProfile(off))
        #expect(!readout.hasLoadProfile(try self.settings("", protocol: "iec62056-21")))
    }

    @Test(
        "what programming mode cannot use names its place and what to write",
        arguments: [
            Refusal(
                meter("mode: programming", protocol: "iec62056-21"), "5:11", "meters[0].mode", "none is named",
                "registers: ["),
            Refusal(
                meter("registers: [1.8.0]", protocol: "iec62056-21"), "5:16", "meters[0].registers",
                "in programming mode only", "mode: programming"),
            Refusal(
                meter("mode: c\nrequest: r1", protocol: "iec62056-21"), "6:14", "meters[0].request",
                "in programming mode only"),
            Refusal(
                meter("mode: programming\nregisters: [1.8.0]\nrequest: w1", protocol: "iec62056-21"), "7:14",
                "meters[0].request", "`w1` is no command to read", "r1, r2, r5, r6"),
            Refusal(
                meter("mode: programming\nregisters: [\"1.8.0()\"]", protocol: "iec62056-21"), "6:16",
                "meters[0].registers", "is no code of a register"),
            Refusal(
                meter("mode: programming\nregisters: [{code: 1.8.0, class: 3}]", protocol: "iec62056-21"), "6:16",
                "meters[0].registers", "class"),
            Refusal(
                meter("mode: programming\nregisters: []", protocol: "iec62056-21"), "6:16", "meters[0].registers",
                "1 to 256 registers"),
            Refusal(
                meter("mode: programming\nregisters: [1.8.0]\nload_profile: \"P/1\"", protocol: "iec62056-21"), "7:19",
                "meters[0].load_profile", "no code of a load profile"),
            Refusal(
                meter("mode: programming\nregisters: [1.8.0]\npassword: \"1\"", protocol: "iec62056-21"), "7:15",
                "meters[0].password", "secrets do not stand in the configuration", "password_file"),
        ])
    func refusedProgramming(_ refusal: Refusal) { refusal.check(Self.loader) }

    @Test("a password that no meter can have is refused, and not shown")
    func impossiblePassword() {
        let loader = ConfigurationLoader(protocols: ProtocolRegistry.all, files: FakeFiles(texts: ["/p": "hush(1)"]))
        let text = meter("mode: programming\nregisters: [1.8.0]\npassword_file: /p", protocol: "iec62056-21")
        let found = errors(text, loader)
        #expect(found.count == 1 && "\(found)".contains("no password that a meter can have"))
        #expect(!"\(found)".contains("hush"))
    }

    // MARK: Refused

    @Test(
        "refused values name their place and what to write",
        arguments: [
            Refusal(meter("mode: e", protocol: "iec62056-21"), "5:11", "meters[0].mode", "`e` is no mode of a meter"),
            Refusal(
                meter("mode: automatic", protocol: "iec62056-21"), "5:11", "meters[0].mode", "no mode of a meter",
                "auto"),
            Refusal(meter("mode: C", protocol: "iec62056-21"), "5:11", "meters[0].mode", "no mode of a meter"),
            Refusal(meter("mode: [c]", protocol: "iec62056-21"), "5:11", "meters[0].mode", "not a list"),
            Refusal(
                meter("mode: d\ninterval: 5s\nalign: true", protocol: "iec62056-21"), "7:12", "meters[0].align",
                "talks by itself"),
            Refusal(
                meter("mode: d\nat: \"00:00\"", protocol: "iec62056-21"), "6:9", "meters[0].at", "talks by itself"),
            Refusal(
                meter("baud: 1000", protocol: "iec62056-21"), "5:11", "meters[0].baud", "1000 is no rate of a sign-on",
                "300, 600, 1200, 2400, 4800, 9600 or 19200"),
            Refusal(
                meter("baud: 115200", protocol: "iec62056-21"), "5:11", "meters[0].baud", "115200 is no rate",
                "300 to 19200"),
            Refusal(meter("baud: 0", protocol: "iec62056-21"), "5:11", "meters[0].baud", "0 is no rate"),
            Refusal(meter("baud: fast", protocol: "iec62056-21"), "5:11", "meters[0].baud", "no whole number"),
            Refusal(meter("wake_up: maybe", protocol: "iec62056-21"), "5:14", "meters[0].wake_up", "truth value"),
            Refusal(
                meter("wake_up: [true]", protocol: "iec62056-21"), "5:14", "meters[0].wake_up", "must be a mapping"),
            Refusal(
                meter("wake_up: {lines: 300 7E1}", protocol: "iec62056-21"), "5:15", "meters[0].wake_up.lines",
                "no key of a wake-up", "did you mean line?"),
            Refusal(
                meter("wake_up: {line: 2400}", protocol: "iec62056-21"), "5:21", "meters[0].wake_up.line", "no line",
                "300 7E1 or 2400 8N1"),
            Refusal(
                meter("wake_up: {duration: 2200}", protocol: "iec62056-21"), "5:25", "meters[0].wake_up.duration",
                "no duration", "2200ms"),
            Refusal(
                meter("wake_up: {duration: 11s}", protocol: "iec62056-21"), "5:25", "meters[0].wake_up.duration",
                "out of range", "100ms to 10s"),
            Refusal(
                meter("wake_up: {pause: 50ms}", protocol: "iec62056-21"), "5:22", "meters[0].wake_up.pause",
                "out of range", "100ms to 10s"),
            Refusal(
                meter("crc: x26", protocol: "dsmr-p1"), "5:10", "meters[0].crc", "`x26` is no check of a telegram",
                "did you mean x25?"),
            Refusal(
                meter("crc: false", protocol: "dsmr-p1"), "5:10", "meters[0].crc", "no check of a telegram",
                "auto, arc, x25, none"),
        ])
    func values(_ refusal: Refusal) { refusal.check(Self.loader) }

    /// A value of each key, and the column at which it begins.
    private static let keys: [(key: ProtocolKey, line: String, column: Int)] = [
        (.profile, "profile: lg-e450", 14), (.encryptionKey, "encryption_key_file: key", 26),
        (.authenticationKey, "authentication_key_file: key", 30), (.address, "address: 1", 14),
        (.secondary, "secondary: \"12345678\"", 16), (.mode, "mode: c", 11),
        (.baud, "baud: 9600", 11), (.wakeUp, "wake_up: true", 14), (.crc, "crc: arc", 10),
        (.subMeters, "sub_meters: []", 17), (.password, "password_file: key", 20),
        (.registers, "registers: [\"1-0:1.8.0*255\"]", 16), (.loadProfile, "load_profile: off", 19),
        (.client, "client: 1", 13), (.server, "server: 1", 13), (.security, "security: none", 15),
        (.ciphering, "ciphering: none", 16), (.framing, "framing: hdlc", 14),
        (.systemTitle, "system_title: 4F42534400000001", 19), (.dedicatedKey, "dedicated_key: true", 20),
        (.invocationCounter, "invocation_counter: off", 25), (.request, "request: r5", 14),
    ]

    @Test("a protocol refuses the keys of the others", arguments: ProtocolRegistry.all.map(\.name))
    func foreign(name: String) throws {
        let understood = try #require(ProtocolRegistry.named(name)).keys
        #expect(Self.keys.map(\.key) == ProtocolKey.allCases)
        let foreign = Self.keys.filter { !understood.contains($0.key) }
        #expect(!foreign.isEmpty)
        for (_, line, column) in foreign {
            let key = line.prefix { $0 != ":" }
            // Whom the master of a bus asks has to be said.
            let address = name == "mbus" ? "\naddress: 1" : ""
            Refusal(
                meter(line + address, protocol: name), "5:\(column)", "meters[0].\(key)",
                "has no meaning for the protocol \(name)", "leave the key out"
            ).check(Self.loader)
        }
    }

    // MARK: Lines that cannot be set

    /// Settings that change the speed, and a word of why.
    private static let changes: [(keys: String, reason: String)] = [
        ("mode: b", "mode B changes the speed"), ("baud: 600", "up to 600 baud"), ("baud: 19200", "up to 19200 baud"),
        ("mode: c, baud: 9600", "up to 9600 baud"),
        ("wake_up: {line: 2400 8N1}", "the wake-up has a line of its own (2400 8N1)"),
        ("mode: a, wake_up: {line: 2400 8N1}", "the wake-up has a line of its own"),
    ]

    private static func stanza(_ transport: String, _ keys: String) -> String {
        "meters: [{id: m, protocol: iec62056-21, transport: {\(transport)}\(keys.isEmpty ? "" : ", ")\(keys)}]"
    }

    @Test("a link without a line is refused where the speed changes", arguments: changes.indices)
    func withoutLine(index: Int) {
        let (keys, reason) = Self.changes[index]
        for transport in [
            "tcp: \"h:1\"", "udp: \"h:1\"", "listen: \"tcp://:1\", from: [10.0.0.1]",
        ] {
            Refusal(
                Self.stanza(transport, keys), "1:52", "meters[0].transport", "cannot be used, since", reason,
                "`serial:`", "`rfc2217:`"
            ).check(Self.loader)
        }
    }

    @Test("a line that can be set from here, and a recording, are accepted", arguments: changes.indices)
    func withLine(index: Int) {
        for transport in ["serial: /dev/ttyUSB0", "rfc2217: \"h:1\"", "file: recording"] {
            #expect(errors(Self.stanza(transport, Self.changes[index].keys), Self.loader) == [], "\(transport)")
        }
    }

    @Test(
        "a link without a line will do where the speed stays",
        arguments: [
            "", "mode: a", "mode: c", "mode: d", "baud: 300", "mode: a, baud: 9600", "wake_up: true",
            "wake_up: {line: 300 7E1}", "mode: c, baud: 300, wake_up: {pause: 2s}",
        ])
    func constant(keys: String) {
        #expect(errors(Self.stanza("tcp: \"h:1\"", keys), Self.loader) == [])
    }
}
