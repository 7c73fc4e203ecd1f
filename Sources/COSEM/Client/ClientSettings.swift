public import OBIS
public import Wire

/// How an association is authenticated (IEC 62056-5-3, 5.2.2.2.2).
public enum AuthenticationMechanism: UInt8, Sendable, Hashable, CaseIterable {
    case none = 0
    /// A password, in plain text.
    case lls = 1
    case hlsMD5 = 3
    case hlsSHA1 = 4
    case hlsGMAC = 5
    case hlsSHA256 = 6

    /// As it stands in the configuration.
    public var name: String {
        switch self {
        case .none: "none"
        case .lls: "lls"
        case .hlsMD5: "hls-md5"
        case .hlsSHA1: "hls-sha1"
        case .hlsGMAC: "hls-gmac"
        case .hlsSHA256: "hls-sha256"
        }
    }

    /// Whether both sides prove by a challenge that they know the secret.
    public var isMutual: Bool { rawValue >= Self.hlsMD5.rawValue }
}

/// How messages of an association are protected (IEC 62056-5-3, 5.3.5).
public enum MessageCiphering: String, Sendable, Hashable, CaseIterable {
    case none, authentication, encryption, both

    /// Nil where nothing is protected.
    var securityControl: UInt8? {
        switch self {
        case .none: nil
        case .authentication: CipheredContent.SecurityControl.authenticated
        case .encryption: CipheredContent.SecurityControl.encrypted
        case .both: CipheredContent.SecurityControl.authenticated | CipheredContent.SecurityControl.encrypted
        }
    }
}

/// A logical device of a meter, and the physical device that it is in (IEC 62056-46, 6.4.2.3).
public struct ServerAddress: Sendable, Hashable {
    /// 1 is the management logical device, which every meter has.
    public var logical: UInt16
    /// HDLC only; nil: left out, the address has one byte.
    public var physical: UInt16?

    public init(logical: UInt16 = 1, physical: UInt16? = nil) {
        self.logical = logical
        self.physical = physical
    }

    /// The address in a frame: 1, 2 or 4 bytes of which the last has its lowest bit set.
    var octets: [UInt8] {
        func low(_ value: UInt16) -> UInt8 { UInt8(truncatingIfNeeded: value << 1) }
        func high(_ value: UInt16) -> UInt8 { UInt8(truncatingIfNeeded: value >> 7) << 1 }
        guard let physical else {
            return logical < 0x80 ? [low(logical) | 1] : [high(logical), low(logical) | 1]
        }
        guard logical >= 0x80 || physical >= 0x80 else { return [low(logical), low(physical) | 1] }
        return [high(logical), low(logical), high(physical), low(physical) | 1]
    }
}

/// One attribute of one COSEM object.
public struct CosemAttribute: Sendable, Hashable {
    public var interfaceClass: UInt16
    public var name: ObisCode
    public var attribute: UInt8

    public init(interfaceClass: UInt16, name: ObisCode, attribute: UInt8) {
        self.interfaceClass = interfaceClass
        self.name = name
        self.attribute = attribute
    }

    /// Class, name, attribute: nine bytes of every request.
    var octets: [UInt8] { interfaceClass.octets + name.octets + [attribute] }
}

/// A register that is wanted of a meter.
public struct WantedRegister: Sendable, Hashable {
    public var name: ObisCode
    /// Nil: found out.
    public var interfaceClass: UInt16?
    /// Nil: that of the value.
    public var attribute: UInt8?

    public init(_ name: ObisCode, interfaceClass: UInt16? = nil, attribute: UInt8? = nil) {
        self.name = name
        self.interfaceClass = interfaceClass
        self.attribute = attribute
    }
}

/// How a meter is asked by DLMS.
public struct ClientSettings: Sendable {
    public enum Framing: String, Sendable, Hashable, CaseIterable {
        /// `00 01`, ports and length (IEC 62056-47): over TCP and UDP.
        case wrapper
        /// Over serial lines, and over TCP where a gateway carries those.
        case hdlc
    }

    public var framing: Framing
    /// Client service access point: who asks, and with it which rights the meter grants.
    public var client: UInt16
    public var server: ServerAddress
    public var mechanism: AuthenticationMechanism
    /// Of LLS, HLS MD5, SHA-1 and SHA-256.
    public var password: Secret?
    public var ciphering: MessageCiphering
    public var keys: CipheringKeys
    /// Eight bytes that name this client.
    public var systemTitle: [UInt8]
    /// Whether a key for one association only is proposed. Some meters want one.
    public var usesDedicatedKey: Bool
    /// Where the meter tells the newest invocation counter of this client to everybody.
    public var counterObject: ObisCode?
    /// Empty: what the meter's object list has.
    public var registers: [WantedRegister]
    public var loadProfile: ObisCode?
    /// Set at the start of each poll; nil where the link has none.
    public var line: LineSettings?
    /// How long an answer may take to begin.
    public var patience: Duration
    /// How often a whole poll that brought no answer is tried again.
    public var retries: Int
    /// How often HDLC asks again where a frame is missing.
    public var linkRetries: Int
    /// HDLC: the longest information field that is taken, in bytes, and how many frames in a row.
    public var maximumInformation: UInt16
    public var window: UInt8
    /// Bytes that nobody can guess.
    public var random: @Sendable (Int) -> [UInt8]

    public init(
        framing: Framing = .hdlc, client: UInt16 = 16, server: ServerAddress = ServerAddress(),
        mechanism: AuthenticationMechanism = .none, password: Secret? = nil, ciphering: MessageCiphering = .none,
        keys: CipheringKeys = CipheringKeys(), systemTitle: [UInt8] = Array("OBISD".utf8) + [0, 0, 1],
        usesDedicatedKey: Bool = false, counterObject: ObisCode? = ObisCode(0, 0, 43, 1, 0),
        registers: [WantedRegister] = [],
        loadProfile: ObisCode? = ObisCode(1, 0, 99, 1, 0), line: LineSettings? = nil,
        patience: Duration = .seconds(5), retries: Int = 1, linkRetries: Int = 3,
        maximumInformation: UInt16 = 512, window: UInt8 = 1,
        random: @escaping @Sendable (Int) -> [UInt8] = ClientSettings.systemRandom
    ) {
        self.framing = framing
        self.client = client
        self.server = server
        self.mechanism = mechanism
        self.password = password
        self.ciphering = ciphering
        self.keys = keys
        self.systemTitle = systemTitle
        self.usesDedicatedKey = usesDedicatedKey
        self.counterObject = counterObject
        self.registers = registers
        self.loadProfile = loadProfile
        self.line = line
        self.patience = patience
        self.retries = retries
        self.linkRetries = linkRetries
        self.maximumInformation = maximumInformation
        self.window = window
        self.random = random
    }

    /// Whoever reads nothing but the counter needs no rights (IDIS, Green Book 4.2).
    static let publicClient: UInt16 = 16

    public static let systemRandom: @Sendable (Int) -> [UInt8] = { count in
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
}

extension ObisCode {
    var octets: [UInt8] { [a, b, c, d, e, f] }
}
