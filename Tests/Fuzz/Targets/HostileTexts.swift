import Discovery
import OBIS

/// Discovery messages from names that a meter or a person chose.
enum HostileTexts {
    private static let topics = MeterTopics(
        status: "obisd/n/status", info: "obisd/n/info", state: "obisd/n/m/state",
        availability: "obisd/n/m/availability",
        anomaly: "obisd/n/m/anomaly", command: "obisd/n/m/command", problems: "obisd/n/m/problem")

    /// All messages of a meter, in both forms.
    static func tell(_ delivery: Delivery, name: String) {
        let meter = DiscoveredMeter(
            id: "m", name: name, canBeAsked: true, problems: [WatchedProblem(type: "stale", title: name)])
        for form in DiscoveryForm.allCases {
            let discoverer = Discoverer(form: form, prefix: "homeassistant", node: "n", version: "1")
            let device = discoverer.meter(meter, delivery, topics: topics)
            for message in discoverer.messages(device) {
                precondition(JSONScalars(message.payload) != nil, "a discovery message that is no JSON")
                precondition(
                    !message.topic.utf8.contains { [0, 0x23, 0x2B].contains($0) }, "a topic with a wildcard or a zero")
            }
            let publication = Publication(of: device, by: discoverer, after: nil)
            _ = publication.topics(meter: "m")
        }
    }
}
