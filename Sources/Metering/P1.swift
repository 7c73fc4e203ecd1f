import COSEM
import IEC62056
import OBIS
import Wire

extension MeterProtocol {
    /// `dsmr-p1`: telegrams of the P1 port.
    static let p1 = MeterProtocol(
        name: "dsmr-p1",
        summary: "telegrams of the P1 port (DSMR, eMUCs and their national forms), encrypted or not, with sub-meters",
        keys: [.encryptionKey, .authenticationKey, .crc, .subMeters],
        isPolled: { _ in false },
        // Since DSMR 4. Older meters have 9600 7E1.
        defaultLine: { _ in LineSettings(baud: 115_200) },
        mapping: NamedMapping(sumsTariffs: true),
        subMeters: { SubMeters.telegrams(of: $0).map { SubMeterTelegram(channel: $0.channel, telegram: $0.telegram) } },
        makeDecoder: { P1PortDecoder($0) },
        makeSession: { settings in PushSession(silence: .seconds(2)) { P1PortDecoder(settings) } },
        recognition: Recognition(
            lines: [LineSettings(baud: 115_200), LineSettings(baud: 9600, dataBits: 7, parity: .even)],
            advice: """
                a P1 port talks only while its request line (pin 2) has 5 V, and its data line is inverted: the cable must \
                turn it round
                """),
        // A ciphered message has a telegram inside, and no check outside that could be made right.
        survey: { bytes in
            var survey = PushSurvey.systemTitles(bytes)
            survey.append(TextSurvey.telegrams(bytes))
            return survey
        })
}

/// Telegrams as they stand on a P1 port: plain, or each inside of a ciphered message.
private struct P1PortDecoder: Framer {
    private let keys: CipheringKeys
    private var messages = CipheredFramer()
    /// What stands between ciphered messages, and what is inside of them.
    private var outside: P1Decoder
    private var inside: P1Decoder
    private var outputs: [FramerOutput<Telegram>] = []
    private var isFinishing = false

    init(_ settings: ProtocolSettings) {
        keys = CipheringKeys(encryption: settings.encryptionKey, authentication: settings.authenticationKey)
        outside = P1Decoder(checksum: settings.checksum)
        inside = P1Decoder(checksum: settings.checksum)
    }

    var isIdle: Bool { messages.isIdle && outside.isIdle && outputs.isEmpty }

    mutating func append(_ bytes: [UInt8]) {
        messages.append(bytes)
    }

    mutating func finish() {
        messages.finish()
        isFinishing = true
    }

    /// A telegram may be cut into several datagrams.
    mutating func endBurst() {}

    mutating func next() -> FramerOutput<Telegram>? {
        while outputs.isEmpty {
            if let output = outside.next() { return plain(output) }
            guard let output = messages.next() else {
                guard isFinishing else { return nil }
                isFinishing = false
                outside.finish()
                continue
            }
            switch output {
            case .frame(.other(let bytes)): outside.append(bytes)
            case .frame(.ciphered(let message)): open(message)
            case .rejected(let error, let discarded): return .rejected(error, discarded: discarded)
            case .noise(let count): return .noise(count)
            }
        }
        return outputs.removeFirst()
    }

    private func plain(_ output: FramerOutput<Telegram>) -> FramerOutput<Telegram> {
        guard case .frame(var telegram) = output else { return output }
        telegram.noteWeakness(against: keys)
        return .frame(telegram)
    }

    private mutating func open(_ message: CipheredFrame) {
        // The text before it is over.
        outside.finish()
        while let output = outside.next() { outputs.append(plain(output)) }
        var content: (telegram: Telegram, decoder: P1Decoder)?
        do throws(WireError) {
            let opened = try message.open(with: keys) { plaintext in
                content = telegram(in: plaintext)
                return content != nil
            }
            guard var content else { throw WireError(.malformed, "the message holds no telegram") }
            inside = content.decoder
            content.telegram.ciphering = opened.ciphering
            content.telegram.noteWeakness(against: keys)
            outputs.append(.frame(content.telegram))
        } catch {
            messages.refuse()
            outputs.append(.rejected(error, discarded: 0))
        }
    }

    /// The one telegram that a plaintext is; nil for anything else.
    private func telegram(in plaintext: [UInt8]) -> (Telegram, P1Decoder)? {
        var decoder = inside
        decoder.append(plaintext)
        decoder.finish()
        guard case .frame(let telegram)? = decoder.next(), decoder.next() == nil else { return nil }
        return (telegram, decoder)
    }
}
