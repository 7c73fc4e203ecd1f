import OBIS

/// One kind of anomaly on one meter: it brings values or conditions, and `Tracks` decides what becomes of them.
///
/// It gets the events that it names. No function may do work that grows with what was before.
protocol Rule: Sendable {
    static var events: RuleEvents { get }

    /// Takes the good values of a live reading.
    mutating func observe(_ sample: Sample, _ tracks: inout Tracks)
    /// Takes a live reading as it came, also where it is wrong as a whole.
    mutating func inspect(_ reading: Reading, _ moment: Moment, _ tracks: inout Tracks)
    /// Takes what the line brought.
    mutating func observe(_ link: LinkObservation, _ moment: Moment, _ tracks: inout Tracks)
    /// Time has passed.
    mutating func tick(_ moment: Moment, _ tracks: inout Tracks)

    /// Writes what was learned and must survive a restart, as members of an object.
    func store(_ writer: inout JSONWriter)
    mutating func restore(_ memory: StoredValue)
}

extension Rule {
    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {}
    mutating func inspect(_ reading: Reading, _ moment: Moment, _ tracks: inout Tracks) {}
    mutating func observe(_ link: LinkObservation, _ moment: Moment, _ tracks: inout Tracks) {}
    mutating func tick(_ moment: Moment, _ tracks: inout Tracks) {}
    func store(_ writer: inout JSONWriter) {}
    mutating func restore(_ memory: StoredValue) {}
}

/// What a rule wants to be told.
struct RuleEvents: OptionSet, Sendable {
    let rawValue: UInt8

    static let values = RuleEvents(rawValue: 1)
    static let readings = RuleEvents(rawValue: 2)
    static let link = RuleEvents(rawValue: 4)
    static let time = RuleEvents(rawValue: 8)
}

/// What came over the line of a meter since the last observation.
public struct LinkObservation: Sendable, Hashable {
    public var goodFrames: Int
    /// By the name of the error, `checksum`.
    public var rejectedFrames: [String: Int]
    /// Bytes that belonged to no frame.
    public var noiseBytes: Int
    /// Telegrams that say once more what the reading before said: no readings, but the meter is heard.
    public var repetitions: Int

    public init(
        goodFrames: Int = 0, rejectedFrames: [String: Int] = [:], noiseBytes: Int = 0, repetitions: Int = 0
    ) {
        self.goodFrames = goodFrames
        self.rejectedFrames = rejectedFrames
        self.noiseBytes = noiseBytes
        self.repetitions = repetitions
    }

    /// The frames that were rejected for one of these reasons.
    func rejected(_ codes: Set<String>) -> Int {
        rejectedFrames.reduce(0) { $0 + (codes.contains($1.key) ? max(0, min($1.value, 1_000_000)) : 0) }
    }
}
