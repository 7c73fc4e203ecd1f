/// The topics of one daemon: `<base>/<node>/…`.
public struct Topics: Sendable, Hashable {
    private let root: String

    public init(base: String, node: String) {
        root = "\(base)/\(node)"
    }

    public var status: String { "\(root)/status" }
    public var info: String { "\(root)/info" }

    public func reading(_ meter: String) -> String { "\(root)/\(meter)/reading" }
    public func state(_ meter: String) -> String { "\(root)/\(meter)/state" }
    public func availability(_ meter: String) -> String { "\(root)/\(meter)/availability" }
    public func anomaly(_ meter: String) -> String { "\(root)/\(meter)/anomaly" }
    public func problem(_ meter: String, _ type: String) -> String { "\(root)/\(meter)/problem/\(type)" }
    /// What the topics of all problems of a meter begin with.
    public func problems(_ meter: String) -> String { "\(root)/\(meter)/problem" }
    public func summary(_ meter: String, _ period: String) -> String { "\(root)/\(meter)/summary/\(period)" }
    public func command(_ meter: String) -> String { "\(root)/\(meter)/command" }
    public func commandResult(_ meter: String) -> String { "\(root)/\(meter)/command/result" }
    /// Everything of a meter that the broker retains.
    ///
    /// - Parameter problems: the types of anomalies that there are.
    public func retained(of meter: String, problems: [String]) -> [String] {
        [availability(meter), state(meter), summary(meter, "hour"), summary(meter, "day")]
            + problems.map { problem(meter, $0) }
    }

    /// The commands of all meters.
    public var commandFilter: String { "\(root)/+/command" }

    /// - Returns: nil for a topic that is none of a command.
    public func meter(ofCommand topic: String) -> String? {
        guard topic.hasPrefix("\(root)/"), topic.hasSuffix("/command") else { return nil }
        let meter = topic.dropFirst(root.count + 1).dropLast("/command".count)
        return meter.isEmpty || meter.contains("/") ? nil : String(meter)
    }

    public func gap(_ meter: String) -> String { "\(root)/\(meter)/gap" }
}
