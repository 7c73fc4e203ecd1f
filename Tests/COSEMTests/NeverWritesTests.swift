import COSEM
import MeterSimulator
import OBIS
import TestSupport
import Testing
import Wire

/// What the client sends is read with code that is not its own, also where it is ciphered.
@Suite("Nothing is written to a meter by DLMS")
struct NeverWritesTests {
    private static let dedicatedKey = [UInt8](repeating: 0x5C, count: 16)
    private static let password = Array("12345678".utf8)

    /// What a message is, where it may be sent; nil for what may not.
    static func kind(_ apdu: [UInt8], title: [UInt8]) -> String? {
        switch apdu.first {
        case 0x60: "association"
        case 0x62: "release"
        case 0xC0: "get"
        // ACTION, class 15, the current association, method 1, with the answer to a challenge.
        case 0xC3:
            apdu.count >= 14 && apdu[1] == 1 && apdu[3...13].elementsEqual(Asking.hex("000F0000280000FF010109"))
                && Int(apdu[safe: 14] ?? 0) == apdu.count - 15 ? "proof" : nil
        // The last block of nothing: it tells which blocks of the meter have come.
        case 0xE0: apdu.count == 7 && apdu[1] == 0x81 && apdu[6] == 0 ? "blocks" : nil
        case 0xC8, 0xCB: inner(apdu, title, Asking.encryptionKey)
        case 0xD0, 0xD3: inner(apdu, title, dedicatedKey)
        case 0xDB:
            // The title comes first: what is behind it looks like a message without its tag.
            inner([0xDB] + apdu.dropFirst(2 + Int(apdu[safe: 1] ?? 0)), title, Asking.encryptionKey)
        default: nil
        }
    }

    private static func inner(_ apdu: [UInt8], _ title: [UInt8], _ key: [UInt8]) -> String? {
        guard let plain = try? Asking.open(apdu, title: title, key: key) else { return nil }
        return [0xC0, 0xC3].contains(plain.first) ? kind(plain, title: title).map { "ciphered \($0)" } : nil
    }

    @Test("the shapes refuse every message that writes or executes, plain and ciphered")
    func shapes() throws {
        for message in [
            "C101C1000300015E230BFF02000600002710", "C301C100460000600303FF010F0100", "C301C1000F0000280000FF020109",
            "C301C1000F0000280000FF0101090400", "D901", "C901", "05010100000000", "06", "E0C1000100000000",
        ] {
            let bytes = Asking.hex(message)
            #expect(Self.kind(bytes, title: Asking.title) == nil, "\(message)")
            for tag: UInt8 in [0xC8, 0xCB] {
                let ciphered = Asking.ciphered(tag, try Asking.seal(bytes, counter: 1))
                #expect(Self.kind(ciphered, title: Asking.title) == nil, "\(message)")
            }
        }
        let get = Asking.get(1, "0000600100FF", 2)
        #expect(Self.kind(get, title: Asking.title) == "get")
        #expect(Self.kind(Asking.prove([1, 2]), title: Asking.title) == "proof")
        let ciphered = Asking.ciphered(0xC8, try Asking.seal(get, counter: 1))
        #expect(Self.kind(ciphered, title: Asking.title) == "ciphered get")
    }

    // MARK: A hostile meter

    private static func settings(_ random: inout SeededGenerator) -> ClientSettings {
        let ciphering = [MessageCiphering.none, .none, .both].randomElement(using: &random) ?? .none
        return ClientSettings(
            framing: .wrapper, client: 1,
            mechanism: AuthenticationMechanism.allCases.randomElement(using: &random) ?? .none,
            password: Secret(password), ciphering: ciphering,
            keys: CipheringKeys(
                encryption: Secret(Asking.encryptionKey), authentication: Secret(Asking.authenticationKey)),
            systemTitle: Asking.title, usesDedicatedKey: Bool.random(using: &random),
            registers: Bool.random(using: &random) ? [] : [WantedRegister(ObisCode(1, 0, 1, 8, 0))],
            retries: 2, random: { count in count == 16 ? dedicatedKey : [UInt8](repeating: 7, count: count) })
    }

