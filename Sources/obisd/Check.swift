import ArgumentParser
import Configuration
import Rules

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the configuration: keys, ports, secrets, and with --connect the broker.")

    @OptionGroup var options: ConfigurationOptions

    @Flag(name: .long, help: "Connect to the broker as well.")
    var connect = false

    @Flag(name: .long, help: "Say of each meter which rules look for anomalies, and why.")
    var explain = false

    func run() async throws {
        let loaded = try options.load()
        let meters = loaded.meters.filter(\.isEnabled)
        let installation = Installation(configuration: loaded)
        try report(installation.ports() + installation.folders())
        if connect {
            let finding = await BrokerTrial.connect(to: loaded.broker)
            Output.note(finding.text)
            if let code = finding.exitCode { throw code }
        }
        for meter in meters { explain(meter) }
        Output.line("\(options.config): good, \(meters.count) of \(loaded.meters.count) meters enabled")
    }

    /// - Throws: what does not work; a configuration that can never work before a right that is missing.
    private func report(_ findings: [Finding]) throws {
        for finding in findings where finding.level == .warning {
            Output.note("\(finding.subject): warning: \(finding.text)")
        }
        let problems = findings.filter { $0.level == .problem }
        for problem in problems { Output.note("\(options.config): \(problem.subject): \(problem.text)") }
        let codes = problems.compactMap(\.exitCode)
        if let code = codes.first(where: { $0 == Exit.configuration }) ?? codes.first { throw code }
    }

    private func explain(_ meter: Meter) {
        let rules = RuleRegistry.explanations(for: InstallationLimits(meter.limits), settings: meter.rules)
        let active = rules.count { $0.isActive }
        guard explain else {
            return Output.note("meter \(meter.id): \(active) of \(rules.count) rules are active (--explain lists them)")
        }
        for rule in rules { Output.line("meter \(meter.id): \(rule.type): \(rule.why)") }
    }
}
