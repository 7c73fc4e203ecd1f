import Configuration
import Foundation
import OBIS

/// Completes what a meter's clock shows with the zone that the configuration states.
struct MeterClock: Sendable {
    private let zone: TimeZone?

    /// - Parameter zone: nil: that of this machine.
    init(zone: ClockZone?) {
        switch zone {
        case .named(let name): self.zone = TimeZone(identifier: name)
        case .fixed(let minutes): self.zone = TimeZone(secondsFromGMT: minutes * 60)
        case nil: self.zone = .current
        }
    }

    /// The same time with its offset. An offset that the meter sent stands above the configured zone.
    func complete(_ time: MeterTime) -> MeterTime {
        guard time.utcOffset == nil, let zone else { return time }
        return time.at(utcOffset: Self.offset(of: time, in: zone) / 60)
    }

    /// Seconds east of UTC. In the hour that comes twice the meter's flag decides, else standard time; an hour
    /// that a day leaves out counts on from the offset before.
    private static func offset(of time: MeterTime, in zone: TimeZone) -> Int {
        func offset(at seconds: Int64) -> Int { zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds))) }
        let before = offset(at: time.localSeconds - 86_400)
        let after = offset(at: time.localSeconds + 86_400)
        let possible = Set([before, after]).filter { offset(at: time.localSeconds - Int64($0)) == $0 }
        let chosen = time.isDaylightSaving == true ? possible.max() : possible.min()
        return chosen ?? before
    }
}
