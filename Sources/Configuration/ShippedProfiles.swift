public import Metering

/// The profiles that come with the program.
public enum ShippedProfiles {
    /// In alphabetical order.
    public static let all: [Profile] = read().profiles

    public static func named(_ name: String) -> Profile? {
        all.first { $0.name == name }
    }

    /// The files of the folder `Profiles`, whose texts are part of the program.
    static let files: [(name: String, bytes: [UInt8])] = [
        ("iskra-am550.yaml", PackageResources.iskra_am550_yaml),
        ("kaifa.yaml", PackageResources.kaifa_yaml),
        ("kamstrup-omnipower.yaml", PackageResources.kamstrup_omnipower_yaml),
        ("lg-e360.yaml", PackageResources.lg_e360_yaml),
        ("lg-e450.yaml", PackageResources.lg_e450_yaml),
    ]

    /// - Returns: the profiles, and what is wrong with their files (a test holds that nothing is).
    static func read() -> (profiles: [Profile], diagnostics: [Diagnostic]) {
        let reading = ConfigurationReading(ConfigurationLoader(protocols: [], credentialsDirectory: nil))
        let sections = files.compactMap { name, bytes in
            YAMLTree.read(String(decoding: bytes, as: UTF8.self), file: name, findings: reading.findings)
                .flatMap {
                    Value(node: $0, key: "", findings: reading.findings).section("a profile file", keys: ["profiles"])
                }
        }
        let definitions = reading.definitions(sections.compactMap { $0["profiles"] })
        let profiles = reading.resolved(definitions, shipped: [:]).values.sorted { $0.name < $1.name }
        return (profiles, reading.findings.errors + reading.findings.warnings)
    }
}
