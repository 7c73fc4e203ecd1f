import OBIS

/// One entity of Home Assistant, as its discovery describes it.
public struct Entity: Sendable, Hashable {
    public enum Platform: String, Sendable, Hashable, Codable {
        case sensor
        case binarySensor = "binary_sensor"
        case event, button
    }

    public enum StateClass: String, Sendable, Hashable {
        case measurement
        case totalIncreasing = "total_increasing"
    }

    /// What has to be online for the entity to be available.
    public enum Dependence: Sendable, Hashable {
        case nothing
        case daemon
        /// The daemon and the meter.
        case meter
    }

    /// The payloads of a binary sensor.
    public struct States: Sendable, Hashable {
        public var on: String
        public var off: String

        static let onOff = States(on: "ON", off: "OFF")
        static let online = States(on: "online", off: "offline")
    }

    /// Unique within its device, of `a-z 0-9 _`.
    public var key: String
    public var platform: Platform
    public var name: String
    public var dependence: Dependence
    public var stateTopic: String?
    public var template: String?
    public var deviceClass: String?
    public var unit: String?
    public var stateClass: StateClass?
    /// Digits behind the point that the meter sends.
    public var decimals: Int?
    public var isDiagnostic = false
    /// Whether it is switched on without anybody asking for it.
    public var isEnabled = true
    /// All states that there are.
    public var options: [String] = []
    public var eventTypes: [String] = []
    public var states: States?
    public var attributesTopic: String?
    public var attributesTemplate: String?
    public var commandTopic: String?
    public var commandTemplate: String?

    public init(_ key: String, _ platform: Platform = .sensor, name: String, dependence: Dependence) {
        self.key = key
        self.platform = platform
        self.name = name
        self.dependence = dependence
    }
}

/// A device of Home Assistant: a meter, or the daemon.
public struct Device: Sendable, Hashable {
    /// Made of configured ids only: a host that is renamed or a meter that is exchanged stays the same device.
    public var identifier: String
    public var name: String
    public var manufacturer: String?
    public var model: String?
    public var serial: String?
    public var softwareVersion: String?
    /// The identifier of the device through which it is reached.
    public var via: String?

    public init(
        identifier: String, name: String, manufacturer: String? = nil, model: String? = nil, serial: String? = nil,
        softwareVersion: String? = nil, via: String? = nil
    ) {
        self.identifier = identifier
        self.name = name
        self.manufacturer = manufacturer
        self.model = model
        self.serial = serial
        self.softwareVersion = softwareVersion
        self.via = via
    }
}

// MARK: - Templates

/// Jinja templates in which nothing that is missing makes an error: a missing key is unknown.
enum Template {
    /// The value at the end of a path through the message's objects.
    static func value(_ path: String...) -> String {
        let steps = path.dropLast().map { ".get(\(literal($0)),{})" }.joined()
        return "{{ (value_json|default({}))\(steps).get(\(literal(path.last ?? ""))) }}"
    }

    /// A text, within the 255 characters that a state may have.
    static func text(_ path: String...) -> String {
        let steps = path.dropLast().map { ".get(\(literal($0)),{})" }.joined()
        let value = "(value_json|default({}))\(steps).get(\(literal(path.last ?? "")))"
        return "{% set v = \(value) %}{{ v[:255] if v is string else v }}"
    }

    /// A string of Jinja. Names of registers come from the meter: whatever is no plain sign is escaped, so that nothing
    /// in a name ends the string.
    static func literal(_ text: String) -> String {
        var result = "'"
        for scalar in text.unicodeScalars {
            if scalar.isASCII, scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || plain.contains(scalar)
            {
                result.unicodeScalars.append(scalar)
            } else {
                let digits = String(scalar.value, radix: 16)
                let width = digits.count <= 4 ? 4 : 8
                result += (width == 4 ? "\\u" : "\\U") + String(repeating: "0", count: width - digits.count) + digits
            }
        }
        return result + "'"
    }

    private static let plain: Set<Unicode.Scalar> = [" ", "_", "-", ".", ":", "*", "#", "&", "/", "(", ")"]
}
