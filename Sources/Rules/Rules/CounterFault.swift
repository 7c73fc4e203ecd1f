import OBIS

/// Counters that go back, jump, or do not agree with the power.
struct CounterFault: Rule {
    static let events: RuleEvents = [.readings]

    static let samples = RuleParameter.samples(1)
    static let clearFor = RuleParameter.clearFor(900)
    static let cooldown = RuleParameter.cooldown(3600)
    static let severity = RuleParameter.severity(.high)

    static let description = RuleDescription(
        type: "counter_fault", title: "Counter or scale not plausible",
        what: "A counter went back, grew faster than the installation allows, or disagrees with the power.",
        why: "Bills and statistics rest on the counter; the meter, its profile or the line may be wrong.",
        action: "Compare with the meter's display. After an exchange of the meter, say so: `obisd replaced`.",
        parameters: [samples, severity, clearFor, cooldown], make: { CounterFault($0) })

    private let issues: IssueWatch

    init(_ context: RuleContext) {
        issues = IssueWatch(
            ["counter-decreased", "counter-jump", "energy-mismatch", "wrong-scale"], context,
            severity: context.severity(Self.severity, or: .high), samples: Self.samples, clearFor: Self.clearFor,
            cooldown: Self.cooldown)
    }

    mutating func inspect(_ reading: Reading, _ moment: Moment, _ tracks: inout Tracks) {
        issues.judge(reading, &tracks) { $0 + " Compare with the meter's display." }
    }
}

/// A condition that holds while readings carry certain issues.
struct IssueWatch: Sendable {
    /// The names of the issues, as subscribers see them.
    private let codes: Set<String>
    private let ladder: Ladder

    init(
        _ codes: Set<String>, _ context: RuleContext, severity: Anomaly.Severity, samples: RuleParameter,
        clearFor: RuleParameter, cooldown: RuleParameter
    ) {
        self.codes = codes
        ladder = Ladder(
            conditions: [context.level(severity, samples: context.count(samples))],
            clearFor: context.milliseconds(clearFor), cooldown: context.milliseconds(cooldown))
    }

    /// - Parameter describe: makes the text from the sentence of the issue.
    func judge(_ reading: Reading, _ tracks: inout Tracks, describe: (String) -> String) {
        let issue = reading.issues.first { codes.contains($0.code.rawValue) }
        tracks.judge(issue == nil ? 0 : 1, by: ladder) { _ in
            let sentence = issue.map { String($0.text.prefix(300)) } ?? ""
            let capital = sentence.prefix(1).uppercased() + sentence.dropFirst()
            return describe(capital + (capital.hasSuffix(".") ? "" : "."))
        }
    }
}
