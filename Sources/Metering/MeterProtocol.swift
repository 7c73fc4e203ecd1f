import IEC62056
import MBus
import OBIS
import Wire

/// A protocol that meters speak: everything that the rest of the program needs to know of it.
///
/// The registry drives the configuration's keys, the `decode` and `probe` commands, the reader tasks, the simulator
/// and the conformance tests. A new protocol is one module and one entry in `ProtocolRegistry.all`.
public struct MeterProtocol: Sendable {
    /// The name in the configuration and on the command line.
    public let name: String
    /// One sentence for `--help`.
    public let summary: String
    /// Whether the meter is asked. Otherwise it talks by itself, and the line is only listened to.
    public let isPolled: @Sendable (ProtocolSettings) -> Bool
    /// The line of a serial port whose stanza names none.
    public let defaultLine: @Sendable (ProtocolSettings) -> LineSettings
    /// The keys of a meter's stanza that this protocol understands beside the common ones.
    public let keys: Set<ProtocolKey>
    /// Why a link whose line cannot be set from here will not do, as a clause; nil where it will.
    public let needsLine: @Sendable (ProtocolSettings) -> String?
    /// Which register is which named value.
    public let mapping: NamedMapping
    /// The devices behind the meter whose values a telegram carries.
    public let subMeters: @Sendable (Telegram) -> [SubMeterTelegram]
    /// Cuts and decodes recorded or arriving bytes.
    public let makeDecoder: @Sendable (ProtocolSettings) -> any Framer<Telegram>
    /// The conversation with a meter.
    public let makeSession: @Sendable (ProtocolSettings) -> any Session<Telegram>
    /// Hears what passes between a meter and whoever asks it. A meter that talks by itself has one conversation only.
    public let makeListener: @Sendable (ProtocolSettings) -> any Session<Telegram>
    /// Whether entries of the meter's load profile may be asked for (`readProfile`).
    public let hasLoadProfile: @Sendable (ProtocolSettings) -> Bool
    /// How a meter is found on a port of which nothing is known.
    public let recognition: Recognition
    /// Where recorded bytes say which meter they come from, and the checks of their frames; nil for a protocol of which that
    /// is not known: nothing of its recordings may then be shown to others.
    public let survey: (@Sendable ([UInt8]) -> FrameSurvey)?

    public init(
        name: String, summary: String, keys: Set<ProtocolKey>,
        isPolled: @escaping @Sendable (ProtocolSettings) -> Bool,
        defaultLine: @escaping @Sendable (ProtocolSettings) -> LineSettings,
        needsLine: @escaping @Sendable (ProtocolSettings) -> String? = { _ in nil },
        mapping: NamedMapping = NamedMapping(),
        subMeters: @escaping @Sendable (Telegram) -> [SubMeterTelegram] = { _ in [] },
        makeDecoder: @escaping @Sendable (ProtocolSettings) -> any Framer<Telegram>,
        makeSession: @escaping @Sendable (ProtocolSettings) -> any Session<Telegram>,
        makeListener: (@Sendable (ProtocolSettings) -> any Session<Telegram>)? = nil,
        hasLoadProfile: @escaping @Sendable (ProtocolSettings) -> Bool = { _ in false },
        recognition: Recognition = Recognition(),
        survey: (@Sendable ([UInt8]) -> FrameSurvey)? = nil
    ) {
        self.name = name
        self.summary = summary
        self.isPolled = isPolled
        self.defaultLine = defaultLine
        self.keys = keys
        self.needsLine = needsLine
        self.mapping = mapping
        self.subMeters = subMeters
        self.makeDecoder = makeDecoder
        self.makeSession = makeSession
        self.makeListener = makeListener ?? makeSession
        self.hasLoadProfile = hasLoadProfile
        self.recognition = recognition
        self.survey = survey
    }
}

/// What a telegram says of one device behind the meter.
public struct SubMeterTelegram: Sendable, Hashable {
    /// The number by which the meter knows the device.
    public var channel: UInt8
    public var telegram: Telegram

