import OBIS
import Wire

/// The newest good value of every register that a meter delivers, merged over its alternating lists.
///
/// A register that did not come for three times its usual interval is unknown. Time is the host's
/// monotonic time and is passed in.
public struct LiveState: Sendable {
    private struct Entry {
        var register: Register
        var seen: Duration
        /// The usual time between two sightings; nil until there were two.
        var interval: Duration?
    }

    private var order: [String] = []
    private var entries: [String: Entry] = [:]
    private var newest: Reading?
    /// When the registers of the newest reading were last seen; nil where nothing of it was good.
    private var newestSeen: Duration?
    private let mapping: NamedMapping

    public init(mapping: NamedMapping = NamedMapping()) {
        self.mapping = mapping
    }

    /// How many usual intervals a value stays true.
    static let patience = 3

    /// Takes over what is good of a reading.
    ///
    /// - Parameter now: monotonic.
    /// - Returns: false when nothing of it is good.
    @discardableResult
    public mutating func merge(_ reading: Reading, now: Duration) -> Bool {
        // The whole reading is an error when an issue names no register.
        let unusable = Set(reading.issues.filter { $0.level == .error }.map { $0.register })
        newestSeen = nil
        if unusable.contains(nil) { return false }
        for (register, key) in zip(reading.registers, reading.registerKeys) where !unusable.contains(key) {
            merge(register, key: key, now: now)
        }
        newest = reading
        newestSeen = now
        return true
    }

    /// The meter still says what it said in its newest reading: nothing of that grows old.
    public mutating func confirm(now: Duration) {
        guard let newestSeen else { return }
        for key in order where entries[key]?.seen == newestSeen { entries[key]?.seen = now }
        self.newestSeen = now
    }

    private mutating func merge(_ register: Register, key: String, now: Duration) {
        guard var entry = entries[key] else {
            // A hostile line must not fill the memory with names.
            guard order.count < Limits.registers else { return }
            order.append(key)
            entries[key] = Entry(register: register, seen: now, interval: nil)
            return
        }
        let gap = now - entry.seen
        // A slow average, in which an outage counts for little: it does not make a register patient.
        entry.interval = entry.interval.map { ($0 * 7 + min(gap, $0 * Self.patience)) / 8 } ?? gap
        entry.register = register
        entry.seen = now
        entries[key] = entry
    }

    /// The merged reading; nil before the first good one.
    ///
    /// - Parameter fallback: the interval to expect of a register that was seen once.
    public func reading(now: Duration, fallback: Duration) -> Reading? {
        guard var reading = newest else { return nil }
        reading.registers = order.compactMap { key in
            guard let entry = entries[key] else { return nil }
            var register = entry.register
            if isStale(entry, now: now, fallback: fallback) { register.value = .unavailable }
            return register
        }
        reading.values = mapping.values(of: reading.registers, medium: reading.device.medium)
        return reading
    }

    /// How many registers are unknown by now: a change of this number is a change of the state.
    public func staleCount(now: Duration, fallback: Duration) -> Int {
        entries.values.count { isStale($0, now: now, fallback: fallback) }
    }

    private func isStale(_ entry: Entry, now: Duration, fallback: Duration) -> Bool {
        // Meters jitter, so an interval shorter than a second counts as one.
        now - entry.seen > max(entry.interval ?? fallback, .seconds(1)) * Self.patience
    }
}
