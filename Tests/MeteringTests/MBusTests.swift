import CryptoExtras
import Crypto
import MBus
import MeterSimulator
import Metering
import OBIS
import TestSupport
import Testing
import Wire

@Suite("M-Bus through the registry")
struct MBusTests {
    private static let key = Secret((0..<16).map { 0x40 + UInt8($0) })

    private static func settings(_ key: Secret?, _ slave: MasterSession.Address? = nil) -> ProtocolSettings {
        var settings = ProtocolSettings(encryptionKey: key)
        settings.slave = slave
        return settings
    }

    private static func outputs(_ bytes: [UInt8], _ settings: ProtocolSettings) throws -> [FramerOutput<Telegram>] {
        let meterProtocol = try #require(ProtocolRegistry.named("mbus"))
        var decoder = meterProtocol.makeDecoder(settings)
        decoder.append(bytes)
        decoder.finish()
        var outputs: [FramerOutput<Telegram>] = []
        while let output = decoder.next() { outputs.append(output) }
        return outputs
    }

    private static func telegrams(_ outputs: [FramerOutput<Telegram>]) -> [Telegram] {
        outputs.compactMap { if case .frame(let telegram) = $0 { telegram } else { nil } }
    }

    private static func codes(_ outputs: [FramerOutput<Telegram>]) -> [WireError.Code] {
        outputs.compactMap { if case .rejected(let error, _) = $0 { error.code } else { nil } }
    }

    // MARK: Encryption mode 5

    /// Meter 12345678/OBI/01/02 with access number 42.
    private static let sender = Corpus.bytes(hex: "78563412 493C 01 02")
    private static let records = Corpus.bytes(hex: "0403 D2040000 04833C 11000000")
    private static let plainTail = Corpus.bytes(hex: "022B 6400")

    /// The frame of a meter that encrypts all records but the last.
    private static func encrypted(with key: Secret) throws -> [UInt8] {
        var plain = [0x2F, 0x2F] + records
        while plain.count % 16 != 0 { plain.append(0x2F) }
        // EN 13757-7: maker, identification, version, medium, eight times the access number.
        let vector = sender[4..<6] + sender[0..<4] + sender[6..<8] + [UInt8](repeating: 0x2A, count: 8)
        let ciphertext = try key.withBytes { bytes in
            try AES._CBC.encrypt(
                plain, using: SymmetricKey(data: bytes), iv: AES._CBC.IV(ivBytes: Array(vector)), noPadding: true)
        }
        let configuration: [UInt8] = [UInt8(plain.count / 16) << 4, 0x05]
        let frame = LongFrame(
            control: 0x08, address: 1, controlInformation: 0x72,
            data: sender + [0x2A, 0x00] + configuration + [UInt8](ciphertext) + plainTail)
        return try #require(frame.encoded())
    }

    @Test("records are opened with the meter's key, and what follows them is read as it is")
    func opened() throws {
        let outputs = try Self.outputs(Self.encrypted(with: Self.key), Self.settings(Self.key))
        let telegram = try #require(Self.telegrams(outputs).first)
        #expect(outputs.count == 1 && telegram.meter.id == "12345678" && telegram.meter.manufacturer == "OBI")
        #expect(telegram.registers.compactMap(\.value.number) == [1234, 17, 100].map { FixedDecimal($0) })
    }

    @Test("without a key, and with a wrong one, nothing is read")
    func closed() throws {
        let bytes = try Self.encrypted(with: Self.key)
        #expect(Self.codes(try Self.outputs(bytes, Self.settings(nil))) == [.keyMissing])
        let wrong = Secret([UInt8](repeating: 0x11, count: 16))
        #expect(Self.codes(try Self.outputs(bytes, Self.settings(wrong))) == [.decryption])
        let short = Secret([1, 2, 3])
        #expect(Self.codes(try Self.outputs(bytes, Self.settings(short))) == [.decryption])
    }

    @Test("the master opens them as well")
    func session() throws {
        let frame = try Self.encrypted(with: Self.key)
        for (key, code) in [(Self.key, nil), (nil, WireError.Code.keyMissing)] {
            let (telegrams, error) = try Self.poll(Self.settings(key, .primary(1))) { message in
                message[1] == Control.reset ? [0xE5] : frame
            }
            #expect(error?.code == code && telegrams.count == (code == nil ? 1 : 0))
        }
    }

