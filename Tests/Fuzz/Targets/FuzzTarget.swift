/// One entrance for bytes from outside: what is to be done with them, and from which bytes to begin.
///
/// `run` returns, whatever the bytes are. A trap, a failed precondition, a hang and memory without bound are findings.
public struct FuzzTarget: Sendable {
    /// What the target enters, which decides how many executions are wanted (docs/robustness.md).
    public enum Kind: String, Sendable, CaseIterable {
        /// Cuts a stream into frames, and decodes what is in them.
        case framer
        /// Reads one message, text or stored row.
        case decoder
        /// A conversation: the bytes choose events, and what the other side answers.
        case session

        /// How many executions are wanted, over all runs.
        public var wanted: Int { self == .session ? 1_000_000 : 10_000_000 }
    }

    /// `sml.framer`: the module or protocol, and the entrance.
    public let name: String
    public let kind: Kind
    /// Longer inputs are not tried.
    public let maximumLength: Int
    private let makeSeeds: @Sendable () -> [[UInt8]]
    private let body: @Sendable ([UInt8]) -> Void

    init(
        _ name: String, _ kind: Kind, maximumLength: Int = 4096, seeds: @escaping @Sendable () -> [[UInt8]],
        run: @escaping @Sendable ([UInt8]) -> Void
    ) {
        self.name = name
        self.kind = kind
        self.maximumLength = maximumLength
        makeSeeds = seeds
        body = run
    }

    /// Well-formed inputs, the same ones each time.
    public var seeds: [[UInt8]] { makeSeeds().map { Array($0.prefix(maximumLength)) } }

    /// Does with the bytes what is done with those of a meter, a broker or a file.
    public func run(_ bytes: [UInt8]) { body(bytes) }

    /// All targets, by name.
    public static let all: [FuzzTarget] =
        (values + sml + push + client + readout + p1 + mbus + metering + transport + configuration + redaction
        + states + journal + broker).sorted { $0.name < $1.name }

    /// - Returns: nil for a name that no target has.
    public static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}
