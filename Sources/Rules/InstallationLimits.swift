import OBIS

/// What the installation allows, as the operator states it.
public struct InstallationLimits: Sendable, Hashable {
    /// In VA.
    public var contractedPower: FixedDecimal?
    /// In A, of one phase.
    public var fuse: FixedDecimal?
    public var phases: Int?
    /// In V, phase to neutral.
    public var nominalVoltage: FixedDecimal?
    /// Whether something behind the meter can feed power into the grid; nil where nobody said so.
    public var hasGenerator: Bool?

    public init(
        contractedPower: FixedDecimal? = nil, fuse: FixedDecimal? = nil, phases: Int? = nil,
        nominalVoltage: FixedDecimal? = nil, hasGenerator: Bool? = nil
    ) {
        self.contractedPower = contractedPower
        self.fuse = fuse
        self.phases = phases
        self.nominalVoltage = nominalVoltage
        self.hasGenerator = hasGenerator
    }

    /// The largest power that the stated limits allow, in VA; nil where none is stated.
    var largestPower: Double? {
        let byFuse = fuse.map { $0.double * (nominalVoltage?.double ?? 230) * Double(phases ?? 3) }
        return [contractedPower?.double, byFuse].compactMap { $0 }.max()
    }
}
