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
    public func summary(_ meter: String, _ period: String) -> String { "\(root)/\(meter)/summary/\(period)" }
    public func gap(_ meter: String) -> String { "\(root)/\(meter)/gap" }
}
