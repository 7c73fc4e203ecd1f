import OBIS

/// Where a meter's messages are, as a subscriber knows them.
public struct MeterTopics: Sendable, Hashable {
    /// Of the daemon.
    public var status: String
    public var info: String
    /// Of the meter.
    public var state: String
    public var availability: String
    public var anomaly: String
    public var command: String
    /// What the topics of its problems begin with.
    public var problems: String

    public init(
        status: String, info: String, state: String, availability: String, anomaly: String, command: String,
        problems: String
    ) {
        self.status = status
        self.info = info
        self.state = state
        self.availability = availability
        self.anomaly = anomaly
        self.command = command
        self.problems = problems
    }
}

/// A kind of anomaly that is looked for on a meter.
public struct WatchedProblem: Sendable, Hashable {
    public var type: String
    public var title: String

    public init(type: String, title: String) {
        self.type = type
        self.title = title
    }
}

/// What the configuration says of a meter, as far as discovery depends on it.
public struct DiscoveredMeter: Sendable, Hashable {
    public var id: String
    /// For people.
    public var name: String
    /// The meter behind whose line it stands.
    public var via: String?
    /// Whether a person may have it read at once.
    public var canBeAsked: Bool
    public var problems: [WatchedProblem]

    public init(id: String, name: String, via: String? = nil, canBeAsked: Bool = false, problems: [WatchedProblem] = [])
    {
        self.id = id
        self.name = name
        self.via = via
        self.canBeAsked = canBeAsked
        self.problems = problems
    }
}

extension DiscoveredMeter {
    /// All entities of the meter, in the order of their keys.
    func entities(_ delivery: Delivery, form: DiscoveryForm, topics: MeterTopics) -> [Entity] {
        let medium = delivery.medium.flatMap { Medium(rawValue: $0) }
        var entities = measured(delivery, medium, form, topics) + condition(topics)
        entities += problems.filter { $0.concerns(medium) }.map { $0.entity(topics) }
        entities.append(openings(topics))
        if canBeAsked { entities.append(readNow(topics)) }
        return Self.withDistinctNames(entities.sorted { $0.key < $1.key })
    }

    private func measured(
        _ delivery: Delivery, _ medium: Medium?, _ form: DiscoveryForm, _ topics: MeterTopics
    ) -> [Entity] {
        delivery.items.compactMap { key, item in
            if let register = item.register {
                return register.entity(key, decimals: item.decimals, medium: medium, form: form, topics: topics)
            }
            if key == Delivery.clockKey { return clockDrift(topics) }
            return NamedField(entityKey: key)?.entity(
                decimals: item.decimals, medium: medium, form: form, topics: topics)
        }
    }

    /// Two entities of a device with one name would be told apart by a number that nobody knows the meaning of.
    private static func withDistinctNames(_ entities: [Entity]) -> [Entity] {
        let counts = Dictionary(entities.map { ($0.name, 1) }, uniquingKeysWith: +)
        return entities.map { entity in
            guard counts[entity.name, default: 0] > 1 else { return entity }
            var entity = entity
            entity.name += " (\(entity.key))"
            return entity
        }
    }

    // MARK: How the meter is

    private func condition(_ topics: MeterTopics) -> [Entity] {
        [quality(topics), lastReading(topics), connection(topics)]
            + (via == nil ? [linkQuality(topics), damagedMessages(topics)] : [])
    }

    private func quality(_ topics: MeterTopics) -> Entity {
        var entity = Entity("quality", name: "Data quality", dependence: .meter)
        entity.stateTopic = topics.state
        entity.template = Template.value("quality")
        entity.deviceClass = "enum"
        entity.options = Quality.allCases.map(\.rawValue)
        entity.isDiagnostic = true
        entity.attributesTopic = topics.state
        entity.attributesTemplate = "{{ {'issues': (value_json|default({})).get('issues',[])}|tojson }}"
        return entity
    }

    /// Also of a meter that is not there any more.
    private func lastReading(_ topics: MeterTopics) -> Entity {
        var entity = Entity("last_reading", name: "Last reading", dependence: .nothing)
        entity.stateTopic = topics.state
        entity.template = Template.value("captured_at")
        entity.deviceClass = "timestamp"
        entity.isDiagnostic = true
        return entity
    }

