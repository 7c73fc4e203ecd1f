import COSEM
import MeterSimulator
import OBIS
import Testing
import Wire

/// The client against a simulated meter that was written without it.
@Suite("DLMS client")
struct DLMSClientTests {
    static let encryption = Secret(Array(0..<16))
    static let authentication = Secret(Array(0xD0...0xDF))
    static let password = Secret(Array("12345678".utf8))

    struct Security: Sendable, CustomTestStringConvertible {
        var mechanism: AuthenticationMechanism
        var ciphering: MessageCiphering
        var dedicated = false

        var testDescription: String { "\(mechanism.name) \(ciphering.rawValue)\(dedicated ? " dedicated" : "")" }
    }

    static let securities =
        AuthenticationMechanism.allCases.flatMap { mechanism in
            [MessageCiphering.none, .both].map { Security(mechanism: mechanism, ciphering: $0) }
        } + [
            Security(mechanism: .hlsGMAC, ciphering: .authentication),
            Security(mechanism: .hlsGMAC, ciphering: .encryption),
            Security(mechanism: .lls, ciphering: .both, dedicated: true),
            Security(mechanism: .hlsGMAC, ciphering: .both, dedicated: true),
        ]

    static let registers = [
        WantedRegister(ObisCode(1, 0, 1, 8, 0)), WantedRegister(ObisCode(1, 0, 2, 8, 0)),
        WantedRegister(ObisCode(1, 0, 16, 7, 0)), WantedRegister(ObisCode(1, 0, 32, 7, 0)),
        WantedRegister(ObisCode(1, 0, 1, 6, 0)), WantedRegister(ObisCode(1, 0, 1, 4, 0)),
    ]

    static func settings(
        _ security: Security = Security(mechanism: .none, ciphering: .none),
        framing: ClientSettings.Framing = .wrapper
    ) -> ClientSettings {
        ClientSettings(
            framing: framing, client: 1, mechanism: security.mechanism, password: password,
            ciphering: security.ciphering, keys: CipheringKeys(encryption: encryption, authentication: authentication),
            usesDedicatedKey: security.dedicated, registers: registers,
            line: framing == .hdlc ? LineSettings(baud: 9600) : nil)
    }

    static func server(
        _ security: Security = Security(mechanism: .none, ciphering: .none), faults: DLMSServer.Faults = .init(),
        change: (inout DLMSServer.Configuration) -> Void = { _ in }
    ) -> DLMSServer {
        var configuration = DLMSServer.Configuration()
        configuration.clients = [
            DLMSServer.Client(
                address: 1, mechanism: DLMSServer.Mechanism(rawValue: security.mechanism.rawValue) ?? .none,
                secret: password, keys: DLMSServer.Keys(encryption: encryption, authentication: authentication),
                isCiphered: security.ciphering != .none)
        ]
        switch security.ciphering {
        case .authentication: configuration.securityControl = 0x10
        case .encryption: configuration.securityControl = 0x20
        case .none, .both: configuration.securityControl = 0x30
        }
        change(&configuration)
        return DLMSServer(configuration: configuration, faults: faults)
    }

    static func meter(_ server: DLMSServer, _ framing: ClientSettings.Framing = .wrapper) -> DLMSMeter {
        DLMSMeter(server: server, framing: framing == .wrapper ? .wrapper : .hdlc)
    }

    // MARK: Reading

