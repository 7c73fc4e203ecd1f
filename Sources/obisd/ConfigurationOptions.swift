import ArgumentParser
import Configuration
import Metering

/// The configuration that a command works with.
struct ConfigurationOptions: ParsableArguments {
    @Option(name: .long, help: "The configuration file.")
    var config = "/etc/obisd/obisd.yaml"

    /// Reads it again for the daemon that runs with it.
    @Sendable func reload() throws -> Configuration {
        try ConfigurationLoader(protocols: ProtocolRegistry.all).load(path: config)
    }

    /// Loads it, or says on standard error what is wrong and ends with exit code 78.
    ///
    func load(_ secrets: ConfigurationLoader.Secrets = .allButCredentials) throws -> Configuration {
        let loader = ConfigurationLoader(protocols: ProtocolRegistry.all, secrets: secrets)
        do {
            let configuration = try loader.load(path: config)
            for warning in configuration.warnings { Output.note("\(warning.place): warning: \(warning.text)") }
            return configuration
        } catch {
            for diagnostic in error.diagnostics { Output.note("\(diagnostic)") }
            throw Exit.configuration
        }
    }
}

extension Diagnostic {
    /// Without its place.
    var text: String {
        (key.isEmpty ? "" : "\(key): ") + message + (remedy.map { "; \($0)" } ?? "")
    }
}
