import Foundation
import OBIS

/// What one viewer has seen: the newest answer of the daemon, and the last powers of each meter.
struct WatchHistory {
    /// More than a line of a terminal shows.
    static let length = 120

    private(set) var newest: StatusSnapshot?
    private(set) var answeredAt: Timestamp?
    /// Why the newest question had no answer; nil where it had one.
    private(set) var problem: String?
    /// By meter, oldest first, one for each question; nil where none was known.
    private var powers: [String: [Double?]] = [:]

    func powers(of meter: String) -> [Double?] { powers[meter] ?? [] }

    mutating func answered(_ status: StatusSnapshot, at now: Timestamp) {
        newest = status
        answeredAt = now
        problem = nil
        // A meter that is gone takes no room; one that is new has no past.
        powers = Dictionary(
            status.meters.map { meter in
                let power = meter.power.map { NSDecimalNumber(decimal: $0.value).doubleValue }
                return (meter.id, Array((powers(of: meter.id) + [power]).suffix(Self.length)))
            }, uniquingKeysWith: { first, _ in first })
    }

    mutating func missed(_ problem: String) {
        self.problem = problem
        powers = powers.mapValues { Array(($0 + [nil]).suffix(Self.length)) }
    }
}
