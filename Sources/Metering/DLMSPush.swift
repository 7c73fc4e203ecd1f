import COSEM
import MBus
public import OBIS
import Wire

extension MeterProtocol {
    static let dlmsPush = MeterProtocol(
        name: "dlms-push",
        summary: "DLMS/COSEM messages that a meter sends by itself over its customer interface, encrypted or not",
        keys: [.profile, .encryptionKey, .authenticationKey],
        isPolled: { _ in false },
        defaultLine: { _ in LineSettings(baud: 2400, dataBits: 8, parity: .even) },
        makeDecoder: { ProfiledPushDecoder($0) },
        // Two pushes are seconds apart, the frames of one far less.
        makeSession: { settings in PushSession(silence: .seconds(2)) { ProfiledPushDecoder(settings) } },
        recognition: Recognition(
            lines: [
                LineSettings(baud: 2400, dataBits: 8, parity: .even), LineSettings(baud: 115_200),
                LineSettings(baud: 9600), LineSettings(baud: 2400),
                LineSettings(baud: 9600, dataBits: 8, parity: .even),
                LineSettings(baud: 19200),
            ],
            advice: """
                a customer interface often talks only when the utility has switched it on; one that is wired as M-Bus needs \
                a slave converter, not a master
                """),
        survey: { bytes in
            let carried = MBusSurvey.carried(bytes)
            var survey = PushSurvey.survey(bytes, carried: carried.pieces)
            survey.append(carried.survey)
            return survey
        })
}

/// `dlms-push`: the decoder of the COSEM module with a profile behind it.
struct ProfiledPushDecoder: Framer {
    private var decoder: PushDecoder
    private let keys: CipheringKeys
    private let settings: ProtocolSettings

    init(_ settings: ProtocolSettings) {
        keys = CipheringKeys(encryption: settings.encryptionKey, authentication: settings.authenticationKey)
        decoder = PushDecoder(keys: keys, carriers: [DLMSCarrier()])
        self.settings = settings
    }

    private static func missingProfile(for telegram: Telegram) -> String {
        let registers = telegram.registers
        guard registers.indices.allSatisfy({ registers[$0].obis == nil }) else {
            return "the meter sends values without units: configure a profile (for an E450 lg-e450) to use them"
        }
        return "the meter sends \(telegram.registers.count) values without names (\(telegram.list ?? "")): "
            + "configure a profile with a list of these types to use them"
    }

    var isIdle: Bool { decoder.isIdle }

    mutating func append(_ bytes: [UInt8]) { decoder.append(bytes) }

    mutating func finish() { decoder.finish() }

    mutating func endBurst() { decoder.endBurst() }

    mutating func next() -> FramerOutput<Telegram>? {
        guard let output = decoder.next() else { return nil }
        guard case .frame(var telegram) = output else { return output }
        telegram.noteWeakness(against: keys)
        guard let profile = settings.profile else {
            if telegram.needsProfile { telegram.warnings.append(Self.missingProfile(for: telegram)) }
            return .frame(telegram)
        }
        profile.complete(&telegram)
        return .frame(telegram)
    }
}

extension Profile {
    /// Applies the profile to a push. Names that it gives may say who sent it.
    public func complete(_ telegram: inout Telegram) {
        apply(to: &telegram)
        let title = telegram.ciphering?.systemTitle
        telegram.meter = PushIdentity.identity(of: telegram.registers, systemTitle: title)
    }
}

extension Telegram {
    /// Whether nothing measured in it has a unit.
    fileprivate var needsProfile: Bool {
        var hasMeasured = false
        for index in registers.indices {
            guard case .number = registers[index].value else { continue }
            let isMeasured = registers[index].obis.map { $0.a == 1 } ?? (registers[index].index != nil)
            guard isMeasured else { continue }
            if registers[index].unit != nil { return false }
            hasMeasured = true
        }
        return hasMeasured
    }
}
