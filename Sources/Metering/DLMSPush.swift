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

    var isIdle: Bool { decoder.isIdle }

    mutating func append(_ bytes: [UInt8]) { decoder.append(bytes) }

    mutating func finish() { decoder.finish() }

    mutating func next() -> FramerOutput<Telegram>? {
        guard let output = decoder.next() else { return nil }
        guard case .frame(var telegram) = output, let profile else { return output }
        profile.apply(to: &telegram)
        // Names that the profile gave may say who sent it.
        let title = telegram.ciphering?.systemTitle
        telegram.meter = PushIdentity.identity(of: telegram.registers, systemTitle: title)
        return .frame(telegram)
    }
}
