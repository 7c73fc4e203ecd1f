/// What Home Assistant takes: everything that it would refuse, warn of or show as broken in a discovery message, as
/// sentences. From the facts of its versions 2024.3 to 2026.11.
public struct HomeAssistantRules {
    /// Units by device class, those that every version of the form takes.
    private static let units: [String: Set<String?>] = [
        "energy": ["Wh", "kWh", "MWh", "MJ", "GJ"], "power": ["W", "kW"], "voltage": ["V", "mV"],
        "current": ["A", "mA"], "frequency": ["Hz", "kHz", "MHz", "GHz"], "apparent_power": ["VA"],
        "reactive_power": ["var"], "reactive_energy": ["varh", "kvarh"], "gas": ["m³", "ft³", "CCF"],
        "water": ["m³", "L", "gal", "ft³", "CCF"], "volume": ["m³", "L", "mL", "gal", "ft³", "CCF"],
        "volume_flow_rate": ["m³/h", "L/min", "ft³/min", "gal/min"], "temperature": ["°C", "°F", "K"],
        "pressure": ["Pa", "hPa", "kPa", "bar", "mbar"], "power_factor": [nil, "%"], "timestamp": [nil], "enum": [nil],
        "duration": ["d", "h", "min", "s", "ms"], "data_size": ["B", "kB", "MB"],
    ]

    /// State classes by device class; a class that is not here takes each.
    private static let stateClasses: [String: Set<String>] = {
        var classes: [String: Set<String>] = [:]
        for name in ["energy", "reactive_energy", "gas", "water", "volume"] {
            classes[name] = ["total", "total_increasing"]
        }
        for name in [
            "power", "voltage", "current", "frequency", "apparent_power", "reactive_power", "volume_flow_rate",
            "temperature", "pressure", "power_factor",
        ] { classes[name] = ["measurement"] }
        for name in ["timestamp", "enum"] { classes[name] = [] }
        return classes
    }()

    private static let binaryClasses: Set<String> = ["problem", "connectivity"]

    private static let members: Set<String> = [
        "platform", "unique_id", "name", "object_id", "default_entity_id", "state_topic", "value_template",
        "device_class", "unit_of_measurement", "state_class", "suggested_display_precision", "entity_category",
        "enabled_by_default", "options", "event_types", "payload_on", "payload_off", "json_attributes_topic",
        "json_attributes_template", "command_topic", "command_template", "qos", "availability", "availability_mode",
    ]

    public private(set) var problems: [String] = []
    private var uniqueIDs: Set<String> = []
    private var entityIDs: Set<String> = []
    /// Every topic that the entities read.
    public private(set) var topics: Set<String> = []

    public init() {}

    /// Looks at a message of either form; several make one house.
    public mutating func check(topic: String, _ text: String) {
        guard let json = ExactJSON(text) else { return fail(topic, "is no JSON") }
        let levels = topic.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (4...5).contains(levels.count), levels.last == "config", levels.dropFirst(2).allSatisfy(Self.isObjectID)
        else { return fail(topic, "is no discovery topic") }
        checkDevice(topic, json)
        guard levels[1] == "device" else {
            checkEntity(topic, json, platform: levels[1], others: ["device", "origin"])
            if json["device_class"]?.string == "reactive_energy" { fail(topic, "older versions refuse its class") }
            return
        }
        for key in json.keys where !["device", "origin", "components"].contains(key) { fail(topic, "has \(key)") }
        if json["components"]?.keys.isEmpty != false { fail(topic, "has no components") }
        for key in json["components"]?.keys ?? [] {
            guard let entity = json["components"]?[key] else { continue }
            // A platform alone takes the component away.
            if entity.keys == ["platform"] { continue }
            checkEntity("\(topic) \(key)", entity, platform: entity["platform"]?.string ?? "", others: [])
        }
    }

    private mutating func checkDevice(_ place: String, _ json: ExactJSON) {
        if json["device"]?["identifiers"]?.items.isEmpty != false { fail(place, "has a device without identifiers") }
        if json["device"]?["name"]?.string?.isEmpty != false { fail(place, "has a device without a name") }
        if json["origin"]?["name"]?.string == nil { fail(place, "has no origin with a name") }
        for key in json["device"]?.keys ?? [] where json["device"]?[key] == .null { fail(place, "has null as \(key)") }
    }