    @Test(
        "reads a meter over each framing at each level of security", arguments: securities,
        ClientSettings.Framing.allCases)
    func reads(security: Security, framing: ClientSettings.Framing) throws {
        var bench = ClientBench(
            Self.settings(security, framing: framing), Self.meter(Self.server(security), framing))
        for _ in 0..<3 {
            let error = bench.poll()
            #expect(error == nil, "\(error.map(\.description) ?? "")")
            let telegram = try #require(bench.telegrams.first)
            #expect(bench.telegrams.count == 1 && bench.rejected.isEmpty)
            let energy = telegram.registers.first { $0.obis == ObisCode(1, 0, 1, 8, 0) }
            #expect(energy?.value.number == FixedDecimal(Int64(bench.house.imported)) && energy?.unit == .wattHour)
            let voltage = telegram.registers.first { $0.obis == ObisCode(1, 0, 32, 7, 0) }
            #expect(voltage?.unit == .volt && voltage?.value.number != nil)
            #expect(telegram.meterTime != nil && telegram.meter.id != nil)
            #expect(Set(telegram.registers.compactMap(\.obis)).isSuperset(of: Self.registers.map(\.name)))
            if security.ciphering == .both { #expect(telegram.ciphering?.isAuthenticated == true) }
        }
        #expect(bench.meter.server.memory.writesAttempted == 0)
        #expect(bench.lines.allSatisfy { $0 == LineSettings(baud: 9600) })
    }

    @Test("learns scales once and asks in few requests")
    func fewRequests() {
        var bench = ClientBench(Self.settings(), Self.meter(Self.server()))
        _ = bench.poll()
        let first = (requests: bench.meter.server.memory.requests, bytes: bench.sent.reduce(0) { $0 + $1.count })
        _ = bench.poll()
        // AARQ, one GET of all values, one of the capture time of the maximum, RLRQ.
        #expect(bench.meter.server.memory.requests - first.requests == 4)
        #expect(bench.sent.reduce(0) { $0 + $1.count } < 2 * first.bytes - 50)
    }

    @Test("reads what the meter lists where nothing is named")
    func lists() throws {
        var settings = Self.settings()
        settings.registers = []
        var bench = ClientBench(settings, Self.meter(Self.server()))
        #expect(bench.poll() == nil)
        let codes = Set(try #require(bench.telegrams.first).registers.compactMap(\.obis?.description))
        #expect(codes.isSuperset(of: ["1-0:1.8.0*255", "1-0:2.8.0*255", "1-0:16.7.0*255", "1-0:31.7.0*255"]))
    }

    @Test("a small meter is asked in blocks, and one by one", arguments: [64, 128, 300], [true, false])
    func smallSizes(size: Int, hasLists: Bool) throws {
        let server = Self.server {
            $0.pduSize = size
            if !hasLists { $0.conformance.remove(.multipleReferences) }
        }
        var bench = ClientBench(Self.settings(framing: .hdlc), Self.meter(server, .hdlc))
        let error = bench.poll()
        #expect(error == nil, "\(error.map(\.description) ?? "")")
        let codes = Set(try #require(bench.telegrams.first).registers.compactMap(\.obis))
        #expect(codes.isSuperset(of: Self.registers.map(\.name)))
    }

    @Test(
        "reads any attribute of any class that is named, each part of it by its position",
        arguments: [
            (ObisCode(0, 0, 25, 9, 0), UInt16(40), UInt8(2)), (ObisCode(0, 0, 43, 0, 0), 64, 2),
            (ObisCode(0, 0, 40, 0, 0), 15, 2), (ObisCode(1, 0, 99, 1, 0), 7, 3), (ObisCode(1, 0, 99, 1, 0), 7, 4),
        ])
    func anyClass(name: ObisCode, interfaceClass: UInt16, attribute: UInt8) throws {
        var settings = Self.settings(framing: .hdlc)
        settings.registers = [WantedRegister(name, interfaceClass: interfaceClass, attribute: attribute)]
        var bench = ClientBench(settings, Self.meter(Self.server(), .hdlc))
        #expect(bench.poll() == nil)
        let parts = try #require(bench.telegrams.first).registers.filter { $0.obis == name }
        #expect(!parts.isEmpty)
        if parts.count > 1 { #expect(parts.map(\.index) == parts.indices.map { $0 }) }
    }

    @Test("frames in windows, and long messages in segments", arguments: [UInt8(1), 3, 7])
    func windows(window: UInt8) throws {
        var settings = Self.settings(framing: .hdlc)
        settings.registers = []
        settings.window = window
        var link = DLMSMeter.LinkConfiguration()
        (link.maximumTransmit, link.maximumReceive) = (32, 32)
        (link.transmitWindow, link.receiveWindow) = (Int(window), Int(window))
        var bench = ClientBench(settings, DLMSMeter(server: Self.server(), framing: .hdlc, link: link))
        let error = bench.poll()
        #expect(error == nil, "\(error.map(\.description) ?? "")")
        #expect(bench.telegrams.count == 1 && bench.waited == .zero)
    }

    @Test("general block transfer")
    func generalBlocks() throws {
        let server = Self.server {
            $0.pduSize = 128
            $0.conformance = [.generalBlockTransfer, .get, .multipleReferences, .action, .selectiveAccess]
        }
        var bench = ClientBench(Self.settings(), Self.meter(server))
        let error = bench.poll()
        #expect(error == nil, "\(error.map(\.description) ?? "")")
        #expect(bench.telegrams.count == 1)
    }

    @Test("one object that is refused costs itself only")
    func refusedObject() throws {
        let server = Self.server { $0.refusals = [ObisCode(1, 0, 2, 8, 0): .scopeOfAccessViolated] }
        var bench = ClientBench(Self.settings(), Self.meter(server))
        #expect(bench.poll() == nil)
        let telegram = try #require(bench.telegrams.first)
        #expect(telegram.registers.contains { $0.obis == ObisCode(1, 0, 1, 8, 0) })
        #expect(!telegram.registers.contains { $0.obis == ObisCode(1, 0, 2, 8, 0) })
        #expect(telegram.warnings.contains { $0.contains("1-0:2.8.0*255") && $0.contains("scope") })
    }

    // MARK: Secrets

    @Test("a wrong password, a wrong key and a missing security each end in their sentence")
    func wrongSecrets() {
        func error(_ security: Security, _ change: (inout ClientSettings) -> Void) -> WireError? {
            var settings = Self.settings(security)
            change(&settings)
            var bench = ClientBench(settings, Self.meter(Self.server(security)))
            let error = bench.poll()
            #expect(bench.telegrams.isEmpty)
            return error
        }
        let lls = Security(mechanism: .lls, ciphering: .none)
        let password = error(lls) { $0.password = Secret(Array("87654321".utf8)) }
        #expect(password?.code == .authentication && password?.message.contains("password") == true)
        #expect(error(lls) { $0.mechanism = .none }?.code == .authentication)
        for mechanism: AuthenticationMechanism in [.hlsMD5, .hlsSHA1, .hlsSHA256] {
            let wrong = error(Security(mechanism: mechanism, ciphering: .none)) {
                $0.password = Secret(Array("87654321".utf8))
            }
            #expect(wrong?.code == .authentication, "\(mechanism)")
        }
        let ciphered = Security(mechanism: .hlsGMAC, ciphering: .both)
        let key = error(ciphered) { $0.keys.encryption = Secret(Array(repeating: 9, count: 16)) }
        #expect(key != nil && key?.message.contains("key") == true, "\(key.map(\.description) ?? "")")
        let second = error(ciphered) { $0.keys.authentication = Secret(Array(repeating: 9, count: 16)) }
        #expect(second != nil, "\(second.map(\.description) ?? "")")
        let context = error(ciphered) { $0.ciphering = .none }
        #expect(context != nil, "\(context.map(\.description) ?? "")")
    }

    @Test(
        "a counter that is too low is corrected, whether the meter tells it before or by a refusal",
        arguments: [true, false])
    func counters(isAsked: Bool) {
        let security = Security(mechanism: .hlsGMAC, ciphering: .both)
        var settings = Self.settings(security)
        if !isAsked { settings.counterObject = nil }
        let server = Self.server(security) { $0.clientCounters = [1: 5000] }
        var bench = ClientBench(settings, Self.meter(server))
        let error = bench.poll()
        #expect(error == nil, "\(error.map(\.description) ?? "")")
        #expect(bench.telegrams.count == 1)
    }

    @Test("invocation counters rise over crashes, and nothing is sent without one that is kept")
    func countersOverCrashes() throws {
        let security = Security(mechanism: .hlsGMAC, ciphering: .both)
        let settings = Self.settings(security)
        var bench = ClientBench(settings, Self.meter(Self.server(security)))
        var highest: UInt32 = 0
        for _ in 0..<4 {
            #expect(bench.poll() == nil)
            let used = try #require(bench.meter.server.memory.clientCounters[1])
            #expect(used > highest)
            let reserved = try #require(bench.kept.last)
            #expect(reserved[1...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } > used)
            highest = used
            bench.restart(settings)
        }
        bench.keepsState = false
        let sent = bench.sent.count
        #expect(bench.poll()?.code == .limit)
        #expect(bench.sent.count == sent)
    }

    // MARK: Load profile

    @Test(
        "reads the entries of a span over each framing and security", arguments: [securities[0], securities[9]],
        ClientSettings.Framing.allCases)
    func profile(security: Security, framing: ClientSettings.Framing) throws {
        let server = Self.server(security) { $0.pduSize = 256 }
        var bench = ClientBench(Self.settings(security, framing: framing), Self.meter(server, framing))
        let end = bench.time.localSeconds / 900 * 900
        let error = bench.readProfile(ProfileSpan(after: end - 7200, through: end))
        #expect(error == nil, "\(error.map(\.description) ?? "")")
        #expect(bench.telegrams.compactMap(\.intervalEnd?.localSeconds) == (1...8).map { end - 7200 + 900 * $0 })
        let energies = bench.telegrams.compactMap { telegram in
            telegram.registers.first { $0.obis == ObisCode(1, 0, 1, 8, 0) }
        }
        #expect(energies.count == 8 && energies.allSatisfy { $0.unit == .wattHour })
        #expect(bench.poll() == nil && bench.telegrams.first?.intervalEnd == nil)
        #expect(bench.meter.server.memory.writesAttempted == 0)
    }

    @Test("times that are left out follow from the period")
    func nullTimes() {
        let server = Self.server { $0.profile.omitsClock = true }
        var bench = ClientBench(Self.settings(), Self.meter(server))
        let end = bench.time.localSeconds / 900 * 900
        #expect(bench.readProfile(ProfileSpan(after: end - 3600, through: end)) == nil)
        #expect(bench.telegrams.compactMap(\.intervalEnd?.localSeconds) == (1...4).map { end - 3600 + 900 * $0 })
    }

    @Test("a meter without a load profile says so")
    func noProfile() {
        let server = Self.server { $0.refusals = [ObisCode(1, 0, 99, 1, 0): .objectUndefined] }
        var bench = ClientBench(Self.settings(), Self.meter(server))
        #expect(bench.readProfile(ProfileSpan(after: 0, through: bench.time.localSeconds))?.code == .unsupported)
        #expect(bench.poll() == nil)
    }

    // MARK: Misbehaviour

    struct Fault: Sendable, CustomTestStringConvertible {
        let name: String
        let framing: ClientSettings.Framing
        let security: Security
        let change: @Sendable (inout DLMSServer.Faults) -> Void
        /// Whether the poll in which it happens brings a reading all the same.
        let isSurvived: Bool

        var testDescription: String { "\(name) \(framing.rawValue)" }
    }

    static let plain = securities[0]
    static let ciphered = Security(mechanism: .hlsGMAC, ciphering: .both)
    static let faults: [Fault] = [
        Fault(name: "lost frame", framing: .hdlc, security: plain, change: { $0.lostFrame = 3 }, isSurvived: true),
        Fault(name: "lost UA", framing: .hdlc, security: plain, change: { $0.lostFrame = 1 }, isSurvived: true),
        Fault(name: "wrong FCS", framing: .hdlc, security: plain, change: { $0.wrongCheckFrame = 3 }, isSurvived: true),
        Fault(
            name: "repeated frame", framing: .hdlc, security: plain, change: { $0.repeatedFrame = 3 }, isSurvived: true),
        Fault(name: "noise", framing: .hdlc, security: plain, change: { $0.noise = 3 }, isSurvived: true),
        Fault(
            name: "frame reject", framing: .hdlc, security: plain, change: { $0.frameRejects = 1 }, isSurvived: false),
        Fault(name: "lost message", framing: .wrapper, security: plain, change: { $0.lostFrame = 2 }, isSurvived: true),
        Fault(
            name: "repeated message", framing: .wrapper, security: plain, change: { $0.repeatedFrame = 2 },
            isSurvived: true),
        Fault(
            name: "another invoke id", framing: .wrapper, security: plain, change: { $0.wrongInvokeIDs = 1 },
            isSurvived: true),
        Fault(
            name: "notification", framing: .wrapper, security: plain, change: { $0.notifications = 2 }, isSurvived: true
        ),
        Fault(
            name: "notification", framing: .hdlc, security: plain, change: { $0.notifications = 1 }, isSurvived: true),
        Fault(
            name: "wrong tag", framing: .wrapper, security: ciphered, change: { $0.wrongTags = 1 }, isSurvived: false),
        Fault(
            name: "counter goes back", framing: .wrapper, security: Security(mechanism: .lls, ciphering: .both),
            change: { $0.repeatedCounters = 2 },
            isSurvived: false),
        Fault(
            name: "refused association", framing: .wrapper, security: plain, change: { $0.refusedAssociations = 1 },
            isSurvived: false),
        Fault(
            name: "closed in the middle", framing: .wrapper, security: plain, change: { $0.closedFrame = 2 },
            isSurvived: false),
    ]

    @Test("a fault costs at most its own poll, and the next one brings a reading", arguments: faults)
    func misbehaves(fault: Fault) {
        var faults = DLMSServer.Faults()
        fault.change(&faults)
        var bench = ClientBench(
            Self.settings(fault.security, framing: fault.framing),
            Self.meter(Self.server(fault.security, faults: faults), fault.framing))
        let error = bench.poll()
        #expect((error == nil) == fault.isSurvived, "\(error.map(\.description) ?? "no error")")
        #expect(bench.telegrams.count == (fault.isSurvived ? 1 : 0))
        bench.give(.opened)
        let next = bench.poll()
        #expect(next == nil, "\(next.map(\.description) ?? "")")
        #expect(bench.telegrams.count == 1 && bench.meter.server.memory.writesAttempted == 0)
    }

    @Test("a silent meter costs its time-outs and no more", arguments: ClientSettings.Framing.allCases, [1, 2, 3])
    func silence(framing: ClientSettings.Framing, request: Int) {
        var faults = DLMSServer.Faults()
        faults.silentFromRequest = request
        var bench = ClientBench(
            Self.settings(framing: framing), Self.meter(Self.server(faults: faults), framing))
        #expect(bench.poll()?.code == .timeout)
        #expect(bench.waited < .seconds(120))
    }

    @Test("a counter far ahead of what is known is refused, not followed")
    func hostileCounter() throws {
        var bench = ClientBench(Self.settings(Self.ciphered), Self.meter(Self.server(Self.ciphered)))
        #expect(bench.poll() == nil)
        let kept = try #require(bench.kept.last)
        let wrapped: [UInt8] = [0, 1, 0, 1, 0, 1, 0, 7, 0xD8, 1, 6, 0xFF, 0xFF, 0xFF, 0]
        bench.interrupt(with: wrapped)
        #expect(bench.poll()?.code == .authentication)
        #expect(bench.kept.last == kept)
        #expect(bench.poll() == nil && bench.telegrams.count == 1)
    }

    @Test("what comes behind the end of a conversation begins no other one", arguments: ClientSettings.Framing.allCases)
    func rubbishBehindTheEnd(framing: ClientSettings.Framing) {
        var bench = ClientBench(Self.settings(framing: framing), Self.meter(Self.server(), framing))
        bench.trailer = { answer in
            if framing == .hdlc { return [0x7E, 0xA0, 0x07] }
            // Behind the answer to the release.
            return answer.suffix(2) == [0x63, 0x00] ? [0xFF, 0xFF, 0, 0, 0, 0, 0, 0] : []
        }
        #expect(bench.poll() == nil && bench.telegrams.count == 1)
        let sent = bench.sent.count
        bench.give(.timer)
        #expect(bench.sent.count == sent)
        #expect(bench.poll() == nil && bench.telegrams.count == 1)
    }
}
