/// One piece of the daemon's work that is measured: the same bytes and readings each time, so that its instructions and
/// allocations can be counted.
public struct Workload: Sendable {
    public let name: String
    /// What is counted.
    public let unit: Unit
    /// Prepares everything that is not measured. What it returns does the work so often, and says how much came of it.
    public let prepare: @Sendable () async throws -> (Int) async throws -> Int

    public enum Unit: String, Sendable {
        case frames, readings
    }

    public static let all: [Workload] = decoding + judging + encoding + storing
}

/// What makes a measurement worthless.
struct WorkloadError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
