import Configuration
import Foundation
import OBIS

/// When a polled meter is read.
struct Schedule: Sendable {
    let interval: Duration
    /// Readings fall on whole multiples of the interval since local midnight.
    let isAligned: Bool
    /// Minutes since local midnight; empty where the interval decides.
    let times: [Int]
    /// Of this machine: a person who writes 06:00 means the clock on the wall.
    var calendar = Calendar(identifier: .gregorian)

    init(_ meter: Meter) {
        interval = meter.interval ?? Meter.defaultInterval
        isAligned = meter.isAligned
        times = meter.times.map(\.minutesSinceMidnight)
    }

    init(interval: Duration, isAligned: Bool = false, times: [Int] = []) {
        self.interval = interval
        self.isAligned = isAligned
        self.times = times
    }

    /// How long from `now` to the next reading. The first of an unaligned meter is at once.
    ///
    /// - Parameter last: when the last reading began; nil before the first.
    func delay(now: Timestamp, last: Timestamp?) -> Duration {
        if !times.isEmpty { return nextTime(after: now) }
        if isAligned { return nextMultiple(after: now) }
        guard let last else { return .zero }
        let elapsed = Duration.milliseconds(max(0, Timestamp.milliseconds(from: last, to: now)))
        return max(.zero, interval - elapsed)
    }

    private func nextMultiple(after now: Timestamp) -> Duration {
        let step = max(1, interval.milliseconds)
        let elapsed = Int64(now.date.timeIntervalSince(calendar.startOfDay(for: now.date)) * 1000)
        return .milliseconds(step - elapsed % step)
    }

    private func nextTime(after now: Timestamp) -> Duration {
        let next = times.compactMap { minutes in
            calendar.nextDate(
                after: now.date, matching: DateComponents(hour: minutes / 60, minute: minutes % 60, second: 0),
                matchingPolicy: .nextTime)
        }.min()
        guard let next else { return interval }
        return .milliseconds(Int64(max(0, next.timeIntervalSince(now.date)) * 1000))
    }
}

extension Timestamp {
    var date: Date { Date(timeIntervalSince1970: Double(milliseconds) / 1000) }
}

extension Duration {
    /// Whole milliseconds, at the ends of the range where they would not fit.
    var milliseconds: Int64 {
        let (seconds, overflow) = components.seconds.multipliedReportingOverflow(by: 1000)
        return overflow
            ? (components.seconds < 0 ? .min : .max) : seconds + components.attoseconds / 1_000_000_000_000_000
    }
}
