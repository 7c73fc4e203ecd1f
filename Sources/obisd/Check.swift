import ArgumentParser
import Configuration
import Daemon
import Foundation
import Logging
import MQTT
import OBIS
import Rules
import Wire

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the configuration: keys, ports, secrets, and with --connect the broker.")

    @OptionGroup var options: ConfigurationOptions

    @Flag(name: .long, help: "Connect to the broker as well.")
    var connect = false

    @Flag(name: .long, help: "Say of each meter which rules look for anomalies, and why.")
    var explain = false

    func run() async throws {
        let loaded = try options.load(isService: false)
        let meters = loaded.meters.filter(\.isEnabled)
        let forbidden = meters.compactMap(forbidden)
        let wrong = meters.compactMap(wrong) + twoOwners(meters)
        warn("journal", of: loaded.journal.path)
        if let metrics = loaded.metrics { warn("metrics", of: metrics.file) }
        for problem in forbidden + wrong { Output.note("\(options.config): \(problem)") }
        if !wrong.isEmpty { throw Exit.configuration }
        if !forbidden.isEmpty { throw Exit.permission }
        if connect { try await connect(to: loaded.broker) }
        for meter in meters { explain(meter) }
        let enabled = loaded.meters.count { $0.isEnabled }
        Output.line("\(options.config): good, \(enabled) of \(loaded.meters.count) meters enabled")
    }

    private func explain(_ meter: Meter) {
        let rules = RuleRegistry.explanations(for: InstallationLimits(meter.limits), settings: meter.rules)
        let active = rules.count { $0.isActive }
        guard explain else {
            return Output.note("meter \(meter.id): \(active) of \(rules.count) rules are active (--explain lists them)")
        }
        for rule in rules { Output.line("meter \(meter.id): \(rule.type): \(rule.why)") }
    }

    /// A port that is there and may not be used. One that is not there may be plugged in later.
    private func forbidden(_ meter: Meter) -> String? {
        guard case .serial(let path, _) = meter.endpoint else { return nil }
        guard isThere(path) else {
            Output.note("meter \(meter.id): warning: \(path) is not there now")
            return nil
        }
        guard !may(path, R_OK | W_OK) else { return nil }
        return
            "meter \(meter.id): \(path) may not be read and written; add the user to the group that owns it (often dialout)"
    }

    /// What can never work.
    private func wrong(_ meter: Meter) -> String? {
        switch meter.endpoint {
        case .serial(let path, _):
            guard isThere(path) else { return nil }
            let descriptor = unsafe open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            return isatty(descriptor) == 1 ? nil : "meter \(meter.id): \(path) is no serial port"
        case .file(let path): return isThere(path) ? nil : "meter \(meter.id): there is no file \(path)"
        case .tcp, .rfc2217, .udp, .listen: return nil
        }
    }

    /// The loader compares paths as they are written; here two names of one port are found as well.
    private func twoOwners(_ meters: [Meter]) -> [String] {
        var owners: [String: String] = [:]
        return meters.compactMap { meter in
            guard case .serial(let path, _) = meter.endpoint else { return nil }
            let port = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
            // The meters of a bus have its port together.
            let name = meter.bus.map { "bus \($0)" } ?? "meter \(meter.id)"
            guard let owner = owners.updateValue(name, forKey: port), owner != name else { return nil }
            return "\(owner) and \(name): \(path) is one port under two names; give each its own"
        }
    }

    /// The service manager makes the folder when the service starts; by hand a person does.
    private func warn(_ key: String, of path: String) {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        if !isThere(folder) {
            Output.note("\(key): warning: the folder \(folder) is not there now")
        } else if !may(folder, W_OK) {
            Output.note("\(key): warning: the folder \(folder) may not be written by this user")
        }
    }

    private func isThere(_ path: String) -> Bool { may(path, F_OK) }

    /// The path lives across the call.
    private func may(_ path: String, _ mode: Int32) -> Bool { unsafe access(path, mode) == 0 }

    private func connect(to broker: Broker) async throws {
        let logger = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        let settings = BrokerSettings(broker, clientID: "obisd-check-\(UInt32.random(in: 0 ... .max))")
        let client = MQTTClient(settings: settings, logger: logger)
        try client.start()
        var outcome: String?
        for await event in client.events {
            if case .disconnected(let reason) = event { outcome = reason.sentence }
            break
        }
        await client.stop()
        guard let outcome else { return Output.note("the broker \(broker.host):\(broker.port) accepts the connection") }
        Output.note(outcome)
        throw Exit.unavailable
    }
}