    private mutating func checkEntity(_ place: String, _ json: ExactJSON, platform: String, others: Set<String>) {
        for key in json.keys {
            if !Self.members.contains(key), !others.contains(key) { fail(place, "has \(key), which nobody knows") }
            if json[key] == .null { fail(place, "has null as \(key)") }
        }
        guard let unique = json["unique_id"]?.string, uniqueIDs.insert(unique).inserted else {
            return fail(place, "has no unique_id of its own")
        }
        let entityID = json["default_entity_id"]?.string ?? ""
        if !entityIDs.insert(entityID).inserted { fail(place, "shares its entity id \(entityID)") }
        let parts = entityID.split(separator: ".", omittingEmptySubsequences: false)
        let isSlug = parts.count == 2 && parts[0] == platform && parts[1].utf8.allSatisfy(Self.isSlugByte)
        if !isSlug || json["object_id"]?.string.map({ $0[...] }) != parts.last { fail(place, "has the id \(entityID)") }
        if json["name"]?.string?.isEmpty != false { fail(place, "has no name") }
        checkTopics(place, json)
        switch platform {
        case "sensor": checkSensor(place, json)
        case "binary_sensor": checkBinary(place, json)
        case "event":
            if json["event_types"]?.items.isEmpty != false { fail(place, "has no event types") }
            if json["state_topic"] == nil { fail(place, "has no state topic") }
        case "button": if json["command_topic"] == nil { fail(place, "has no command topic") }
        default: fail(place, "has the platform \(platform)")
        }
    }

    private mutating func checkTopics(_ place: String, _ json: ExactJSON) {
        for key in ["state_topic", "json_attributes_topic"] {
            if let topic = json[key]?.string { topics.insert(topic) }
        }
        for entry in json["availability"]?.items ?? [] {
            if let topic = entry["topic"]?.string {
                topics.insert(topic)
            } else {
                fail(place, "has no availability topic")
            }
        }
        if json["availability"] != nil, json["availability_mode"]?.string != "all" {
            fail(place, "is available when only one of several says so")
        }
    }

    private mutating func checkSensor(_ place: String, _ json: ExactJSON) {
        if json["state_topic"] == nil || json["value_template"] == nil { fail(place, "has no value") }
        if let category = json["entity_category"]?.string, category != "diagnostic" { fail(place, "is \(category)") }
        let (unit, stateClass) = (json["unit_of_measurement"]?.string, json["state_class"]?.string)
        if unit == "" { fail(place, "has an empty unit") }
        if let name = json["device_class"]?.string {
            guard let units = Self.units[name] else { return fail(place, "has the class \(name)") }
            if !units.contains(unit) { fail(place, "has \(unit ?? "no unit") as \(name)") }
            if let stateClass, let allowed = Self.stateClasses[name], !allowed.contains(stateClass) {
                fail(place, "has the state class \(stateClass) as \(name)")
            }
            if name == "enum", json["options"]?.items.isEmpty != false { fail(place, "has no options") }
        } else if json["options"] != nil {
            fail(place, "has options without being an enum")
        }
        if let stateClass, !["measurement", "total", "total_increasing"].contains(stateClass) {
            fail(place, "has the state class \(stateClass)")
        }
        if let digits = json["suggested_display_precision"], (digits.int ?? -1) < 0 { fail(place, "has no precision") }
    }

    private mutating func checkBinary(_ place: String, _ json: ExactJSON) {
        if json["state_topic"] == nil { fail(place, "has no value") }
        if let name = json["device_class"]?.string, !Self.binaryClasses.contains(name) {
            fail(place, "has the class \(name)")
        }
        for key in ["unit_of_measurement", "state_class", "suggested_display_precision", "options"]
        where json[key] != nil {
            fail(place, "has \(key)")
        }
    }

    private mutating func fail(_ place: String, _ what: String) { problems.append("\(place) \(what)") }

    private static func isObjectID(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { isSlugByte($0) || $0 == 0x2D || (0x41...0x5A).contains($0) }
    }

    private static func isSlugByte(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x5F
    }

    // MARK: Templates

    /// The ways that a template walks along through the objects of its message, each as its keys.
    public static func paths(of template: String) -> [[String]] {
        let step = ".get('"
        var paths: [[String]] = []
        var rest = template[...]
        var isGoingOn = false
        while let start = rest.firstRange(of: step) {
            isGoingOn = isGoingOn && start.lowerBound == rest.startIndex
            rest = rest[start.upperBound...]
            guard let end = rest.firstIndex(of: "'"), let close = rest[end...].firstIndex(of: ")") else { return paths }
            let key = String(rest[..<end])
            if isGoingOn { paths[paths.count - 1].append(key) } else { paths.append([key]) }
            isGoingOn = true
            rest = rest[rest.index(after: close)...]
        }
        return paths
    }
}
