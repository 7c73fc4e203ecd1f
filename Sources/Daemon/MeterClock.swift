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
        // The offset in force is looked up at the instant that the standard offset gives, then once more at
        // the instant that this gives: right on both sides of a change.
        let local = Double(time.localSeconds)
        let standard = zone.secondsFromGMT(for: Date(timeIntervalSince1970: local))
        var offset = zone.secondsFromGMT(for: Date(timeIntervalSince1970: local - Double(standard)))
        // In the hour that comes twice, the meter's own flag decides.
        let earlier = zone.secondsFromGMT(for: Date(timeIntervalSince1970: local - Double(offset) - 3600))
        if time.isDaylightSaving == true, earlier == offset + 3600 { offset = earlier }
        return time.at(utcOffset: offset / 60)
    }
}
