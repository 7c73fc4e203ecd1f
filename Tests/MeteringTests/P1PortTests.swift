import IEC62056
import MeterSimulator
import Metering
import OBIS
import Testing
import Wire

/// What stands on a P1 port: plain telegrams, ciphered ones, or both.
@Suite("A P1 port")
struct P1PortTests {
    private static let plain = Recordings.telegram(.v50).bytes
    private static let ciphered = Recordings.telegram(.v50, encrypted: true).bytes
    private static let keys = ProtocolSettings(
        encryptionKey: Recordings.encryptionKey, authenticationKey: Recordings.authenticationKey)

    private static func findings(_ chunks: [[UInt8]], _ settings: ProtocolSettings = ProtocolSettings()) throws
        -> Findings
    {
        try Findings(
            Recording(protocolName: "dsmr-p1", name: "", settings: settings, bytes: []), chunks)
    }

    @Test("a ciphered telegram has the values of the plain one, and says how it was protected")
    func same() throws {
        let plain = try #require(try Self.findings([Self.plain]).telegrams.first)
        let ciphered = try #require(try Self.findings([Self.ciphered], Self.keys).telegrams.first)
        #expect(plain.content == ciphered.content && plain.meter == ciphered.meter)
        #expect(plain.meterTime == ciphered.meterTime && plain.meter.id == "E0012345678901234")
        #expect(plain.ciphering == nil && plain.warnings == [] && ciphered.warnings == [])
        #expect(ciphered.ciphering?.securityControl == 0x30 && ciphered.ciphering?.isAuthenticated == true)
        #expect(ciphered.ciphering?.systemTitle.starts(with: "ISK".utf8) == true)
    }

    /// A ciphered telegram under other keys, and the error.
    private static let refusals: [(name: String, settings: ProtocolSettings, code: WireError.Code)] = [
        ("no key", ProtocolSettings(), .keyMissing),
        (
            "the authentication key alone", ProtocolSettings(authenticationKey: Recordings.authenticationKey),
            .keyMissing
        ),
        ("another encryption key", ProtocolSettings(encryptionKey: Recordings.authenticationKey), .decryption),
        (
            "both keys exchanged",
            ProtocolSettings(
                encryptionKey: Recordings.authenticationKey, authenticationKey: Recordings.encryptionKey), .decryption
        ),
        (
            "another authentication key",
            ProtocolSettings(encryptionKey: Recordings.encryptionKey, authenticationKey: Recordings.encryptionKey),
            .authentication
        ),
    ]

    @Test("a ciphered telegram without the right keys is one error of its own kind", arguments: refusals.indices)
    func refused(row: Int) throws {
        let (name, settings, code) = Self.refusals[row]
        for chunks in [[Self.ciphered], Self.ciphered.map { [$0] }] {
            let findings = try Self.findings(chunks, settings)
            #expect(findings.telegrams == [] && findings.errors.map(\.code) == [code], "\(name)")
        }
        // What follows in plain text is read.
        let followed = try Self.findings([Self.ciphered + Self.plain], settings)
        #expect(followed.telegrams.count == 1 && followed.errors.map(\.code) == [code], "\(name)")
    }

    @Test("less protection than is configured is a warning")
    func weakness() throws {
        let plain = try Self.findings([Self.plain], Self.keys).telegrams
        #expect(plain.count == 1 && plain.first?.warnings.count == 1)
        #expect(plain.first?.warnings.first?.contains("not encrypted") == true)
        var meter = P1Meter(configuration: .init(encryptionKey: Recordings.encryptionKey))
        let bytes = meter.telegram(Household(seed: 7), time: MeterTime(localSeconds: 0), isSummer: false)
        let untagged = try Self.findings([bytes], Self.keys).telegrams
        #expect(untagged.count == 1 && untagged.first?.warnings.count == 1)
        #expect(untagged.first?.warnings.first?.contains("no authentication tag") == true)
        let expected = try Self.findings([bytes], ProtocolSettings(encryptionKey: Recordings.encryptionKey))
        #expect(expected.telegrams.first?.warnings == [])
    }

    @Test("plain and ciphered telegrams on one line are each read, in their order")
    func mixed() throws {
        let line = [Self.plain, Self.ciphered, Self.ciphered, Self.plain, Self.plain, Self.ciphered]
        let expected = [false, true, true, false, false, true]
        let bytes = line.flatMap { $0 }
        let sevens = stride(from: 0, to: bytes.count, by: 7).map { Array(bytes[$0..<min($0 + 7, bytes.count)]) }
        for chunks in [line, [bytes], bytes.map { [$0] }, sevens] {
            let findings = try Self.findings(chunks, Self.keys)
            #expect(findings.telegrams.map { $0.ciphering != nil } == expected)
            #expect(Set(findings.telegrams.map(\.content)).count == 1)
            #expect(findings.errors.isEmpty && findings.noise == 0 && findings.isIdleAtEnd)
        }
    }

