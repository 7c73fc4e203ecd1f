import OBIS

extension DLMSServer {
    /// How a client proves who it is (IEC 62056-5-3, 5.3.3). The raw value is the last octet of the mechanism's name.
    public enum Mechanism: UInt8, Sendable, CaseIterable {
        case none = 0
        /// Low level security: a password.
        case password = 1
        // High level security: both sides answer a challenge.
        case md5 = 3
        case sha1 = 4
        case gmac = 5
        case sha256 = 6

        var isHigh: Bool { rawValue >= Mechanism.md5.rawValue }
    }

    /// Global keys of a client, 16 bytes each (security suite 0).
    public struct Keys: Sendable {
        public var encryption: Secret
        public var authentication: Secret

        public init(encryption: Secret, authentication: Secret) {
            self.encryption = encryption
            self.authentication = authentication
        }
    }

    /// Whom the meter lets in, and how.
    public struct Client: Sendable {
        /// The service access point: 16 is the public client.
        public var address: UInt16
        public var mechanism: Mechanism
        /// The password, or the secret of MD5, SHA-1 and SHA-256.
        public var secret: Secret
        public var keys: Keys?
        /// Whether the application context is the one with ciphering.
        public var isCiphered: Bool
        /// What it may read; nil: everything.
        public var scope: Set<ObisCode>?

        public init(
            address: UInt16, mechanism: Mechanism = .none, secret: Secret = Secret([]), keys: Keys? = nil,
            isCiphered: Bool = false, scope: Set<ObisCode>? = nil
        ) {
            self.address = address
            self.mechanism = mechanism
            self.secret = secret
            self.keys = keys
            self.isCiphered = isCiphered
            self.scope = scope
        }

        /// The client that every meter has: it reads without security what leads to an association with some.
        public static let publicClient = Client(
            address: 16,
            scope: [.clock, .logicalDeviceName, .serialNumber, .invocationCounter, .currentAssociation])
    }

    /// What an association refuses with when a ciphered initiate request cannot be opened.
    public enum CipheringRefusal: Sendable {
        /// An exception response, with the counter where that was it.
        case exception
        /// An AARE: rejected, with a confirmed service error in the user information.
        case response
    }

    public struct Configuration: Sendable {
        /// The number on the meter.
        public var serial = "12345678"
        /// Eight bytes, the first three of them the maker.
        public var systemTitle = Array("OBI".utf8) + [0x00, 0xBC, 0x61, 0x4E, 0x01]
        public var firmware = "V0411"
        /// The service access point of the logical device.
        public var address: UInt16 = 1
        /// Whom it lets in besides the public client. One with address 16 takes the place of that.
        public var clients: [Client] = []
        /// The longest message that the meter takes, and sends. At least 64.
        public var pduSize = 1024
        public var conformance: Conformance = .usual
        /// Security control of what the meter sends: 10 authenticated, 20 encrypted, 30 both.
        public var securityControl: UInt8 = 0x30
        /// The meter's first invocation counter under a global key.
        public var invocationCounter: UInt32 = 100
        /// The highest counter that each client has used before.
        public var clientCounters: [UInt16: UInt32] = [:]
        public var cipheringRefusal = CipheringRefusal.exception
        /// The meter's challenge; nil: another one for each association, all made from the serial number.
        public var challenge: [UInt8]?
        public var profile = LoadProfile()
        /// Objects that answer with a refusal, whatever is asked of them.
        public var refusals: [ObisCode: AccessResult] = [:]

        public init() {}

        func client(at address: UInt16) -> Client? {
            clients.first { $0.address == address } ?? (address == 16 ? .publicClient : nil)
        }
    }

    /// Services that a side has (IEC 62056-5-3, 9.4.6.1): 24 bits, of which the first is the highest.
    public struct Conformance: OptionSet, Sendable, Hashable {
        public let rawValue: UInt32

        public init(rawValue: UInt32) {
            self.rawValue = rawValue & 0xFF_FFFF
        }

        private init(bit: UInt32) {
            rawValue = 0x80_0000 >> bit
        }

        public static let generalProtection = Conformance(bit: 1)
        public static let generalBlockTransfer = Conformance(bit: 2)
        public static let blockTransferWithGet = Conformance(bit: 11)
        public static let multipleReferences = Conformance(bit: 14)
        public static let get = Conformance(bit: 19)
        public static let set = Conformance(bit: 20)
        public static let selectiveAccess = Conformance(bit: 21)
        public static let action = Conformance(bit: 23)

