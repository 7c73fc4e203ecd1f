import OBIS

/// The daemon as a device of Home Assistant.
enum DaemonEntities {
    static func all(status: String, info: String) -> [Entity] {
        [
            connection(status), degraded(info), backlog(info), refused(info), journalSize(info), metersOnline(info),
            startedAt(info),
        ].sorted { $0.key < $1.key }
    }

    /// Always available: it says whether the rest is.
    private static func connection(_ topic: String) -> Entity {
        var entity = Entity("connection", .binarySensor, name: "Connection", dependence: .nothing)
        entity.stateTopic = topic
        entity.deviceClass = "connectivity"
        entity.states = .online
        entity.isDiagnostic = true
        return entity
    }

    private static func degraded(_ topic: String) -> Entity {
        var entity = Entity("degraded", .binarySensor, name: "Degraded", dependence: .daemon)
        entity.stateTopic = topic
        entity.template = "{{ 'ON' if (value_json|default({})).get('degraded') else 'OFF' }}"
        entity.deviceClass = "problem"
        entity.states = .onOff
        entity.isDiagnostic = true
        entity.attributesTopic = topic
        entity.attributesTemplate = "{{ {'reasons': (value_json|default({})).get('reasons',[])}|tojson }}"
        return entity
    }

    private static func backlog(_ topic: String) -> Entity {
        figure("backlog", "Readings that wait", topic, Template.value("journal", "backlog"), .measurement)
    }

    private static func refused(_ topic: String) -> Entity {
        figure("refused", "Refused publishes", topic, Template.value("broker", "refused"), .totalIncreasing)
    }

    private static func metersOnline(_ topic: String) -> Entity {
        let template = "{{ (value_json|default({})).get('meters',[]) | selectattr('online') | list | count }}"
        return figure("meters_online", "Meters online", topic, template, .measurement)
    }

    private static func journalSize(_ topic: String) -> Entity {
        var entity = figure("journal_size", "Journal", topic, Template.value("journal", "bytes"), .measurement)
        entity.unit = "B"
        entity.deviceClass = "data_size"
        return entity
    }

    private static func startedAt(_ topic: String) -> Entity {
        var entity = Entity("started_at", name: "Started", dependence: .daemon)
        entity.stateTopic = topic
        entity.template = Template.value("started_at")
        entity.deviceClass = "timestamp"
        entity.isDiagnostic = true
        return entity
    }

    private static func figure(
        _ key: String, _ name: String, _ topic: String, _ template: String, _ stateClass: Entity.StateClass
    ) -> Entity {
        var entity = Entity(key, name: name, dependence: .daemon)
        entity.stateTopic = topic
        entity.template = template
        entity.stateClass = stateClass
        entity.decimals = 0
        entity.isDiagnostic = true
        return entity
    }
}
