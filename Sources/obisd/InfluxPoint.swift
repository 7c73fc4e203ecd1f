import OBIS

/// A journaled reading as a point of the measurement `obisd`: tags `meter`, `node` and `source`, a field for each value
/// that is known, in the units of the contract, and the time at which the values held.
///
/// Every value is a floating-point number, also a whole one: a field has one type for ever, and the next meter may send
/// decimals. `quality` is a field: as a tag it would make another series of a meter with each warning.
enum InfluxPoint {
    /// - Parameters:
    ///   - payload: the JSON of the reading.
    ///   - registers: whether numbers of registers are fields as well, by the register's name.
    /// - Returns: the line without its end; nil for what is no reading.
    static func line(_ payload: [UInt8], registers: Bool) -> [UInt8]? {
        guard let scalars = JSONScalars(payload) else { return nil }
        var point = LineProtocol(measurement: "obisd")
        for name in ["meter", "node", "source"] {
            if case .text(let text)? = scalars.value([name]) { point.tag(name, text) }
        }
        guard case .text(let text)? = scalars.value(["time"]), let time = Timestamp(text) else { return nil }
        for member in scalars.members { add(member, registers, to: &point) }
        return point.line(at: time)
    }

    private static func add(_ member: JSONScalars.Member, _ registers: Bool, to point: inout LineProtocol) {
        switch (member.path.first, member.path.count, member.value) {
        case ("seq", 1, .number(let digits)), ("epoch", 1, .number(let digits)):
            if let value = Int64(digits) { point.integer(member.path[0], value) }
        case ("quality", 1, .text(let text)): point.text("quality", text)
        case ("device", 2, .text(let text)) where member.path[1] == "id": point.text("device", text)
        case ("registers", 3, .number(let digits)) where registers && member.path[2] == "value":
            point.float(member.path[1], digits)
        case (let group?, 2, .number(let digits)):
            guard let field = named[[group, member.path[1]]] else { return }
            point.float(field.pointName, digits)
        default: break
        }
    }

    private static let named = Dictionary(
        NamedField.allCases.map { ([$0.group.rawValue, $0.key], $0) }, uniquingKeysWith: { first, _ in first })
}

extension NamedField {
    /// The field's name where it stands without its group.
    fileprivate var pointName: String {
        switch group {
        case .energies, .grid, .volumes: key
        case .powers: "\(key)_power"
        case .voltages: "voltage_\(key)"
        case .currents: "current_\(key)"
        case .heat: "heat_\(key)"
        case .flows: "\(key)_flow"
        case .temperatures: self == .temperatureDifference ? "temperature_\(key)" : "\(key)_temperature"
        }
    }
}

extension JSONScalars {
    fileprivate func value(_ path: [String]) -> Value? { members.first { $0.path == path }?.value }
}
