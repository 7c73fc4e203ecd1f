import OBIS

/// One retained discovery message.
public struct DiscoveryMessage: Sendable, Hashable {
    public let topic: String
    public let payload: [UInt8]
}

/// How one daemon tells of its devices.
public struct Discoverer: Sendable, Hashable {
    public var form: DiscoveryForm
    /// The first levels of the discovery topics, as set in Home Assistant.
    public var prefix: String
    public let node: String
    /// Of the program.
    public let version: String

    public init(form: DiscoveryForm, prefix: String, node: String, version: String) {
        self.form = form
        self.prefix = prefix
        self.node = node
        self.version = version
    }

    // MARK: Devices

    /// A meter with what it has delivered so far.
    public func meter(_ meter: DiscoveredMeter, _ delivery: Delivery, topics: MeterTopics) -> DiscoveredDevice {
        let medium = delivery.medium.flatMap { Medium(rawValue: $0) }
        let device = Device(
            identifier: identifier(meter.id), name: meter.name, manufacturer: delivery.manufacturer,
            model: Self.model(medium), serial: delivery.serial, via: identifier(meter.via))
        return DiscoveredDevice(
            meter: meter.id, device: device, entities: meter.entities(delivery, form: form, topics: topics),
            availability: [.daemon: [topics.status], .meter: [topics.status, topics.availability]])
    }

    /// The daemon itself.
    public func daemon(status: String, info: String) -> DiscoveredDevice {
        DiscoveredDevice(
            meter: nil,
            device: Device(
                identifier: identifier(nil), name: "obisd \(node)", model: "obisd", softwareVersion: version),
            entities: DaemonEntities.all(status: status, info: info), availability: [.daemon: [status]])
    }

    private static func model(_ medium: Medium?) -> String {
        switch medium {
        case .electricity: "Electricity meter"
        case .gas: "Gas meter"
        case .water: "Water meter"
        case .heat: "Heat meter"
        case .other, nil: "Meter"
        }
    }

    /// A slash is in no id, so that no two pairs of ids make the same.
    private func identifier(_ meter: String?) -> String {
        (["obisd", node] + (meter.map { [$0] } ?? [])).joined(separator: "/")
    }

    // MARK: Messages

    /// Everything that is to be retained for a device.
    ///
    /// - Parameter gone: entities that there were, which are taken away where one message stands for all.
    public func messages(
        _ device: DiscoveredDevice, gone: [String: Entity.Platform] = [:]
    ) -> [DiscoveryMessage] {
        switch form {
        case .device: [deviceMessage(device, gone)]
        case .entity:
            device.entities.map { entity in
                var json = JSONWriter(capacity: 768)
                json.object { json in
                    write(entity, of: device, &json)
                    writeDevice(device.device, &json)
                }
                return DiscoveryMessage(
                    topic: topic(of: entity.key, entity.platform, meter: device.meter), payload: json.bytes)
            }
        }
    }

    private func deviceMessage(_ device: DiscoveredDevice, _ gone: [String: Entity.Platform]) -> DiscoveryMessage {
        var json = JSONWriter(capacity: 16_384)
        json.object { json in
            writeDevice(device.device, &json)
            json.member("components") { json in
                for entity in device.entities {
                    json.member(named: entity.key) { json in
                        json.member("platform", entity.platform.rawValue)
                        write(entity, of: device, &json)
                    }
                }
                // A component that is only left out would stay.
                for (key, platform) in gone.sorted(by: { $0.key < $1.key }) {
                    json.member(named: key) { json in json.member("platform", platform.rawValue) }
                }
            }
        }
        return DiscoveryMessage(topic: topic(meter: device.meter), payload: json.bytes)
    }