    @Test("recorded ones have the records that independent decoders found")
    func recorded() throws {
        guard let corpus = Corpus("mbus") else { return }
        let cases = try corpus.cases().filter { $0.json["plaintext_records"] != nil }
        var agreeing = 0
        for item in cases {
            let key = try #require(item.key("guek"))
            let telegram = Self.telegrams(try Self.outputs(item.bytes, Self.settings(Secret(key)))).first
            // The plain records behind the same header, without encryption.
            guard case .frame(let frame, _) = LongFrameCandidate(at: 0, in: item.bytes.rawSpan) else {
                Issue.record("\(item.name) is no frame")
                continue
            }
            let text = Corpus.bytes(hex: item.json["plaintext_records"] as? String ?? "")
            let plain = LongFrame(
                control: frame.control, address: frame.address, controlInformation: frame.controlInformation,
                data: Array(frame.data[..<10]) + [0, 0] + text)
            let expected = try MeterResponse(plain).telegram
            #expect(telegram == expected, "\(item.name)")
            agreeing += telegram == expected ? 1 : 0
            #expect(telegram?.registers.isEmpty == false)
        }
        print("encrypted mbus: \(agreeing) of \(cases.count)")
        #expect(!cases.isEmpty)
    }

    // MARK: Named values

    /// One poll of the registry's session, of which each message is answered.
    private static func poll(
        _ settings: ProtocolSettings, answer: (_ message: [UInt8]) -> [UInt8]?
    ) throws -> ([Telegram], WireError?) {
        let meterProtocol = try #require(ProtocolRegistry.named("mbus"))
        var session = meterProtocol.makeSession(settings)
        var telegrams: [Telegram] = []
        var pending: [SessionEvent] = [.poll]
        for _ in 0..<500 {
            for action in session.handle(pending.isEmpty ? .timer : pending.removeFirst()) {
                switch action {
                case .send(let message):
                    pending.append(.drained)
                    if let answer = answer(message) { pending.append(.received(answer)) }
                case .emit(let telegram): telegrams.append(telegram)
                case .finished(let error): return (telegrams, error)
                case .setLine, .arm, .disarm, .reject, .noise, .keep: break
                }
            }
        }
        return (telegrams, WireError(.timeout, "no end"))
    }

    static let expected: [(kind: MBusSlave.Kind, values: @Sendable (Household) -> [NamedField: FixedDecimal])] = [
        (
            .electricity,
            { house in
                [
                    .activeImport: FixedDecimal(Int64(house.imported), exponent: -3),
                    .activeExport: FixedDecimal(Int64(house.exported), exponent: -3),
                    .activePower: FixedDecimal(Int64(house.power)),
                    .voltageL1: FixedDecimal(Int64(house.phases[0].voltage)),
                    .voltageL3: FixedDecimal(Int64(house.phases[2].voltage)),
                    .currentL2: FixedDecimal(Int64(house.phases[1].current), exponent: -2),
                ]
            }
        ),
        (.gas, { [.volume: FixedDecimal(Int64($0.imported / 10), exponent: -3)] }),
        (.water, { [.volume: FixedDecimal(Int64($0.imported / 10), exponent: -3)] }),
        (
            .heat,
            { house in
                [
                    .heatEnergy: FixedDecimal(Int64(house.imported / 1000)),
                    .volume: FixedDecimal(Int64(house.imported / 10), exponent: -3),
                    .heatPower: FixedDecimal(Int64(abs(house.power))),
                    .flowTemperature: FixedDecimal(Int64(700 + abs(house.power) % 100), exponent: -1),
                    .returnTemperature: FixedDecimal(Int64(400 + abs(house.power) % 50), exponent: -1),
                ]
            }
        ),
    ]

    @Test("the answers of each kind of meter have its named values", arguments: expected.indices)
    func named(index: Int) throws {
        let (kind, values) = Self.expected[index]
        let house = Household(seed: 7)
        for telegrams in [1, 4] {
            var slave = MBusSlave(configuration: .init(kind: kind, address: 3, telegrams: telegrams))
            let (read, error) = try Self.poll(Self.settings(nil, .primary(3))) { message in
                slave.receive(message, house: house, time: MeterTime(localSeconds: 1_768_480_496)).first
            }
            let telegram = try #require(read.first)
            #expect(error == nil && telegram.meter.medium?.rawValue == kind.rawValue)
            let named = NamedMapping().values(of: telegram.registers, medium: telegram.meter.medium)
            for (field, value) in values(house) { #expect(named[field] == value, "\(kind) \(field)") }
        }
    }

    @Test("without an address the one slave of a line is asked")
    func anyone() throws {
        var slave = MBusSlave(configuration: .init(kind: .water, address: 77))
        let (telegrams, _) = try Self.poll(Self.settings(nil)) { message in
            slave.receive(message, house: Household(seed: 1)).first
        }
        #expect(telegrams.count == 1)
    }
}
