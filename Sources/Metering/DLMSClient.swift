public import COSEM
import IEC62056
public import OBIS
import Wire

/// How a meter is asked by DLMS, as its stanza says.
public struct AssociationSettings: Sendable, Hashable {
    /// Nil: by the transport, HDLC where there is a line.
    public var framing: ClientSettings.Framing?
    public var client: UInt16?
    public var server: ServerAddress?
    public var mechanism = AuthenticationMechanism.none
    /// Nil: both where an encryption key is configured, else none.
    public var ciphering: MessageCiphering?
    /// Eight bytes.
    public var systemTitle: [UInt8]?
    public var usesDedicatedKey = false
    public var counter = CounterChoice.standard
    /// Whether an optical port has to be signed on to first, and handed over to HDLC (IEC 62056-21, mode E).
    public var signsOn = false

    public init() {}

    /// Whether the meter is told to answer without any protection, or without a tag.
    public var asksPlain: Bool { ciphering == MessageCiphering.none }
    public var asksWithoutTag: Bool { ciphering == .encryption }

    /// Where the newest invocation counter of this client is read.
    public enum CounterChoice: Sendable, Hashable {
        /// Nowhere: it is learned from the meter's refusals.
        case off
        case standard
        case object(ObisCode)
    }
}

extension MeterProtocol {
    /// `dlms-client`: a meter that is asked by DLMS/COSEM.
    static let dlmsClient = MeterProtocol(
        name: "dlms-client",
        summary: "DLMS/COSEM meters that are asked: over TCP, UDP and HDLC, with every authentication of suite 0",
        keys: [
            .profile, .encryptionKey, .authenticationKey, .password, .registers, .loadProfile, .client, .server,
            .security, .ciphering, .framing, .systemTitle, .dedicatedKey, .invocationCounter, .mode, .baud, .address,
            .wakeUp,
        ],
        isPolled: { _ in true },
        defaultLine: { $0.association.signsOn ? .signOn : LineSettings(baud: 9600) },
        needsLine: { $0.association.signsOn ? ReadoutSession.Settings($0, line: nil).needsLineChanges : nil },
        makeDecoder: { ProfiledFramer(ExchangeDecoder(keys: CipheringKeys($0)), $0.profile) },
        makeSession: { settings in
            let client = ProfiledSession(DLMSClient(settings: ClientSettings(settings)), settings.profile)
            guard settings.association.signsOn else { return client }
            let signOn = ReadoutSession.Settings(settings, line: settings.line)
            // Some meters speak HDLC and do not announce it.
            return HandoverSession(settings: .init(signOn: signOn, asksAnyway: true), inner: client)
        },
        makeListener: { settings in
            PushSession(silence: .seconds(5)) {
                ProfiledFramer(ExchangeDecoder(keys: CipheringKeys(settings)), settings.profile)
            }
        },
        hasLoadProfile: { $0.loadProfile != .off },
        recognition: Recognition(
            questions: [
                question("DLMS association of the public client", LineSettings(baud: 9600)),
                question("DLMS association of the public client", LineSettings(baud: 19200)),
                question("DLMS association of the public client", LineSettings(baud: 115_200)),
            ],
            advice: "a meter that is asked by DLMS tells most of its values only to clients with a password or keys"))

    private static func question(_ name: String, _ line: LineSettings) -> Question {
        Question(
            name: name, line: line,
            makeSession: { line, _ in
                DLMSClient(
                    settings: ClientSettings(
                        framing: line == nil ? .wrapper : .hdlc, line: line, patience: .milliseconds(1500), retries: 0,
                        linkRetries: 0))
            },
            answered: { _ in [StanzaEntry(.client, "16")] })
    }
}

extension CipheringKeys {
    fileprivate init(_ settings: ProtocolSettings) {
        self.init(encryption: settings.encryptionKey, authentication: settings.authenticationKey)
    }
}

extension ClientSettings {
    fileprivate init(_ settings: ProtocolSettings) {
        let association = settings.association
        self.init(
            framing: association.framing ?? (settings.line == nil && !association.signsOn ? .wrapper : .hdlc),
            client: association.client ?? 16, server: association.server ?? ServerAddress(),
            mechanism: association.mechanism, password: settings.password,
            ciphering: association.ciphering ?? (settings.encryptionKey == nil ? .none : .both),
            keys: CipheringKeys(settings), usesDedicatedKey: association.usesDedicatedKey,
            registers: settings.registers.compactMap(WantedRegister.init),
            // Behind a sign-on the line is that of the meter's offer already.
            line: association.signsOn ? nil : settings.line)
        if let title = association.systemTitle { systemTitle = title }
        switch association.counter {
        case .off: counterObject = nil
        case .standard: break
        case .object(let code): counterObject = code
        }
        switch settings.loadProfile {
        case .off: loadProfile = nil
        case .standard: break
        case .named(let name): loadProfile = ObisCode(name)
        }
    }
}

extension WantedRegister {
    /// - Returns: nil for a code that the configuration would not have accepted.
    fileprivate init?(_ choice: RegisterChoice) {
        guard let name = ObisCode(choice.code) else { return nil }
        self.init(name, interfaceClass: choice.interfaceClass, attribute: choice.attribute)
    }
}

/// Telegrams of a meter whose utility's list has no units: the profile adds them.
private struct ProfiledFramer<Base: Framer<Telegram>>: Framer {
    private var base: Base
    private let profile: Profile?

    init(_ base: Base, _ profile: Profile?) {
        self.base = base
        self.profile = profile
    }

    var isIdle: Bool { base.isIdle }
    mutating func append(_ bytes: [UInt8]) { base.append(bytes) }
    mutating func finish() { base.finish() }
    mutating func endBurst() { base.endBurst() }

    mutating func next() -> FramerOutput<Telegram>? {
        let output = base.next()
        guard let profile, case .frame(var telegram)? = output else { return output }
        profile.complete(&telegram)
        return .frame(telegram)
    }
}

/// The same for a conversation.
private struct ProfiledSession<Base: Session<Telegram>>: Session {
    private var base: Base
    private let profile: Profile?

    init(_ base: Base, _ profile: Profile?) {
        self.base = base
        self.profile = profile
    }

    mutating func handle(_ event: SessionEvent) -> [SessionAction<Telegram>] {
        let actions = base.handle(event)
        guard let profile else { return actions }
        return actions.map { action in
            guard case .emit(var telegram) = action else { return action }
            profile.complete(&telegram)
            return .emit(telegram)
        }
    }
}
