import COSEM
import OBIS
import Wire

/// `dlms-push`: the decoder of the COSEM module with a profile behind it.
struct ProfiledPushDecoder: Framer {
    private var decoder: PushDecoder
    private let profile: Profile?

    init(_ settings: ProtocolSettings) {
        decoder = PushDecoder(
            keys: CipheringKeys(encryption: settings.encryptionKey, authentication: settings.authenticationKey))
        profile = settings.profile
    }

    private static let profileIsMissing =
        "the meter sends values without units or names: configure a profile (for an E450 lg-e450) to use them"

    var isIdle: Bool { decoder.isIdle }

    mutating func append(_ bytes: [UInt8]) { decoder.append(bytes) }

    mutating func finish() { decoder.finish() }

    mutating func next() -> FramerOutput<Telegram>? {
        guard let output = decoder.next() else { return nil }
        guard case .frame(var telegram) = output else { return output }
        guard let profile else {
            if telegram.needsProfile { telegram.warnings.append(Self.profileIsMissing) }
            return .frame(telegram)
        }
        profile.apply(to: &telegram)
        // Names that the profile gave may say who sent it.
        let title = telegram.ciphering?.systemTitle
        telegram.meter = PushIdentity.identity(of: telegram.registers, systemTitle: title)
        return .frame(telegram)
    }
}

extension Telegram {
    /// Whether nothing measured in it has a unit.
    fileprivate var needsProfile: Bool {
        let measured = registers.filter { $0.value.number != nil && ($0.obis.map { $0.a == 1 } ?? ($0.index != nil)) }
        return !measured.isEmpty && measured.allSatisfy { $0.unit == nil }
    }
}