    public init(channel: UInt8, telegram: Telegram) {
        self.channel = channel
        self.telegram = telegram
    }
}

/// Keys of a meter's stanza that only some protocols understand, by their spelling in YAML.
///
/// The keys for secrets stand for three forms each: `…_file`, `…_credential`, and the value itself.
public enum ProtocolKey: String, Sendable, Hashable, CaseIterable {
    case profile
    case encryptionKey = "encryption_key"
    case authenticationKey = "authentication_key"
    /// The device address of a sign-on, the primary address of a slave.
    case address
    /// The address of a slave by which it is selected.
    case secondary
    /// How the meter of a sign-on talks.
    case mode
    /// The fastest rate that is agreed to; the rate of a slave.
    case baud
    /// What wakes a meter that sleeps.
    case wakeUp = "wake_up"
    /// Which check a telegram has.
    case crc
    /// Devices behind the meter that are meters of their own.
    case subMeters = "sub_meters"
    /// A secret: what opens the meter for reading.
    case password
    /// What is read of a meter that can be asked for single registers.
    case registers
    /// Where the meter keeps the intervals that fill a hole.
    case loadProfile = "load_profile"
    /// Who asks a DLMS meter, and which of its logical devices.
    case client
    case server
    /// How an association is authenticated, and how its messages are protected.
    case security
    case ciphering
    /// The link layer of DLMS.
    case framing
    /// Eight bytes that name the client.
    case systemTitle = "system_title"
    case dedicatedKey = "dedicated_key"
    case invocationCounter = "invocation_counter"
    /// By which command a register is asked for.
    case request
}

/// A register that is asked for by name.
public struct RegisterChoice: Sendable, Hashable {
    /// The code as it stands in the configuration: `1-0:1.8.0*255`, or for text protocols also `1.8.0`.
    public var code: String
    /// COSEM interface class; nil: found out.
    public var interfaceClass: UInt16?
    /// COSEM attribute; nil: that of the value.
    public var attribute: UInt8?

    public init(_ code: String, interfaceClass: UInt16? = nil, attribute: UInt8? = nil) {
        self.code = code
        self.interfaceClass = interfaceClass
        self.attribute = attribute
    }
}

/// Which load profile fills holes.
public enum LoadProfileChoice: Sendable, Hashable {
    /// None.
    case off
    /// Where the protocol's meters usually have it.
    case standard
    /// `1-0:99.2.0*255`, `P.02`.
    case named(String)
}

/// What one meter's stanza says to its protocol.
public struct ProtocolSettings: Sendable, Hashable {
    public var profile: Profile?
    /// 16 bytes.
    public var encryptionKey: Secret?
    /// 16 bytes.
    public var authenticationKey: Secret?
    public var address: String?
    /// Whom the master of a bus asks.
    public var slave: MasterSession.Address?
    public var mode = ReadoutMode.auto
    /// The fastest rate of a sign-on; nil: 19200 where the line can be set, else its own. The rate of a slave; nil: the
    /// line's.
    public var maximumBaud: Int?
    public var wakeUp: WakeUp?
    public var checksum = P1Checksum.auto
    /// As bytes of text, as it is sent to the meter.
    public var password: Secret?
    /// In the order of the configuration; empty: what the meter offers.
    public var registers: [RegisterChoice] = []
    public var loadProfile = LoadProfileChoice.standard
    public var association = AssociationSettings()
    /// Nil: what meters of its maker usually answer.
    public var request: ReadCommand?
    /// The line at the start of a conversation; nil where the link has none.
    public var line: LineSettings?

    public init(
        profile: Profile? = nil, encryptionKey: Secret? = nil, authenticationKey: Secret? = nil,
        address: String? = nil, line: LineSettings? = nil
    ) {
        self.profile = profile
        self.encryptionKey = encryptionKey
        self.authenticationKey = authenticationKey
        self.address = address
        self.line = line
    }
}