    private static func meter(_ settings: ClientSettings) -> DLMSServer {
        var configuration = DLMSServer.Configuration()
        configuration.clients = [
            .init(
                address: 1, mechanism: DLMSServer.Mechanism(rawValue: settings.mechanism.rawValue) ?? .none,
                secret: Secret(password), keys: Asking.keys, isCiphered: settings.ciphering != .none)
        ]
        return DLMSServer(configuration: configuration)
    }

    /// What writes, executes, or asks the client for something.
    private static let demands = [
        "C101C1000300015E230BFF02000600002710", "C301C100460000600303FF010F0100", "C001C1000800000100 00FF0200",
        "C401C100", "C402C1000000000100020101", "C701C1000100090 1AA", "D80101", "0E010101", "0F00000001000203",
        "E081000100000103", "E0010001000005C101C10003", "63 03800101", "",
    ].map { Asking.hex($0.filter { $0 != " " }) }

    /// The meter's answers as they should be, or not.
    private static func answers(_ good: [[UInt8]], _ random: inout SeededGenerator) -> [[UInt8]] {
        switch Int.random(in: 0..<12, using: &random) {
        case 0: return []
        case 1: return [demands.randomElement(using: &random) ?? []] + good
        case 2: return good + good
        case 3:
            return good.map { bytes in
                var bytes = bytes
                if let index = bytes.indices.randomElement(using: &random) {
                    bytes[index] = UInt8.random(in: 0...255, using: &random)
                }
                return bytes
            }
        case 4: return good.map { Array($0.prefix(Int.random(in: 0...$0.count, using: &random))) }
        case 5: return [random.bytes(Int.random(in: 0...80, using: &random))]
        default: return good
        }
    }

    private static func wrapped(_ apdu: [UInt8], to client: UInt16) -> [UInt8] {
        [0, 1, 0, 1] + [UInt8(client >> 8), UInt8(client & 0xFF)] + [UInt8(apdu.count >> 8), UInt8(apdu.count & 0xFF)]
            + apdu
    }

    @Test("whatever a meter answers in whatever order, only associations, proofs, GET and the release are sent")
    func anyAnswer() throws {
        var random = SeededGenerator(seed: 13757)
        var kinds: [String: Int] = [:]
        for _ in 0..<60 {
            let settings = Self.settings(&random)
            var (client, meter) = (DLMSClient(settings: settings), Self.meter(settings))
            var events: [SessionEvent] = [.opened, .poll]
            for _ in 0..<150 {
                let event = events.isEmpty ? Self.event(&random) : events.removeFirst()
                for action in client.handle(event) {
                    guard case .send(let frame) = action else {
                        if case .keep = action { events.append(.kept(true)) }
                        continue
                    }
                    let apdu = Array(frame.dropFirst(8))
                    try #require(frame.count >= 8 && frame.starts(with: [0, 1]) && frame[6] == 0)
                    let kind = try #require(Self.kind(apdu, title: Asking.title), "\(apdu.hex)")
                    kinds[kind, default: 0] += 1
                    let asker = UInt16(frame[2]) << 8 | UInt16(frame[3])
                    let good = meter.ask(apdu, from: asker)
                    events += Self.answers(good, &random).map { .received(Self.wrapped($0, to: asker)) }
                }
            }
            #expect(meter.memory.writesAttempted == 0)
        }
        // All of it has been seen.
        for kind in ["association", "release", "get", "proof", "ciphered get", "ciphered proof"] {
            #expect(kinds[kind, default: 0] >= 5, "\(kind): \(kinds)")
        }
    }

    private static func event(_ random: inout SeededGenerator) -> SessionEvent {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: .readProfile(ProfileSpan(after: 1_768_400_000, through: 1_768_480_000))
        case 1: .closed
        case 2: .opened
        case 3: .received(wrapped(demands.randomElement(using: &random) ?? [], to: 1))
        case 4...6: .poll
        default: .timer
        }
    }
}

extension [UInt8] {
    fileprivate subscript(safe index: Int) -> UInt8? { indices.contains(index) ? self[index] : nil }
}
