import Configuration
import Foundation
import OBIS
import Rules
import Synchronization

/// The civil time of a place by its zone's rules.
final class ZonedCalendar: LocalCalendar {
    private let zone: TimeZone
    /// The quarter of an hour that was asked for last: offsets change at quarters only, and asking costs.
    private let last = Mutex<(quarter: Int64, offset: Int)?>(nil)

    init(zone: ClockZone?) {
        switch zone {
        case .named(let name): self.zone = TimeZone(identifier: name) ?? .current
        case .fixed(let minutes): self.zone = TimeZone(secondsFromGMT: minutes * 60) ?? .current
        case nil: self.zone = .current
        }
    }

    func utcOffset(at instant: Timestamp) -> Int {
        let quarter = instant.milliseconds / 900_000
        return last.withLock { last in
            if let last, last.quarter == quarter { return last.offset }
            let offset = zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(quarter) * 900))
            last = (quarter, offset)
            return offset
        }
    }
}
