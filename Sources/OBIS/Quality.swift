/// How far a value can be trusted; the worst of its values is the quality of a reading.
public enum Quality: String, Sendable, Hashable, Comparable, CaseIterable {
    case good, warning, error

    public static func < (lhs: Quality, rhs: Quality) -> Bool {
        lhs.rank < rhs.rank
    }

    private var rank: Int {
        switch self {
        case .good: 0
        case .warning: 1
        case .error: 2
        }
    }
}

/// Why a value is not good.
public struct QualityIssue: Hashable, Sendable {
    /// The key of the register in the reading's JSON; nil when the whole reading is meant.
    public let register: String?
    public let level: Quality
    public let code: Code
    /// A sentence for a person, with the numbers that it is about.
    public let text: String

    /// The stable names of the reasons. Within one schema version names are only added.
    public enum Code: String, Sendable, Hashable {
        /// Outside of what the quantity can physically be.
        case implausible
        /// A counter that only rises went back.
        case counterDecreased = "counter-decreased"
        /// The number has more digits than can be kept exactly.
        case wide
        /// The meter says that its clock is not right.
        case clockDoubtful = "clock-doubtful"
        /// Another meter than the configured one answered.
        case wrongSerial = "wrong-serial"
        /// The telegram itself was odd.
        case telegram
        /// The ciphered message counter did not rise.
        case invocationCounter = "invocation-counter"
        /// It came over a network without the protection for which keys are configured.
        case unprotected
        /// A counter rose faster than the largest power of the installation allows.
        case counterJump = "counter-jump"
        /// A counter reached the end of its digits and began again at zero.
        case counterRollover = "counter-rollover"
        /// A meter with another number answers: an error until it is believed, then a warning in the first reading of
        /// the new epoch.
        case meterChanged = "meter-changed"
        /// In an hour, the energy counters rose by something else than the power adds up to.
        case energyMismatch = "energy-mismatch"
        /// The telegram before, once more.
        case duplicate
        /// The meter's clock and the host's disagree.
        case clockDrift = "clock-drift"
        /// All voltages are off by the same power of ten: the wrong profile.
        case wrongScale = "wrong-scale"
    }

    public init(register: String?, level: Quality, code: Code, text: String) {
        self.register = register
        self.level = level
        self.code = code
        self.text = text
    }
}

extension [QualityIssue] {
    /// The keys of the registers that cannot be used; nil among them means the whole reading.
    public var unusable: Set<String?> { Set<String?>(lazy.filter { $0.level == .error }.map(\.register)) }
}
