import Configuration
import Foundation
import OBIS

/// Completes what a meter's clock shows with the zone that the configuration states.
struct MeterClock: Sendable {
    private let zone: TimeZone?
    /// Whether the meter's flag counts all year: it keeps a season of its own, as meters in Sweden that never leave standard
    /// time do.
    private var keepsSeason = false

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
        let seasonal = keepsSeason ? Self.offset(inSeasonOf: time, in: zone) : nil
        return time.at(utcOffset: (seasonal ?? Self.offset(of: time, in: zone)) / 60)
    }

    private static let near: Int64 = 600_000

    /// The clock as it is to be read in a message: a flag that contradicts the zone may be one that is never set, or true.
    /// It is true where the meter shows the present time by it, and not by the zone.
    ///
    /// - Parameters:
    ///   - time: what the meter's own clock shows.
    ///   - now: when that came.
    func showing(_ time: MeterTime?, at now: Timestamp) -> MeterClock {
        guard let time, time.utcOffset == nil, let zone, let seasonal = Self.offset(inSeasonOf: time, in: zone) else {
            return self
        }
        func isNear(_ offset: Int) -> Bool {
            let error = Timestamp.milliseconds(from: time.timestamp(utcOffset: offset / 60), to: now)
            return (-Self.near...Self.near).contains(error)
        }
        var clock = self
        clock.keepsSeason = isNear(seasonal) && !isNear(Self.offset(of: time, in: zone))
        return clock
    }

    /// The instants at which an interval can have ended that ends so by the meter's clock, the earlier first: two in
    /// the hour that comes twice, where the meter does not say which; none where no zone is known.
    ///
    /// What ends when the clock changes ends in the time before or after that, as the meter likes: `03:00` and `02:00` may
    /// be the same instant.
    func intervalEnds(_ time: MeterTime) -> [Timestamp] {
        if let offset = time.utcOffset { return [time.timestamp(utcOffset: offset)] }
        guard let zone else { return [] }
        let seconds = time.localSeconds
        var offsets = Self.offsets(at: seconds, in: zone)
        offsets.formUnion(Self.offsets(at: seconds - 1, in: zone))
        if offsets.isEmpty { offsets = [Self.offset(of: time, in: zone)] }
        switch time.isDaylightSaving {
        case true?: offsets = offsets.filter { $0 == offsets.max() }
        case false?: offsets = offsets.filter { $0 == offsets.min() }
        case nil: break
        }
        return offsets.sorted(by: >).map { Timestamp(milliseconds: (seconds - Int64($0)) * 1000) }
    }

    /// What the meter's clock shows at an instant: seconds since 1970 as if the civil time were UTC, whole ones and rounded
    /// down. The inverse of `complete`. Nil where no zone is known.
    ///
    /// - Parameter utcOffset: what the meter says of itself, in minutes, which is worth more than what was configured.
    func civilSeconds(at instant: Timestamp, utcOffset: Int? = nil) -> Int64? {
        let (whole, rest) = instant.milliseconds.quotientAndRemainder(dividingBy: 1000)
        let seconds = rest < 0 ? whole - 1 : whole
        if let utcOffset { return seconds + 60 * Int64(utcOffset) }
        guard let zone else { return nil }
        return seconds + Int64(Self.offset(atInstant: seconds, in: zone))
    }

    /// Seconds east of UTC. In the hour that comes twice the meter's flag decides, else standard time; an hour
    /// that a day leaves out counts on from the offset before.
    private static func offset(of time: MeterTime, in zone: TimeZone) -> Int {
        let possible = offsets(at: time.localSeconds, in: zone)
        let chosen = time.isDaylightSaving == true ? possible.max() : possible.min()
        return chosen ?? offset(atInstant: time.localSeconds - 86_400, in: zone)
    }

    /// The offset that the zone has in that half of the year of which the meter's flag tells.
    private static func offset(inSeasonOf time: MeterTime, in zone: TimeZone) -> Int? {
        guard let isDaylightSaving = time.isDaylightSaving else { return nil }
        let ofTheYear = [-halfYear, 0, halfYear].map { offset(atInstant: time.localSeconds + $0, in: zone) }
        return isDaylightSaving ? ofTheYear.max() : ofTheYear.min()
    }

    private static let halfYear: Int64 = 183 * 86_400

    /// Those with which the zone has this civil time: two in the hour that comes twice, none in one that a day leaves out.
    private static func offsets(at local: Int64, in zone: TimeZone) -> Set<Int> {
        let near = [offset(atInstant: local - 86_400, in: zone), offset(atInstant: local + 86_400, in: zone)]
        return Set(near).filter { offset(atInstant: local - Int64($0), in: zone) == $0 }
    }

    private static func offset(atInstant seconds: Int64, in zone: TimeZone) -> Int {
        zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds)))
    }
}
