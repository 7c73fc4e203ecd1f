import OBIS

/// A house with three phases whose numbers add up: powers make the currents, the sum of the phases makes the total,
/// and power over time makes the energy. Equal seeds make equal houses.
public struct Household: Sendable {
    /// One phase, in the resolution of a meter.
    public struct Phase: Sendable, Hashable {
        /// W; negative is export.
        public fileprivate(set) var power: Int = 0
        /// V.
        public fileprivate(set) var voltage: Int = 230
        /// 0.01 A, always positive.
        public fileprivate(set) var current: Int = 0
    }

    public private(set) var phases = [Phase(), Phase(), Phase()]
    /// Wh.
    public var imported: Int { Int(importedMilliwattSeconds / 3_600_000) }
    /// Wh.
    public var exported: Int { Int(exportedMilliwattSeconds / 3_600_000) }

    private var random: SplitMix64
    private var importedMilliwattSeconds: Int64
    private var exportedMilliwattSeconds: Int64
    /// Steps that each phase's appliance still runs, and its power in W.
    private var appliances: [(steps: Int, power: Int)] = Array(repeating: (0, 0), count: 3)
    private var elapsed = Duration.zero
    /// W at noon; 0 for a house without panels.
    private let solarPeak: Int

    public init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        importedMilliwattSeconds = Int64(random.next(below: 20_000_000)) * 3_600_000
        exportedMilliwattSeconds = Int64(random.next(below: 3_000_000)) * 3_600_000
        solarPeak = random.next(below: 3) == 0 ? 0 : 2000 + random.next(below: 6000)
        step()
    }

    /// Total active power in W; negative is export.
    public var power: Int { phases.reduce(0) { $0 + $1.power } }

    /// Lets time pass.
    public mutating func advance(by duration: Duration) {
        let milliseconds = duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
        let energy = Int64(power) * milliseconds
        if energy >= 0 { importedMilliwattSeconds += energy } else { exportedMilliwattSeconds -= energy }
        elapsed += duration
        step()
    }

    private mutating func step() {
        for index in phases.indices {
            if appliances[index].steps > 0 {
                appliances[index].steps -= 1
            } else if random.next(below: 20) == 0 {
                appliances[index] = (5 + random.next(below: 60), 200 + random.next(below: 2300))
            } else {
                appliances[index].power = 0
            }
            let base = 60 + random.next(below: 40)
            let power = base + appliances[index].power - sun / 3
            let voltage = 228 + random.next(below: 6) - power / 2000
            phases[index].power = power
            phases[index].voltage = voltage
            phases[index].current = abs(power) * 100 / max(1, voltage)
        }
    }

    /// A day of ten minutes, so that a demonstration sees the sun rise and set.
    private var sun: Int {
        let second = Int(elapsed.components.seconds % 600)
        let fromNoon = abs(second - 300)
        return fromNoon >= 150 ? 0 : solarPeak * (150 - fromNoon) / 150
    }
}

/// A small generator with good distribution and one word of state.
struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    mutating func next(below bound: Int) -> Int {
        Int(next() % UInt64(max(1, bound)))
    }
}