    private func writeDevice(_ device: Device, _ json: inout JSONWriter) {
        json.member("device") { json in
            json.key("identifiers")
            json.array { $0.string(device.identifier) }
            json.member("name", device.name)
            if let manufacturer = device.manufacturer { json.member("manufacturer", manufacturer) }
            if let model = device.model { json.member("model", model) }
            if let serial = device.serial { json.member("serial_number", serial) }
            if let version = device.softwareVersion { json.member("sw_version", version) }
            if let via = device.via, via != device.identifier { json.member("via_device", via) }
        }
        json.member("origin") { json in
            json.member("name", "obisd")
            json.member("sw_version", version)
        }
    }

    private func write(_ entity: Entity, of device: DiscoveredDevice, _ json: inout JSONWriter) {
        let slug = Self.slug((device.meter ?? "obisd_\(node)") + "_" + entity.key)
        json.member("unique_id", device.device.identifier + "/" + entity.key)
        json.member("name", entity.name)
        // The one for versions before 2025.10, the other for those since.
        json.member("object_id", slug)
        json.member("default_entity_id", "\(entity.platform.rawValue).\(slug)")
        entity.write(&json)
        if let topics = device.availability[entity.dependence], !topics.isEmpty {
            json.key("availability")
            json.array { json in
                for topic in topics { json.object { $0.member("topic", topic) } }
            }
            json.member("availability_mode", "all")
        }
    }

    /// What an entity id may be made of.
    private static func slug(_ text: String) -> String {
        text.lowercased().replacing("-", with: "_")
    }

    // MARK: Topics

    /// The birth message of Home Assistant.
    public var birthTopic: String { "\(prefix)/status" }

    /// Of the one message of a device; nil is the daemon.
    public func topic(meter: String?) -> String {
        "\(prefix)/device/obisd_\(node)/" + (meter.map { "\($0)/" } ?? "") + "config"
    }

    /// Of the message of one entity. No key has a hyphen, so that no two entities share a topic; nor do the levels of one
    /// make those of the other form, which Home Assistant would take for a conflict.
    public func topic(of key: String, _ platform: Entity.Platform, meter: String?) -> String {
        "\(prefix)/\(platform.rawValue)/obisd_\(node)" + (meter.map { "/\($0)-" } ?? "-") + "\(key)/config"
    }
}

/// A device with its entities, ready to be told of.
public struct DiscoveredDevice: Sendable, Hashable {
    /// Nil for the daemon.
    public let meter: String?
    public let device: Device
    public let entities: [Entity]
    /// The topics that have to say `online`.
    let availability: [Entity.Dependence: [String]]
}

extension Entity {
    /// The members that depend on the entity alone.
    fileprivate func write(_ json: inout JSONWriter) {
        if let stateTopic { json.member("state_topic", stateTopic) }
        if let template { json.member("value_template", template) }
        if let deviceClass { json.member("device_class", deviceClass) }
        if let unit { json.member("unit_of_measurement", unit) }
        if let stateClass { json.member("state_class", stateClass.rawValue) }
        if let decimals { json.member("suggested_display_precision", decimals) }
        if isDiagnostic { json.member("entity_category", "diagnostic") }
        if !isEnabled { json.member("enabled_by_default", false) }
        if !options.isEmpty { Self.write(options, as: "options", &json) }
        if !eventTypes.isEmpty { Self.write(eventTypes, as: "event_types", &json) }
        if let states {
            json.member("payload_on", states.on)
            json.member("payload_off", states.off)
        }
        if let attributesTopic { json.member("json_attributes_topic", attributesTopic) }
        if let attributesTemplate { json.member("json_attributes_template", attributesTemplate) }
        if let commandTopic { json.member("command_topic", commandTopic) }
        if let commandTemplate { json.member("command_template", commandTemplate) }
        // What is said once is not to be lost on its way.
        if platform == .event || platform == .button { json.member("qos", 1) }
    }

    private static func write(_ texts: [String], as name: String, _ json: inout JSONWriter) {
        json.key(named: name)
        json.array { json in for text in texts { json.string(text) } }
    }
}
