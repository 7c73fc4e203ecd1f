import OBIS

/// Messages that were heard before, or that do not come from the configured meter.
struct Replay: Rule {
    static let events: RuleEvents = [.readings]

    static let samples = RuleParameter.samples(1)
    static let clearFor = RuleParameter.clearFor(900)
    static let cooldown = RuleParameter.cooldown(3600)
    static let severity = RuleParameter.severity(.high)

    static let description = RuleDescription(
        type: "replay", title: "Messages repeated or not from this meter",
        what: "A message counter went back, a message was not protected as demanded, or another serial number answers.",
        why: "Somebody may play old messages or send forged ones; or the meter or its key was exchanged.",
        action: "If the meter was exchanged, say so (`obisd replaced`); else see who can reach the line or the port.",
        parameters: [samples, severity, clearFor, cooldown], make: { Replay($0) })

    private let issues: IssueWatch

    init(_ context: RuleContext) {
        issues = IssueWatch(
            ["invocation-counter", "unprotected", "wrong-serial", "meter-changed"], context,
            severity: context.severity(Self.severity, or: .high), samples: Self.samples, clearFor: Self.clearFor,
            cooldown: Self.cooldown)
    }

    mutating func inspect(_ reading: Reading, _ moment: Moment, _ tracks: inout Tracks) {
        issues.judge(reading, &tracks) { $0 + " If nobody exchanged the meter or its key, see who can reach the line." }
    }
}
