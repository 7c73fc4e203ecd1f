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
    public var registers: [Register]
    public var issues: [QualityIssue]

    public init(
        source: Source = .live, epoch: Int = 1, device: MeterIdentity, time: Timestamp, capturedAt: Timestamp,
        isClockSynchronized: Bool, meterTime: MeterTime? = nil, values: NamedValues = NamedValues(),
        registers: [Register] = [], issues: [QualityIssue] = []
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
        self.issues = issues
    }

    /// The worst quality of its values.
    public var quality: Quality {
        issues.map(\.level).max() ?? .good
    }

    /// The unique keys of `registers` in JSON: the OBIS code, else the name on the wire or the position,
    /// with `#2`, `#3`… where one is repeated.
    public var registerKeys: [String] {
        var seen: [String: Int] = [:]
        var used: Set<String> = []
        return registers.map { register in
            let name =
                register.obis?.description ?? register.printedCode ?? register.index.map { "index:\($0)" } ?? "value"
            var count = seen[name, default: 0] + 1
            var key = count > 1 ? "\(name)#\(count)" : name
            // A meter may print a name that looks like a repetition.
            while !used.insert(key).inserted {
                count += 1
                key = "\(name)#\(count)"
            }
            seen[name] = count
            return key
        }
    }
}
