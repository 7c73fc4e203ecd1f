import OBIS

/// What is retained at the broker for one device: kept, so that everything of it can be taken away later, also by another
/// version, under another prefix or in the other form.
public struct Publication: Sendable, Hashable, Codable {
    public private(set) var form: DiscoveryForm
    public private(set) var prefix: String
    private let node: String
    /// Platforms by key.
    private var entities: [String: Entity.Platform]
    /// Those that there were, and that the message of the device takes away.
    public private(set) var gone: [String: Entity.Platform] = [:]

    /// More than so many are not remembered.
    private static let limit = 150

    /// What it is after a device was told of.
    ///
    /// - Parameter before: what was retained until then.
    public init(of device: DiscoveredDevice, by discoverer: Discoverer, after before: Publication?) {
        form = discoverer.form
        prefix = discoverer.prefix
        node = discoverer.node
        entities = Dictionary(device.entities.map { ($0.key, $0.platform) }) { first, _ in first }
        guard let before else { return }
        let missing = before.gone.merging(before.entities) { $1 }.filter { entities[$0.key] == nil }
        for (key, platform) in missing.sorted(by: { $0.key < $1.key }).prefix(Self.limit) { gone[key] = platform }
    }

    /// Everything that is retained.
    public func topics(meter: String?) -> [String] {
        let discoverer = Discoverer(form: form, prefix: prefix, node: node, version: "")
        switch form {
        case .device: return [discoverer.topic(meter: meter)]
        case .entity:
            return entities.sorted { $0.key < $1.key }.map { discoverer.topic(of: $0.key, $0.value, meter: meter) }
        }
    }

    /// Whether the entities go over to messages of the other form, and keep their ids.
    public func migrates(to other: Publication) -> Bool {
        form != other.form && prefix == other.prefix && node == other.node
    }

    /// Tells Home Assistant that the entities of a topic are about to come from another one.
    public static let migration = Array(#"{"migrate_discovery":true}"#.utf8)
}