    private func connection(_ topics: MeterTopics) -> Entity {
        var entity = Entity("connection", .binarySensor, name: "Connection", dependence: .daemon)
        entity.stateTopic = topics.availability
        entity.deviceClass = "connectivity"
        entity.states = .online
        entity.isDiagnostic = true
        return entity
    }

    private func clockDrift(_ topics: MeterTopics) -> Entity {
        var entity = Entity(Delivery.clockKey, name: "Clock drift", dependence: .meter)
        entity.stateTopic = topics.state
        entity.template = """
            {% set v = value_json|default({}) %}{% set m = as_timestamp(v.get('meter_time'),none) %}\
            {% set h = as_timestamp(v.get('captured_at'),none) %}\
            {{ none if m is none or h is none else (m-h)|round(0) }}
            """
        entity.unit = "s"
        entity.deviceClass = "duration"
        entity.stateClass = .measurement
        entity.decimals = 0
        entity.isDiagnostic = true
        return entity
    }

    private func linkQuality(_ topics: MeterTopics) -> Entity {
        var entity = Entity("link_quality", name: "Link quality", dependence: .daemon)
        entity.stateTopic = topics.info
        entity.template = """
            {% set q = \(ofMeter("map(attribute='link_quality')")) | first | default(none) %}\
            {{ none if q is none else (q*100)|round(0,'floor') }}
            """
        entity.unit = "%"
        entity.stateClass = .measurement
        entity.decimals = 0
        entity.isDiagnostic = true
        return entity
    }

    private func damagedMessages(_ topics: MeterTopics) -> Entity {
        var entity = Entity("damaged_messages", name: "Damaged messages", dependence: .daemon)
        entity.stateTopic = topics.info
        entity.template = """
            {% set r = \(ofMeter("map(attribute='rejected')")) | first | default(none) %}\
            {{ none if r is none else r.values()|sum }}
            """
        entity.stateClass = .totalIncreasing
        entity.decimals = 0
        entity.isDiagnostic = true
        return entity
    }

    private func ofMeter(_ filter: String) -> String {
        "(value_json|default({})).get('meters',[]) | selectattr('id','eq',\(Template.literal(id))) | \(filter)"
    }

    // MARK: Anomalies and commands

    /// Home Assistant takes no retained event, so that none comes twice.
    private func openings(_ topics: MeterTopics) -> Entity {
        var entity = Entity("anomaly", .event, name: "Anomaly", dependence: .daemon)
        entity.stateTopic = topics.anomaly
        entity.eventTypes = AnomalyChange.Kind.allCases.map(\.rawValue)
        return entity
    }

    private func readNow(_ topics: MeterTopics) -> Entity {
        var entity = Entity("read_now", .button, name: "Read now", dependence: .daemon)
        entity.commandTopic = topics.command
        // A command that comes late, or twice, is refused.
        entity.commandTemplate = """
            {"id":"{{ utcnow().timestamp() }}","verb":"read",\
            "expires_at":"{{ (utcnow()+timedelta(seconds=30)).strftime('%Y-%m-%dT%H:%M:%SZ') }}"}
            """
        entity.isDiagnostic = true
        return entity
    }
}

extension WatchedProblem {
    /// Rules about quantities that a meter of another medium does not have are at work there and find nothing.
    func concerns(_ medium: Medium?) -> Bool {
        switch medium {
        case .gas, .water, .heat: Self.aboutAnyMeter.contains(type) || type == "continuous_flow" || type == "budget"
        case .electricity, .other, nil: type != "continuous_flow"
        }
    }

    /// These look at the meter and its line, and not at what passes through it.
    private static let aboutAnyMeter: Set<String> = [
        "counter_fault", "meter_error", "clock_drift", "stale", "bad_link", "decryption", "replay",
    ]

    func entity(_ topics: MeterTopics) -> Entity {
        var entity = Entity("problem_\(type)", .binarySensor, name: title, dependence: .daemon)
        entity.stateTopic = "\(topics.problems)/\(type)"
        entity.template = Template.value("state")
        entity.deviceClass = "problem"
        entity.states = .onOff
        entity.attributesTopic = entity.stateTopic
        entity.isDiagnostic = Self.aboutAnyMeter.contains(type)
        return entity
    }
}
