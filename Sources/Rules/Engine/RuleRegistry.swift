/// Every kind of anomaly that there is.
///
/// The configuration, `check`, the engine and the documentation go by this list: a new rule is a file and a line here.
public enum RuleRegistry {
    public static let all: [RuleDescription] = [
        Overload.description,
        Fuse.description,
        VoltageBand.description,
        Dip.description,
        Swell.description,
        PhaseLost.description,
        NeutralFault.description,
        VoltageUnbalance.description,
        Frequency.description,
        HarmonicDistortion.description,
        PowerFactor.description,
        CurrentUnbalance.description,
        NightBaseLoad.description,
        ContinuousFlow.description,
        Peak.description,
        Drop.description,
        UnexpectedExport.description,
        MissingExport.description,
        CounterFault.description,
        MeterError.description,
        MeterClock.description,
        Stale.description,
        BadLink.description,
        Decryption.description,
        Replay.description,
        BalanceRule.description,
        Budget.description,
    ]

    /// - Returns: nil where no rule has that name.
    public static func description(of type: String) -> RuleDescription? {
        all.first { $0.type == type }
    }

    /// Which rules are at work on a meter, and why: what `check` prints.
    public static func explanations(
        for limits: InstallationLimits, settings: RuleSettings = RuleSettings()
    ) -> [RuleExplanation] {
        all.map { $0.explanation(for: limits, settings: settings) }
    }
}
