public import Metering
public import OBIS

/// Everything that a configuration says, checked and with every default filled in.
public struct Configuration: Sendable, Equatable {
    /// Nil: the host name decides.
    public var node: String?
    public var broker: Broker
    public var homeAssistant: HomeAssistant
    public var journal: JournalConfiguration
    /// Nil: no metrics are written.
    public var metrics: MetricsConfiguration?
    public var buses: [Bus]
    /// In the order of the files, those that are not enabled too.
    public var meters: [Meter]
    /// The profiles that ship with the program and those of the configuration, by name.
    public var profiles: [String: Profile]

    /// What is allowed and yet doubtful.
    public var warnings: [Diagnostic]
    /// Every file that was read as configuration, the first one first.
    public var files: [String]
    /// Where the stanza of each meter begins, by its id.
    public var places: [String: Place]

    public init(
        node: String? = nil, broker: Broker = Broker(), homeAssistant: HomeAssistant = HomeAssistant(),
        journal: JournalConfiguration = JournalConfiguration(), metrics: MetricsConfiguration? = nil,
        buses: [Bus] = [], meters: [Meter] = [],
        profiles: [String: Profile] = [:],
        warnings: [Diagnostic] = [], files: [String] = [], places: [String: Place] = [:]
    ) {
        self.node = node
        self.broker = broker
        self.homeAssistant = homeAssistant
        self.journal = journal
        self.metrics = metrics
        self.buses = buses
        self.meters = meters
        self.profiles = profiles
        self.warnings = warnings
        self.files = files
        self.places = places
    }
}

/// The one connection to a broker.
public struct Broker: Sendable, Equatable {
    public enum Version: String, Sendable, Equatable {
        case v5 = "5"
        case v311 = "3.1.1"
    }

    /// Files are read again at each connection, so that a renewed certificate needs no restart.
    public struct TLS: Sendable, Equatable {
        /// Nil: the certificate authorities of the system.
        public var caFile: String?
        /// The certificate and the key that the client shows; both or none.
        public var certFile: String?
        public var keyFile: String?
        /// In place of certificates; nil: none.
        public var preSharedKey: PreSharedKey?

        public init(
            caFile: String? = nil, certFile: String? = nil, keyFile: String? = nil, preSharedKey: PreSharedKey? = nil
        ) {
            self.caFile = caFile
            self.certFile = certFile
            self.keyFile = keyFile
            self.preSharedKey = preSharedKey
        }
    }

    /// A key that the broker has as well, under a name.
    public struct PreSharedKey: Sendable, Equatable {
        public var identity: String
        public var key: Secret

        public init(identity: String, key: Secret) {
            self.identity = identity
            self.key = key
        }
    }

    /// How fast a backlog is sent after an outage.
    public enum DrainRate: Sendable, Equatable {
        case perSecond(Int)
        case unlimited
    }

    public static let plainPort = 1883
    public static let tlsPort = 8883

    public var host: String
    public var port: Int
    /// Nil: made of the node's name and the machine's id.
    public var clientID: String?
    public var keepalive: Duration
    public var version: Version
    public var username: String?
    public var password: Secret?
    /// Nil: no encryption.
    public var tls: TLS?
    public var baseTopic: String
    public var drainRate: DrainRate
    /// Whether commands are taken from the broker.
    public var acceptsCommands = false

    public init(
        host: String = "localhost", port: Int = Broker.plainPort, clientID: String? = nil,
        keepalive: Duration = .seconds(60), version: Version = .v5, username: String? = nil,
        password: Secret? = nil, tls: TLS? = nil, baseTopic: String = "obisd",
        drainRate: DrainRate = .perSecond(1000)
    ) {
        self.host = host
        self.port = port
        self.clientID = clientID
        self.keepalive = keepalive
        self.version = version
        self.username = username
        self.password = password
        self.tls = tls
        self.baseTopic = baseTopic
        self.drainRate = drainRate
    }
}

/// Discovery messages for Home Assistant.
public struct HomeAssistant: Sendable, Equatable {
    public enum Discovery: String, Sendable, Equatable {
        /// One message for each meter, with all its entities.
        case device
        /// One message for each entity, as older versions want it.
        case entity
        case off
    }

    public var discovery: Discovery
    public var prefix: String

    public init(discovery: Discovery = .device, prefix: String = "homeassistant") {
        self.discovery = discovery
        self.prefix = prefix
    }
}

/// Where readings are kept, how long and how many.
public struct JournalConfiguration: Sendable, Equatable {
    /// What happens to a reading when the journal has reached its size.
    public enum WhenFull: String, Sendable, Equatable {
        /// The oldest reading makes way, published ones first.
        case dropOldest = "drop_oldest"
    }

    /// When a reading is on the disk.
    public enum Sync: Sendable, Equatable {
        /// Before it counts as accepted.
        case commit
        /// At most this much later; publishing waits for it.
        case every(Duration)
    }

    public var path: String
    public var keep: Duration
    /// In bytes.
    public var maxSize: Int64
    public var whenFull: WhenFull
    public var sync: Sync

    public init(
        path: String = "/var/lib/obisd/journal.db", keep: Duration = .seconds(365 * 86_400),
        maxSize: Int64 = 1 << 30, whenFull: WhenFull = .dropOldest, sync: Sync = .commit
    ) {
        self.path = path
        self.keep = keep
        self.maxSize = maxSize
        self.whenFull = whenFull
        self.sync = sync
    }
}

/// Where the daemon's figures are written for Prometheus.
public struct MetricsConfiguration: Sendable, Equatable {
    public static let interval = Duration.seconds(15)

    /// Ends with `.prom`: the node_exporter reads no other.
    public var file: String
    public var every: Duration

    public init(file: String, every: Duration = MetricsConfiguration.interval) {
        self.file = file
        self.every = every
    }
}
