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

    /// Whether a reading that is missed is made up for after a restart: the next one is long in coming. Without a time of its
    /// own the meter is read at the start in any case.
    var isRare: Bool { !times.isEmpty || isAligned && interval >= .seconds(3600) }

    /// The longest time between two of the times of a day; nil where there are none.
    static func longestPause(of times: [Int]) -> Duration? {
        guard let first = times.min() else { return nil }
        let sorted = times.sorted() + [first + 1440]
        return zip(sorted.dropFirst(), sorted).map { .seconds(($0 - $1) * 60) }.max()
    }

    /// How long from `now` to the next reading. The first of an unaligned meter is at once.
    ///
    /// - Parameter last: when the last reading began; nil before the first.
    func delay(now: Timestamp, last: Timestamp?) -> Duration {
        if !times.isEmpty { return nextTime(after: now) }
        if isAligned { return notTwice(nextMultiple(after: now), now: now, last: last) }
        guard let last else { return .zero }
        let elapsed = Duration.milliseconds(max(0, Timestamp.milliseconds(from: last, to: now)))
        return max(.zero, interval - elapsed)
    }

    private static let failuresBeforeRest = 3
    private static let longestRest = Duration.seconds(900)

    /// How far apart the attempts are to read a meter that failed so often in a row: its interval at first, then twice
    /// as long each time, up to a quarter of an hour.
    func patience(afterFailures failures: Int) -> Duration {
        guard failures >= Self.failuresBeforeRest else { return .zero }
        let doublings = min(16, failures - Self.failuresBeforeRest + 1)
        return max(interval, min(Self.longestRest, interval * (1 << doublings)))
    }

    /// A clock that is set back a little meets the same multiple again.
    private func notTwice(_ delay: Duration, now: Timestamp, last: Timestamp?) -> Duration {
        guard let last else { return delay }
        let sinceLast = Duration.milliseconds(Timestamp.milliseconds(from: last, to: now)) + delay
        return abs(sinceLast.wholeMilliseconds) < interval.wholeMilliseconds / 2 ? delay + interval : delay
    }

    /// By the clock on the wall, so that midnight is met on the days of a change of time as well.
    private func nextMultiple(after now: Timestamp) -> Duration {
        let step = max(1000, interval.wholeMilliseconds) / 1000
        let parts = calendar.dateComponents([.hour, .minute, .second, .nanosecond], from: now.date)
        let inHour = Int64(parts.minute ?? 0) * 60 + Int64(parts.second ?? 0)
        if 3600 % step == 0 {
            // A part of an hour goes on through the change.
            return .seconds(step - inHour % step) - .nanoseconds(parts.nanosecond ?? 0)
        }
        let next = (Int64(parts.hour ?? 0) * 3600 + inHour) / step * step + step
        let second = next >= 86_400 ? 0 : Int(next)
        return delay(
            until: DateComponents(hour: second / 3600, minute: second / 60 % 60, second: second % 60), after: now)
    }

    private func nextTime(after now: Timestamp) -> Duration {
        times.map { delay(until: DateComponents(hour: $0 / 60, minute: $0 % 60, second: 0), after: now) }.min()
            ?? interval
    }

    /// A time that a day leaves out is met as soon as it is over.
    private func delay(until time: DateComponents, after now: Timestamp) -> Duration {
        let next = calendar.nextDate(after: now.date, matching: time, matchingPolicy: .nextTime)
        return next.map { .milliseconds(Int64(max(0, $0.timeIntervalSince(now.date)) * 1000)) } ?? interval
    }
}

extension Timestamp {
    var date: Date { Date(timeIntervalSince1970: Double(milliseconds) / 1000) }
}
