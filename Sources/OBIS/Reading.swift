/// One judged reading of a meter: what is journaled and published.
public struct Reading: Hashable, Sendable {
    /// Where a reading comes from. Rules look at live ones only.
    public enum Source: String, Sendable, Hashable {
        case live
        case loadProfile = "load-profile"
        case replay
    }

    public var source: Source
    /// Counts the physical meters behind one configured id, from 1.
    public var epoch: Int
    public var device: MeterIdentity
    /// When the values held.
    public var time: Timestamp
    /// When the host had the last byte.
    public var capturedAt: Timestamp
    /// Whether the host's clock was synchronised then.
    public var isClockSynchronized: Bool
    public var meterTime: MeterTime?
    public var values: NamedValues
    public var registers: [Register] { didSet { registerKeys = RegisterNames.keys(of: registers) } }
    /// The unique keys of `registers` in JSON, see `RegisterNames`.
    public private(set) var registerKeys: [String]
    public var issues: [QualityIssue]

    /// - Parameter registerKeys: those of the registers, where they are known.
    public init(
        source: Source = .live, epoch: Int = 1, device: MeterIdentity, time: Timestamp, capturedAt: Timestamp,
        isClockSynchronized: Bool, meterTime: MeterTime? = nil, values: NamedValues = NamedValues(),
        registers: [Register] = [], registerKeys: [String]? = nil, issues: [QualityIssue] = []
    ) {
        self.source = source
        self.epoch = epoch
        self.device = device
        self.time = time
        self.capturedAt = capturedAt
        self.isClockSynchronized = isClockSynchronized
        self.meterTime = meterTime
        self.values = values
        self.registers = registers
        self.registerKeys = registerKeys ?? RegisterNames.keys(of: registers)
        self.issues = issues
    }

    /// The same with the values of several readings in place of its own.
    public func merged(_ registers: [Register], _ keys: [String], _ values: NamedValues) -> Reading {
        Reading(
            source: source, epoch: epoch, device: device, time: time, capturedAt: capturedAt,
            isClockSynchronized: isClockSynchronized, meterTime: meterTime, values: values, registers: registers,
            registerKeys: keys, issues: issues)
    }

    /// The worst quality of its values.
    public var quality: Quality {
        issues.map(\.level).max() ?? .good
    }
}
