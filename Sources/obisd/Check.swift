import ArgumentParser
import Configuration
import Daemon
import Glibc
import Logging
import MQTT
import OBIS
import Wire

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the configuration: keys, ports, secrets, and with --connect the broker.")

    @OptionGroup var options: ConfigurationOptions

    @Flag(name: .long, help: "Connect to the broker as well.")
    var connect = false

    func run() async throws {
        let loaded = try options.load(isService: false)
        let forbidden = loaded.meters.filter(\.isEnabled).compactMap(problem)
        for problem in forbidden { Output.note("\(options.config): \(problem)") }
        if !forbidden.isEmpty { throw Exit.permission }
        if connect { try await connect(to: loaded.broker) }
        let enabled = loaded.meters.count { $0.isEnabled }
        Output.line("\(options.config): good, \(enabled) of \(loaded.meters.count) meters enabled")
    }

    /// A port that is there and may not be used is an error; one that is not there may be plugged in later.
    private func problem(with meter: Meter) -> String? {
        guard case .serial(let path, _) = meter.endpoint else { return nil }
        // The path lives across each call.
        guard unsafe access(path, F_OK) == 0 else {
            Output.note("meter \(meter.id): warning: \(path) is not there now")
            return nil
        }
        guard unsafe access(path, R_OK | W_OK) != 0 else { return nil }
        return
            "meter \(meter.id): \(path) may not be read and written; add the user to the group that owns it (often dialout)"
    }

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
        Output.note("the broker \(broker.host):\(broker.port): \(outcome)")
        throw Exit.unavailable
    }
}
