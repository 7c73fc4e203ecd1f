public import OBIS

public enum MQTTVersion: Sendable, Hashable {
    /// The default: only here does a refused publish carry a reason.
    case v5
    /// A publish that the broker's access list denies is acknowledged like any other.
    case v311
}

/// The files of a TLS connection. They are read again at each connect.
public struct TLSSettings: Sendable, Hashable {
    /// The authority that signed the broker's certificate (PEM); nil: the system's authorities.
    public var caFile: String?
    /// Our own certificate (PEM), together with its key; nil: none.
    public var certificateFile: String?
    public var keyFile: String?

    /// In place of all these: a key that the broker has as well; nil: certificates.
    public var preSharedKey: PreSharedKey?

    /// A key, and the name under which the broker has it too (RFC 4279).
    public struct PreSharedKey: Sendable, Hashable {
        public var identity: String
        public var key: Secret

        public init(identity: String, key: Secret) {
            self.identity = identity
            self.key = key
        }
    }

    public init(
        caFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil,
        preSharedKey: PreSharedKey? = nil
    ) {
        self.caFile = caFile
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.preSharedKey = preSharedKey
    }
}

/// Where the broker is and how to speak to it.
public struct BrokerSettings: Sendable, Hashable {
    /// A name or an address.
    public var host: String
    /// 1…65535; usually 1883, or 8883 with TLS.
    public var port: Int
    public var clientID: String
    /// Held between 5 s and 18 h, whole seconds; the broker may prescribe another one.
    public var keepalive: Duration
    public var version: MQTTVersion
    public var username: String?
    public var password: Secret?
    /// nil: no TLS.
    public var tls: TLSSettings?
    /// What the broker publishes when the connection is lost without a farewell.
    public var will: MQTTMessage?
    /// What version 5 says of every message; nil: nothing.
    public var properties: MessageProperties?
    /// Messages under way without an acknowledgement, at most; the broker's receive maximum may be less.
    public var window: Int

    public init(
        host: String, port: Int = 1883, clientID: String, keepalive: Duration = .seconds(60),
        version: MQTTVersion = .v5,
        username: String? = nil, password: Secret? = nil, tls: TLSSettings? = nil, will: MQTTMessage? = nil,
        window: Int = 20
    ) {
        self.host = host
        self.port = port
        self.clientID = clientID
        self.keepalive = keepalive
        self.version = version
        self.username = username
        self.password = password
        self.tls = tls
        self.will = will
        self.window = window
    }

    /// Whole seconds within what the library and the protocol take.
    var keepaliveSeconds: Int32 {
        Int32(clamping: min(max(keepalive.components.seconds, 5), 65_535))
    }
}

/// What the broker said of itself when it accepted the connection (MQTT 5, 3.2.2.3). Under 3.1.1 these are
/// the protocol's own limits.
public struct BrokerProperties: Sendable, Hashable {
    /// Always false: every connection starts clean.
    public var sessionPresent = false
    /// Publishes without acknowledgement that the broker takes at a time.
    public var receiveMaximum = 65_535
    /// The largest packet that the broker takes, in bytes; nil: no limit but the protocol's.
    public var maximumPacketSize: Int?
    public var maximumQoS = 2
    public var retainAvailable = true
    /// In place of ours; nil: ours stands.
    public var serverKeepalive: Duration?
    /// The window in force: the smaller one of ours and the receive maximum.
    public var window = 1
}
