public import OBIS

/// Which profile gives a meter's telegrams the names and units that they lack, and how sure that is.
public struct ProfileFit: Sendable, Hashable {
    public let profile: Profile
    public let confidence: Confidence
    /// A clause.
    public let why: String

    /// - Parameter telegrams: as they came, no profile applied.
    /// - Returns: nil where nothing is missing, or no profile gives any of it.
    public static func best(for telegrams: [Telegram], among profiles: [Profile]) -> ProfileFit? {
        let trials = profiles.map { Trial($0, telegrams) }.filter(\.isUseful)
        guard let best = trials.min(by: { $0.rank < $1.rank }) else { return nil }
        let rivals = trials.filter { $0.rank == best.rank && $0.result != best.result }
        return ProfileFit(best, rivals: rivals.map(\.profile.name))
    }

    private init(_ trial: Trial, rivals: [String]) {
        profile = trial.profile
        var reasons: [String] = []
        if trial.namedLists > 0 { reasons.append("its list has the same types of values") }
        if trial.units > 0 { reasons.append("it gives units to \(trial.units) of \(trial.measured) values") }
        if trial.plausible > 0 { reasons.append("voltages and currents are then plausible") }
        if trial.implausible > 0 { reasons.append("but voltages or currents are then not plausible") }
        switch trial.isMaker {
        case true?: reasons.append("it is for this maker")
        case false?: reasons.append("but it is for another maker")
        case nil: break
        }
        if !rivals.isEmpty { reasons.append("but so do \(rivals.joined(separator: ", ")), with other values") }
        why = reasons.joined(separator: ", ")
        let isDoubtful = !rivals.isEmpty || trial.implausible > 0 || trial.isMaker == false
        let isProven = trial.namedLists > 0 || (trial.isMaker == true && trial.units == trial.measured)
        confidence = isDoubtful || trial.plausible == 0 ? .guess : isProven ? .certain : .likely
    }
}

/// One profile, tried.
private struct Trial {
    let profile: Profile
    let result: [Telegram]
    let namedLists: Int
    /// Values without a unit, and those of them that the profile knows.
    let measured: Int
    let units: Int
    let plausible: Int
    let implausible: Int
    /// Nil where the maker is not known, or the profile names none.
    let isMaker: Bool?

    init(_ profile: Profile, _ telegrams: [Telegram]) {
        self.profile = profile
        result = telegrams.map { telegram in
            var telegram = telegram
            telegram.warnings = []
            profile.apply(to: &telegram)
            telegram.warnings = []
            return telegram
        }
        let pairs = zip(telegrams, result).flatMap { zip($0.registers, $1.registers) }
        namedLists = zip(telegrams, result).count { before, after in
            before.registers.allSatisfy { $0.obis == nil } && after.registers.contains { $0.obis != nil }
        }
        let lacking = pairs.filter { before, after in
            before.unit == nil && before.value.number != nil && (after.obis?.a == 1 || before.index != nil)
        }
        measured = lacking.count
        units = lacking.count { before, after in after.unit != nil || after.value != before.value }
        let judged = lacking.compactMap { $0.1.isPlausible }
        plausible = judged.count { $0 }
        implausible = judged.count { !$0 }
        let maker = telegrams.compactMap(\.meter.manufacturer).first
        isMaker = profile.makers.isEmpty ? nil : maker.map(profile.makers.contains)
    }

    var isUseful: Bool { units > 0 || namedLists > 0 }

    /// The best one is the least.
    var rank: (Int, Int, Int, Int) { (-namedLists, implausible, isMaker.map { $0 ? 0 : 2 } ?? 1, -units) }
}

extension Register {
    /// Whether a voltage or current of a phase can be one; nil for anything else.
    fileprivate var isPlausible: Bool? {
        guard let obis, obis.a == 1, obis.d == 7, let number = value.number else { return nil }
        switch (obis.c, unit) {
        case (32, .volt?), (52, .volt?), (72, .volt?):
            // A phase that is not connected has none.
            return number == FixedDecimal(0) || (FixedDecimal(80)...FixedDecimal(300)).contains(number)
        case (31, .ampere?), (51, .ampere?), (71, .ampere?): return number < FixedDecimal(200)
        default: return nil
        }
    }
}
