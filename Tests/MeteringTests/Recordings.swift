import COSEM
import Configuration
import IEC62056
import MBus
import MeterSimulator
import Metering
import OBIS
import Wire

/// One whole message of a simulated meter, as it stands on the wire.
struct Recording: Sendable, CustomStringConvertible {
    let protocolName: String
    /// What is special about it.
    let name: String
    let settings: ProtocolSettings
    let bytes: [UInt8]
    /// What stands between two messages of a good line.
    var pause: [UInt8] = []
    /// Whether the message has a check that notices every single flipped bit.
    var hasCheck = true
    /// Whether nothing but the silence behind it ends the message.
    var endsWithSilence = false
    /// Whether the link itself tells where a damaged message ends: a datagram, a connection, silence.
    var isDelimited = false
    /// Whether most of it begins and ends a connection: damage there costs no value.
    var isExchange = false

    var description: String { "\(protocolName), \(name)" }

    func makeDecoder() throws -> any Framer<Telegram> {
        guard let meterProtocol = ProtocolRegistry.named(protocolName) else { throw NoSuchProtocol(name: protocolName) }
        return meterProtocol.makeDecoder(settings)
    }

    struct NoSuchProtocol: Error {
        let name: String
    }
}

/// What the simulator says in each protocol. A protocol without an entry fails the conformance suite.
enum Recordings {
    static let all: [Recording] = pushes + carriers + readouts + telegrams + files + answers + exchanges

    // MARK: Pushes

    static let encryptionKey = Secret((0..<16).map { UInt8($0) })
    static let authenticationKey = Secret((0..<16).map { 0xD0 + UInt8($0) })

    private static let pushes: [Recording] = PushMeter.List.allCases.flatMap { list in
        [push(list, "plain"), push(list, "20", encryptionKey), push(list, "30", encryptionKey, authenticationKey)]
    }

    static func push(
        _ list: PushMeter.List, _ name: String, _ encryption: Secret? = nil, _ authentication: Secret? = nil,
        carrier: PushMeter.Carrier = .hdlc
    ) -> Recording {
        var meter = PushMeter(
            configuration: PushMeter.Configuration(
                list: list, carrier: carrier, encryptionKey: encryption, authenticationKey: authentication),
            counter: 0x123)
        let bytes = meter.push(Household(seed: 7), time: MeterTime(localSeconds: 1_768_480_496))
        let profile =
            switch list {
            case .objects: "lg-e450"
            case .pairs: "lg-e450-steiermark"
            case .bare: "lg-e450-burgenland"
            }
        return Recording(
            protocolName: "dlms-push", name: "\(list.rawValue) \(name) \(carrier.rawValue)",
            settings: ProtocolSettings(
                profile: ShippedProfiles.named(profile), encryptionKey: encryption, authenticationKey: authentication),
            bytes: Array(bytes.dropLast(carrier.pause.count)), pause: carrier.pause,
            // Frames have checks; without one, a tag is the only check.
            hasCheck: ![.wrapper, .llc, .apdu].contains(carrier) || authentication != nil,
            endsWithSilence: carrier.endsWithSilence,
            isDelimited: carrier.endsWithSilence || carrier == .wrapper)
    }

    private static let carriers: [Recording] = PushMeter.Carrier.allCases.filter { $0 != .hdlc }.flatMap { carrier in
        [
            push(.objects, "plain", carrier: carrier),
            push(.pairs, "30", encryptionKey, authenticationKey, carrier: carrier),
        ]
    }

    // MARK: Telegrams

    private static let telegrams: [Recording] =
        P1Meter.Version.allCases.map { telegram($0) } + [
            telegram(.v50, encrypted: true)
        ]

    static func telegram(_ version: P1Meter.Version, encrypted: Bool = false) -> Recording {
        var meter = P1Meter(
            configuration: P1Meter.Configuration(
                version: version, encryptionKey: encrypted ? encryptionKey : nil,
                authenticationKey: encrypted ? authenticationKey : nil))
        return Recording(
            protocolName: "dsmr-p1", name: "\(version.rawValue)\(encrypted ? " encrypted" : "")",
            settings: ProtocolSettings(
                encryptionKey: encrypted ? encryptionKey : nil, authenticationKey: encrypted ? authenticationKey : nil),
            bytes: meter.telegram(
                Household(seed: 7), time: MeterTime(localSeconds: 1_768_480_496), isSummer: false),
            // DSMR 2.2 has none.
            hasCheck: version != .v22)
    }

    // MARK: SML

    private static let files: [Recording] = [("EMH", false), ("HLY", true)].map { maker, usesKermit in
        var meter = SMLMeter(configuration: SMLMeter.Configuration(manufacturer: maker, usesKermit: usesKermit))
        return Recording(
            protocolName: "sml", name: maker, settings: ProtocolSettings(),
            bytes: meter.push(Household(seed: 7), time: MeterTime(localSeconds: 1_768_480_496)))
    }

    // MARK: M-Bus

    private static let answers: [Recording] =
        MBusSlave.Kind.allCases.flatMap { kind in
            MBusSlave.Structure.allCases.map { answer(.init(kind: kind, structure: $0)) }
        } + [answer(.init(kind: .electricity, telegrams: 3))]

    /// The answer to one request of a master.
    static func answer(_ configuration: MBusSlave.Configuration) -> Recording {
        var slave = MBusSlave(configuration: configuration)
        let request = ShortFrame.requestData(configuration.address, frameCountBit: true).encoded()
        let answers = slave.receive(
            request, house: Household(seed: 7), time: MeterTime(localSeconds: 1_768_480_496))
        return Recording(
            protocolName: "mbus",
            name:
                "\(configuration.kind) \(configuration.structure)\(configuration.telegrams > 1 ? " in telegrams" : "")",
            settings: ProtocolSettings(), bytes: answers.flatMap { $0 })
    }