        /// What most meters have: no general services, and lists.
        public static let usual: Conformance = [
            .blockTransferWithGet, .multipleReferences, .get, .set, .selectiveAccess, .action,
        ]

        var bytes: [UInt8] { Array(GeneralGloCiphering.bigEndian(rawValue).dropFirst()) }
    }

    /// Why the meter does not give what it was asked for (IEC 62056-5-3, Data-Access-Result).
    public enum AccessResult: UInt8, Error, Sendable {
        case hardwareFault = 1
        case temporaryFailure = 2
        case readWriteDenied = 3
        case objectUndefined = 4
        case objectClassInconsistent = 9
        case objectUnavailable = 11
        case typeUnmatched = 12
        case scopeOfAccessViolated = 13
        case dataBlockUnavailable = 14
        case longGetAborted = 15
        case noLongGetInProgress = 16
        case dataBlockNumberInvalid = 19
        case other = 250
    }
}

// MARK: - What goes wrong

extension DLMSServer {
    /// What goes wrong. Numbers count from the meter's start, the first is 1; 0 is never. Those that say how many are
    /// counted down.
    public struct Faults: Sendable, Hashable {
        /// From this request on, nothing is answered.
        public var silentFromRequest = 0
        /// How long the meter takes for an answer.
        public var delay = Duration.zero
        /// So many associations are refused, without a reason.
        public var refusedAssociations = 0
        /// So many ciphered answers have a wrong tag.
        public var wrongTags = 0
        /// So many ciphered answers have a counter that was used before.
        public var repeatedCounters = 0
        /// So many answers belong to another request.
        public var wrongInvokeIDs = 0
        /// So many answers to GET have a notification before them.
        public var notifications = 0
        /// The block of a long answer in whose place the meter gives up.
        public var abortedBlock = 0
        /// The frame that is lost on the way, that comes twice, whose check sequence is wrong. Over the wrapper, a
        /// message is a frame, and has no check sequence.
        public var lostFrame = 0
        public var repeatedFrame = 0
        public var wrongCheckFrame = 0
        /// So many HDLC information frames are rejected (FRMR).
        public var frameRejects = 0
        /// So many answers have garbage before them.
        public var noise = 0
        /// The frame in whose middle the meter closes the line.
        public var closedFrame = 0

        public init() {}
    }

    /// What a meter keeps from one connection to the next.
    public struct Memory: Sendable, Hashable {
        /// What is left of the faults.
        public var faults: Faults
        /// Messages that came to the meter.
        public internal(set) var requests = 0
        /// Associations that were accepted, those included whose client had yet to prove itself.
        public internal(set) var associations = 0
        /// Requests to change or to do something. The meter refuses them all.
        public internal(set) var writesAttempted = 0
        /// Frames that the meter sent, or should have sent.
        public internal(set) var frames = 0
        /// HDLC frames that came with a wrong check sequence.
        public internal(set) var damagedFrames = 0
        /// The highest counter that each client has used.
        public internal(set) var clientCounters: [UInt16: UInt32]
        /// The meter's own next counter under a global key.
        public internal(set) var nextCounter: UInt32

        var isSilent: Bool { faults.silentFromRequest > 0 && requests >= faults.silentFromRequest }
    }
}

extension Int {
    /// Whether one of so many faults is left. Takes it.
    mutating func take() -> Bool {
        guard self > 0 else { return false }
        self -= 1
        return true
    }
}

extension ObisCode {
    static let clock = ObisCode(0, 0, 1, 0, 0)
    static let logicalDeviceName = ObisCode(0, 0, 42, 0, 0)
    static let serialNumber = ObisCode(0, 0, 96, 1, 0)
    static let invocationCounter = ObisCode(0, 0, 43, 1, 0)
    static let currentAssociation = ObisCode(0, 0, 40, 0, 0)
    static let securitySetup = ObisCode(0, 0, 43, 0, 0)
    static let pushSetup = ObisCode(0, 0, 25, 9, 0)
    static let firmware = ObisCode(1, 0, 0, 2, 0)
    static let profileStatus = ObisCode(0, 0, 96, 10, 1)
    static let loadProfile = ObisCode(1, 0, 99, 1, 0)
    static let activeImport = ObisCode(1, 0, 1, 8, 0)
    static let activeExport = ObisCode(1, 0, 2, 8, 0)
}