    @Test("a plain telegram that a ciphered one interrupts costs itself alone")
    func interrupted() throws {
        for count in [1, 20, Self.plain.count / 2, Self.plain.count - 8] {
            let findings = try Self.findings([Self.plain.prefix(count) + Self.ciphered + Self.plain], Self.keys)
            #expect(findings.telegrams.map { $0.ciphering != nil } == [true, false], "cut at \(count)")
            #expect(findings.errors.map(\.code) == [.truncated] || count == 1, "cut at \(count)")
        }
    }

    @Test("plain and ciphered telegrams may be cut into datagrams, and one that is not whole is given up in silence")
    func datagrams() throws {
        for bytes in [Self.plain, Self.ciphered] {
            var session = try #require(ProtocolRegistry.named("dsmr-p1")).makeSession(Self.keys)
            func findings(_ events: [SessionEvent]) -> (telegrams: Int, errors: [WireError.Code]) {
                events.flatMap { session.handle($0) }.reduce(into: (0, [])) { found, action in
                    if case .emit = action { found.0 += 1 }
                    if case .reject(let error) = action { found.1.append(error.code) }
                }
            }
            let pieces = stride(from: 0, to: bytes.count, by: 100).map { Array(bytes[$0..<min($0 + 100, bytes.count)]) }
            let whole = findings([.opened] + pieces.flatMap { [.received($0), .boundary] })
            #expect(whole.telegrams == 1 && whole.errors == [])
            let part = findings(pieces.dropLast().flatMap { [.received($0), .boundary] } + [.timer])
            #expect(part.telegrams == 0 && part.errors == [.truncated])
        }
    }

    @Test("a ciphered message that holds no telegram is no reading, whoever sent it")
    func otherContent() throws {
        let push = Recordings.push(
            .objects, "", Recordings.encryptionKey, Recordings.authenticationKey, carrier: .apdu)
        let findings = try Self.findings([push.bytes + Self.plain], Self.keys)
        #expect(findings.telegrams.map { $0.ciphering == nil } == [true] && findings.errors.count == 1)
    }

    @Test("the configured check is that of plain and of ciphered telegrams")
    func checksums() throws {
        for encryptionKey in [nil, Recordings.encryptionKey] {
            for (sent, configured, isRead) in [
                (.x25, .auto, true), (.x25, .x25, true), (.x25, .arc, false), (.arc, .x25, false),
                (.none, .none, true), (.none, .arc, false),
            ] as [(P1Checksum, P1Checksum, Bool)] {
                var meter = P1Meter(configuration: .init(version: .v50, checksum: sent, encryptionKey: encryptionKey))
                let bytes = meter.telegram(Household(seed: 7), time: MeterTime(localSeconds: 0), isSummer: false)
                var settings = ProtocolSettings(encryptionKey: encryptionKey)
                settings.checksum = configured
                let findings = try Self.findings([bytes], settings)
                #expect(findings.telegrams.count == (isRead ? 1 : 0), "\(sent) as \(configured)")
                #expect(findings.errors.count == (isRead ? 0 : 1), "\(sent) as \(configured)")
            }
        }
    }

    // MARK: Sub-meters

    @Test("the protocol tells the devices behind the meter, also of ciphered telegrams")
    func subMeters() throws {
        let p1 = try #require(ProtocolRegistry.named("dsmr-p1"))
        for (bytes, settings) in [(Self.plain, ProtocolSettings()), (Self.ciphered, Self.keys)] {
            let telegram = try #require(try Self.findings([bytes], settings).telegrams.first)
            let parts = p1.subMeters(telegram)
            #expect(parts.map(\.channel) == [1])
            let gas = try #require(parts.first?.telegram)
            #expect(gas.meter == MeterIdentity(id: "G0012345678901234", medium: .gas))
            #expect(gas.ciphering == telegram.ciphering)
            // 2026-01-15T12:34:56 told every five minutes, a thousandth of a cubic metre in each minute of the year.
            #expect(gas.meterTime?.local == "2026-01-15T12:30:00")
            #expect(gas.registers.map(\.code) == ["0-1:24.1.0", "0-1:96.1.0", "0-1:24.2.1"])
            #expect(gas.registers.last?.unit == .cubicMetre && gas.registers.last?.time == gas.meterTime)
            #expect(p1.mapping.values(of: gas.registers, medium: .gas)[.volume] == gas.registers.last?.value.number)
        }
    }

    @Test("a telegram without a device on a channel has none, and other protocols have none at all")
    func noSubMeters() throws {
        var meter = P1Meter(configuration: .init(hasGasMeter: false))
        let bytes = meter.telegram(Household(seed: 7), time: MeterTime(localSeconds: 0), isSummer: false)
        let telegram = try #require(try Self.findings([bytes]).telegrams.first)
        let withGas = try #require(try Self.findings([Self.plain]).telegrams.first)
        for item in ProtocolRegistry.all {
            #expect(item.subMeters(telegram) == [], "\(item.name)")
            #expect(item.subMeters(withGas).isEmpty == (item.name != "dsmr-p1"), "\(item.name)")
            #expect(item.keys.contains(.subMeters) == (item.name == "dsmr-p1"), "\(item.name)")
        }
    }
}