    // MARK: Exchanges

    private static let exchanges: [Recording] = [
        exchange(.hdlc, "plain"), exchange(.hdlc, "ciphered", isCiphered: true), exchange(.wrapper, "plain"),
    ]

    /// What a client and a meter say to each other at one poll.
    private static func exchange(
        _ framing: ClientSettings.Framing, _ name: String, isCiphered: Bool = false
    ) -> Recording {
        var configuration = DLMSServer.Configuration()
        configuration.clients = [
            DLMSServer.Client(
                address: 1, mechanism: .none,
                keys: DLMSServer.Keys(encryption: encryptionKey, authentication: authenticationKey),
                isCiphered: isCiphered)
        ]
        let keys =
            isCiphered
            ? CipheringKeys(encryption: encryptionKey, authentication: authenticationKey) : CipheringKeys()
        let settings = ClientSettings(
            framing: framing, client: 1, ciphering: isCiphered ? .both : .none, keys: keys, counterObject: nil,
            registers: [WantedRegister(ObisCode(1, 0, 1, 8, 0), interfaceClass: 3)])
        var bench = ClientBench(
            settings,
            DLMSMeter(server: DLMSServer(configuration: configuration), framing: framing == .hdlc ? .hdlc : .wrapper))
        _ = bench.poll()
        return Recording(
            protocolName: "dlms-client", name: "\(framing.rawValue) \(name)",
            settings: ProtocolSettings(encryptionKey: keys.encryption, authenticationKey: keys.authentication),
            bytes: bench.traffic,
            // A wrapper has none.
            hasCheck: framing == .hdlc, isDelimited: framing == .wrapper, isExchange: true)
    }

    // MARK: Readouts

    private static let readouts: [Recording] =
        [300, 9600].map { baud in
            Recording(
                protocolName: "iec62056-21", name: "\(baud) baud", settings: ProtocolSettings(),
                bytes: conversation(offeredBaud: baud))
        } + [unasked(hasBlockCheck: false), unasked(hasBlockCheck: true)]

    /// A meter of mode D, whose characters arrive with their parity bits: without a block, they are the check.
    private static func unasked(hasBlockCheck: Bool) -> Recording {
        var configuration = OpticalMeter.Configuration(manufacturer: "LGZ", identification: "ZMF100AC.M26", mode: .d)
        configuration.hasBlockCheck = hasBlockCheck
        var meter = ReadoutMeter(configuration: configuration)
        var settings = ProtocolSettings()
        settings.mode = .d
        let bytes = meter.push(Household(seed: 7), time: MeterTime(localSeconds: 1_768_480_496))
        return Recording(
            protocolName: "iec62056-21", name: "mode D\(hasBlockCheck ? " with a block" : "")", settings: settings,
            bytes: hasBlockCheck ? bytes : bytes.map(Parity.added))
    }

    /// What the meter sends from the sign-on to the end of the readout.
    private static func conversation(offeredBaud: Int) -> [UInt8] {
        var meter = OpticalMeter(
            configuration: .init(manufacturer: "LGZ", identification: "ZMF100AC.M26", offeredBaud: offeredBaud)
        ) {
            [
                .init("F.F", "00"), .init("0.0", "        87654321"), .init("C.1.0", "87654321"),
                .init("0.9.1", "133456"), .init("0.9.2", "260115"),
                .init("1.8.0", "001234.567", unit: "kWh"), .init("2.8.0", "000089.012", unit: "kWh"),
                .init("16.7", "-00.480", unit: "kW"), .init("32.7", "231", unit: "V"),
                .init("31.7", "002.15", unit: "A"),
            ]
        }
        guard let rate = SignOnMode.rateCharacter(baud: offeredBaud) else { return [] }
        let actions =
            meter.receive(SignOn.request(address: "")) + meter.timer()
            + meter.receive(SignOn.acknowledgement(rateCharacter: rate)) + meter.timer()
        return actions.flatMap { action -> [UInt8] in
            if case .send(let bytes) = action { bytes } else { [] }
        }
    }
}

/// Feeds a decoder of any protocol.
struct Findings {
    var telegrams: [Telegram] = []
    var errors: [WireError] = []
    var noise = 0
    var isIdleAtEnd = false

    /// - Parameters:
    ///   - chunks: as they arrive; the decoder gets them one after the other.
    ///   - silences: after which chunks the line falls silent; the end of all is always one.
    init(_ recording: Recording, _ chunks: [[UInt8]], silences: Set<Int> = []) throws {
        var decoder = try recording.makeDecoder()
        for (index, chunk) in chunks.enumerated() {
            decoder.append(chunk)
            collect(from: &decoder)
            if silences.contains(index) || index == chunks.count - 1 {
                decoder.finish()
                collect(from: &decoder)
            }
        }
        isIdleAtEnd = decoder.isIdle
    }

    private mutating func collect(from decoder: inout any Framer<Telegram>) {
        while let output = decoder.next() {
            switch output {
            case .frame(let telegram): telegrams.append(telegram)
            case .rejected(let error, _): errors.append(error)
            case .noise(let count): noise += count
            }
        }
    }
}

extension Telegram {
    /// What is protected by the check of a message: the values, not the maker's name before them.
    var content: [String] {
        registers.map { "\($0.code ?? "-") \($0.value) \($0.unit?.symbol ?? "") \($0.text ?? "") \($0.index ?? -1)" }
    }

    /// Whether this has the values of another one, and says what was missing.
    func isWarned(of other: Telegram) -> Bool {
        content == other.content && !warnings.isEmpty
    }
}
