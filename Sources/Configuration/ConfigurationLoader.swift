public import Metering

import class Foundation.ProcessInfo

/// Reads a configuration and everything that it names, and checks it against the protocols that exist.
public struct ConfigurationLoader: Sendable {
    public var protocols: [MeterProtocol]
    public var files: any ConfigurationFiles
    /// Where systemd has put the credentials of the service; nil outside of the service.
    public var credentialsDirectory: String?
    /// Which secrets must be there.
    public enum Secrets: Sendable {
        case all
        /// Credentials of the service are only warned of: by hand there are none.
        case allButCredentials
        /// All are only warned of: nothing is opened with them.
        case none
    }

    public var secrets: Secrets

    /// - Parameter credentialsDirectory: by default what the environment says.
    public init(
        protocols: [MeterProtocol], files: any ConfigurationFiles = SystemFiles(),
        credentialsDirectory: String? = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"],
        secrets: Secrets = .all
    ) {
        self.protocols = protocols
        self.files = files
        self.credentialsDirectory = credentialsDirectory
        self.secrets = secrets
    }

    /// - Throws: every problem that was found, not only the first.
    public func load(path: String) throws(ConfigurationError) -> Configuration {
        let reading = ConfigurationReading(self)
        guard let text = reading.text(of: path, named: nil) else { throw ConfigurationError(reading.findings.errors) }
        return try load(text, file: path, reading)
    }

    /// - Parameter file: the name under which the text is reported, and beside which relative paths are looked up.
    /// - Throws: every problem that was found, not only the first.
    public func load(text: String, file: String) throws(ConfigurationError) -> Configuration {
        try load(text, file: file, ConfigurationReading(self))
    }

    private func load(
        _ text: String, file: String, _ reading: ConfigurationReading
    ) throws(ConfigurationError) -> Configuration {
        let configuration = reading.configuration(text, file: file)
        let files = reading.files
        let errors = Findings.sorted(reading.findings.errors, files: files)
        guard var configuration, errors.isEmpty else { throw ConfigurationError(errors) }
        configuration.warnings = Findings.sorted(reading.findings.warnings, files: files)
        configuration.files = files
        return configuration
    }
}

/// One run of the loader.
final class ConfigurationReading {
    let loader: ConfigurationLoader
    let findings = Findings()
    private(set) var files: [String] = []

    /// The profiles by name, filled before the meters are read.
    var profiles: [String: Profile] = [:]
    /// The buses by id, filled before the meters are read.
    var busesByID: [String: Bus] = [:]
    /// The first place of each meter's id.
    var meterPlaces: [String: Place] = [:]
    /// Meters that others say they stand behind.
    var fronts: [(meter: String, value: Value)] = []
    /// The first owner of each port.
    var owners: [String: (meter: String, place: Place)] = [:]

    init(_ loader: ConfigurationLoader) {
        self.loader = loader
    }

    private static let mainKeys = [
        "node", "broker", "home_assistant", "journal", "metrics", "buses", "meters", "profiles", "include",
    ]
    private static let includedKeys = ["buses", "meters", "profiles"]

    func configuration(_ text: String, file: String) -> Configuration? {
        guard let main = section(text, file: file, "the configuration", keys: Self.mainKeys) else { return nil }
        let included = main["include"].map(includedSections) ?? []
        let all = [main] + included

        profiles = readProfiles(all.compactMap { $0["profiles"] })
        var configuration = Configuration()
        configuration.node = main["node"]?.identifier()
        configuration.broker = main["broker"].flatMap(broker) ?? Broker()
        configuration.homeAssistant = main["home_assistant"].flatMap(homeAssistant) ?? HomeAssistant()
        if configuration.homeAssistant.discovery != .off,
            configuration.homeAssistant.prefix == configuration.broker.baseTopic
        {
            (main["home_assistant"] ?? main["broker"])?.fail(
                "discovery would be published among the readings: its prefix is the base topic",
                remedy: "write another `base_topic:` under `broker:`, or the prefix that is set in Home Assistant")
        }
        configuration.journal = main["journal"].flatMap { journal($0, file: file) } ?? JournalConfiguration()
        configuration.metrics = main["metrics"].flatMap { metrics($0, file: file) }
        configuration.buses = all.compactMap { $0["buses"] }.flatMap(buses)
        configuration.meters = all.compactMap { $0["meters"] }.flatMap(meters)
        checkFronts(configuration.meters)
        configuration.profiles = profiles
        configuration.places = meterPlaces
        if !all.contains(where: { $0.names.contains("meters") && $0["meters"]?.list()?.isEmpty == false }) {
            main.value.warn("no meter is configured, nothing will be read", remedy: "add one under `meters:`")
        }
        return configuration
    }

    private func section(_ text: String, file: String, _ what: String, keys: [String]) -> Section? {
        files.append(file)
        guard let node = YAMLTree.read(text, file: file, findings: findings) else { return nil }
        return Value(node: node, key: "", findings: findings).section(what, keys: keys)
    }

    // MARK: Files

    /// - Parameter value: where the file is named; nil for the one that the user named.
    func text(of path: String, named value: Value?) -> String? {
        func fail(_ message: String, remedy: String? = nil) {
            findings.fail(Place(file: path, line: 0, column: 0), "", message, remedy: remedy)
        }
        do {
            let content = try loader.files.read(path, limit: YAMLTree.maximumBytes)
            if let text = String(validating: content.bytes, as: UTF8.self) { return text }
            fail("is no UTF-8 text", remedy: "save the file as UTF-8")
        } catch .tooLarge {
            fail(YAMLTree.tooLarge)
        } catch {
            fail(error.sentence, remedy: value.map { "it is included by \($0.node.place)" })
        }
        return nil
    }

    private static let maximumIncludes = 256

    private func includedSections(_ include: Value) -> [Section] {
        guard let patterns = include.listOrOne() else { return [] }
        var paths: [(path: String, value: Value)] = []
        for value in patterns {
            for path in value.label(atMost: 1024).map({ includedPaths($0, value) }) ?? []
            where !paths.contains(where: { $0.path == path }) {
                paths.append((path, value))
            }
        }
        guard paths.count <= Self.maximumIncludes else {
            include.fail("names \(paths.count) files", remedy: "include at most \(Self.maximumIncludes)")
            return []
        }
        return paths.compactMap { path, value in
            guard let text = text(of: path, named: value) else { return nil }
            return section(text, file: path, "an included file", keys: Self.includedKeys)
        }
    }

    private func includedPaths(_ pattern: String, _ value: Value) -> [String] {
        let path = Path.resolve(pattern, besides: value.node.place.file)
        guard path.contains(where: { $0 == "*" || $0 == "?" }) else { return [path] }
        let folder = Path.folder(of: path)
        let name = path.hasPrefix("/") || path.contains("/") ? String(path.dropFirst(folder.count + 1)) : path
        guard !folder.contains(where: { $0 == "*" || $0 == "?" }) else {
            value.fail("a pattern may stand in the file name only", remedy: "write for example obisd.d/*.yaml")
            return []
        }
        guard let names = loader.files.names(in: folder) else {
            value.warn("there is no folder \(quoted(folder)), nothing is included")
            return []
        }
        let matching = names.filter { Path.matches($0, pattern: name) }.sorted()
        return matching.map { Path.resolve($0, besides: folder + "/x") }
    }
}
