/// What a meter measures.
public enum Medium: String, Sendable, Hashable {
    case electricity, gas, water, heat, other
}

/// Who sent a telegram, as far as it says so itself.
public struct MeterIdentity: Hashable, Sendable {
    /// The serial number or the utility's number.
    public var id: String?
    /// The three letters of the FLAG registry.
    public var manufacturer: String?
    public var medium: Medium?
    public var version: String?
    /// Counts the answers of the meter, modulo 256 (M-Bus).
    public var accessNumber: UInt8?
    /// The meter's own state as it sends it: errors, low power, bits of the maker (M-Bus).
    public var status: UInt8?

    public init(
        id: String? = nil, manufacturer: String? = nil, medium: Medium? = nil, version: String? = nil,
        accessNumber: UInt8? = nil, status: UInt8? = nil
    ) {
        self.id = id
        self.manufacturer = manufacturer
        self.medium = medium
        self.version = version
        self.accessNumber = accessNumber
        self.status = status
    }
}

/// How a telegram was protected (IEC 62056-5-3, 5.3: general-glo-ciphering).
public struct Ciphering: Hashable, Sendable {
    /// Eight bytes: three letters of the maker and a number.
    public let systemTitle: [UInt8]
    public let securityControl: UInt8
    /// Rises with every message of one sender under one key.
    public let invocationCounter: UInt32
    /// Whether the authentication tag was present, checked and right.
    public let isAuthenticated: Bool

    public init(systemTitle: [UInt8], securityControl: UInt8, invocationCounter: UInt32, isAuthenticated: Bool) {
        self.systemTitle = systemTitle
        self.securityControl = securityControl
        self.invocationCounter = invocationCounter
        self.isAuthenticated = isAuthenticated
    }
}

/// One whole message of a meter, decoded and not yet judged.
public struct Telegram: Hashable, Sendable {
    public var meter: MeterIdentity
    /// The clock of the telegram's header or of the clock object.
    public var meterTime: MeterTime?
    public var registers: [Register]
    /// The end of the interval that an entry of a load profile is about; nil for what holds now.
    public var intervalEnd: MeterTime?
    /// Names the list that the telegram is an instance of, where a meter sends several in turn.
    public var list: String?
    public var ciphering: Ciphering?
    /// What was odd, as sentences.
    public var warnings: [String]

    public init(
        meter: MeterIdentity = MeterIdentity(), meterTime: MeterTime? = nil, registers: [Register] = [],
        intervalEnd: MeterTime? = nil, list: String? = nil, ciphering: Ciphering? = nil, warnings: [String] = []
    ) {
        self.meter = meter
        self.meterTime = meterTime
        self.registers = registers
        self.intervalEnd = intervalEnd
        self.list = list
        self.ciphering = ciphering
        self.warnings = warnings
    }

    /// What was odd, with the numbers that are kept as text because 64 bits do not hold them.
    public var allWarnings: [String] {
        warnings
            + registers.filter { if case .wide = $0.value { true } else { false } }
            .map { "wide: \($0.code ?? "a value") has more digits than 64 bits hold" }
    }
}
