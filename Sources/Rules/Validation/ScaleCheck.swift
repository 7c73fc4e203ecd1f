import OBIS

/// Whether the voltages stand in the wrong decimal place: a grid of 230 V that reads 23 V, 2.3 V or 2300 V has the wrong
/// profile.
///
/// Only powers of ten count: 110 V is another grid, and 57.7 V or 63.5 V are those of a meter behind transformers. A
/// phase without voltage says nothing. Voltages that once were in their place stay there: a grid that breaks down to a
/// tenth is no matter of the profile.
struct ScaleCheck {
    /// So many telegrams in a row with the same mistake are no coincidence.
    static let believedAfter = 5
    /// How far from nominal a grid in operation is.
    private static let band = 0.85...1.15
    private static let powers = [-2, -1, 1, 2, 3]
    /// In V; less is a phase without voltage.
    private static let silence = 0.5

    /// In V.
    let nominal: FixedDecimal
    private var isProven = false
    private var suspected: (power: Int, count: Int)?

    init(nominal: FixedDecimal?) {
        self.nominal = nominal.flatMap { $0 > .zero ? $0 : nil } ?? 230
    }

    /// Another meter may need another profile.
    mutating func beginEpoch() {
        self = ScaleCheck(nominal: nominal)
    }

    /// Looks at the voltages of a telegram.
    ///
    /// - Returns: what is wrong with all of them; nil where that is nothing or not clear yet.
    mutating func objection(to telegram: Telegram) -> String? {
        let ratios = telegram.registers.compactMap(Self.voltage).filter { $0 >= Self.silence }
            .map { $0 / nominal.double }
        guard !ratios.isEmpty, !isProven else { return nil }
        if ratios.contains(where: { Self.band.contains($0) }) {
            isProven = true
            return nil
        }
        guard let power = Self.powers.first(where: { power in ratios.allSatisfy { Self.is($0, at: power) } }) else {
            suspected = nil
            return nil
        }
        let count = suspected?.power == power ? min((suspected?.count ?? 0) + 1, Self.believedAfter) : 1
        suspected = (power, count)
        guard count >= Self.believedAfter else { return nil }
        return "the voltages read \(Self.names[power] ?? "a power of ten") of the \(nominal) V that are nominal here: "
            + "the profile is wrong, or the unit in it. Choose another one (`profile`); nothing is corrected"
    }

    /// Whether a register is one that it judges.
    static func isJudged(_ register: Register) -> Bool {
        voltage(register) != nil
    }

    private static func `is`(_ ratio: Double, at power: Int) -> Bool {
        band.contains(ratio * FixedDecimal(1, exponent: Int8(clamping: -power)).double)
    }

    private static let names = [
        -2: "a hundredth", -1: "a tenth", 1: "ten times", 2: "a hundred times", 3: "a thousand times",
    ]

    /// In V, phase to neutral.
    private static func voltage(_ register: Register) -> Double? {
        guard let code = register.obis, code.a == 1, code.f == 255, code.d == 7, code.e == 0 || code.e == 255,
            [12, 32, 52, 72].contains(code.c), let number = register.value.number
        else { return nil }
        return register.unit?.convert(number, to: .volt)?.double
    }
}
