import OBIS

/// What the operator says that a quantity can be at all. A bound that is nil has its default.
public struct PlausibilityBounds: Sendable, Hashable {
    /// In V, phase to neutral; by default 0 to 400, since an outage is as real as a swell.
    public var voltage: ClosedRange<FixedDecimal>?
    /// In A; by default three times the fuse either way, else 5 kA.
    public var current: ClosedRange<FixedDecimal>?
    /// In W, var and VA; by default three times the largest stated limit either way, else 1 MW.
    public var power: ClosedRange<FixedDecimal>?
    /// In Hz; by default 40 to 70.
    public var frequency: ClosedRange<FixedDecimal>?
    /// By default −1 to 1.
    public var powerFactor: ClosedRange<FixedDecimal>?
    /// Total harmonic distortion in %; by default 0 to 100 of a voltage, 0 to 1000 of a current, which may be all
    /// harmonics.
    public var distortion: ClosedRange<FixedDecimal>?

    public init(
        voltage: ClosedRange<FixedDecimal>? = nil, current: ClosedRange<FixedDecimal>? = nil,
        power: ClosedRange<FixedDecimal>? = nil, frequency: ClosedRange<FixedDecimal>? = nil,
        powerFactor: ClosedRange<FixedDecimal>? = nil, distortion: ClosedRange<FixedDecimal>? = nil
    ) {
        self.voltage = voltage
        self.current = current
        self.power = power
        self.frequency = frequency
        self.powerFactor = powerFactor
        self.distortion = distortion
    }
}
