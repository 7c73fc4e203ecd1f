import OBIS
import Wire

/// The newest good value of every register that a meter delivers, merged over its alternating lists.
///
/// A register that did not come for three times its usual interval is unknown. Time is the host's
/// monotonic time and is passed in.
public struct LiveState: Sendable {
    private struct Entry {
        var register: Register
        /// In ms, as all times here.
        var seen: Int64
        /// The usual time between two sightings; nil until there were two.
        var interval: Int64?
    }

    /// In the order in which they were first seen, with the keys of `entries`.
    private var keys: [String] = []
    private var entries: [Entry] = []
    private var places: [String: Int] = [:]
    /// Where the registers of the newest reading stand, and their keys: the next one has mostly the same.
    private var newestKeys: [String] = []
    private var newestPlaces: [Int?] = []
    private var newest: Reading?
    /// When the registers of the newest reading were last seen; nil where nothing of it was good.
    private var newestSeen: Int64?
    private let mapping: NamedMapping

    public init(mapping: NamedMapping = NamedMapping()) {
        self.mapping = mapping
    }

    /// How many usual intervals a value stays true.
    static let patience: Int64 = 3

    /// Takes over what is good of a reading.
    ///
    /// - Parameter now: monotonic.
    /// - Returns: false when nothing of it is good.
    @discardableResult
    public mutating func merge(_ reading: Reading, now: Duration) -> Bool {
        let now = now.wholeMilliseconds
        let unusable = reading.issues.unusable
        newestSeen = nil
        if unusable.contains(nil) { return false }
        if reading.registerKeys != newestKeys { find(reading.registerKeys) }
        for (register, place) in zip(reading.registers.indices, newestPlaces)
        where unusable.isEmpty || !unusable.contains(newestKeys[register]) {
            merge(reading.registers[register], key: newestKeys[register], at: place, now: now)
        }
        if newestPlaces.contains(nil) { find(newestKeys) }
        newest = reading
        newestSeen = now
        return true
    }

    private mutating func find(_ keys: [String]) {
        newestKeys = keys
        newestPlaces = keys.map { places[$0] }
    }

    /// The meter still says what it said in its newest reading: nothing of that grows old.
    public mutating func confirm(now: Duration) {
        guard let newestSeen else { return }
        let now = now.wholeMilliseconds
        for place in entries.indices where entries[place].seen == newestSeen { entries[place].seen = now }
        self.newestSeen = now
    }

    private mutating func merge(_ register: Register, key: String, at place: Int?, now: Int64) {
        guard let place else {
            // A hostile line must not fill the memory with names.
            guard entries.count < Limits.registers else { return }
            places[key] = entries.count
            keys.append(key)
            entries.append(Entry(register: register, seen: now))
            return
        }
        let gap = now - entries[place].seen
        // A slow average, in which an outage counts for little: it does not make a register patient.
        entries[place].interval = entries[place].interval.map { ($0 * 7 + min(gap, $0 * Self.patience)) / 8 } ?? gap
        entries[place].register = register
        entries[place].seen = now
    }

    /// The merged reading; nil before the first good one.
    ///
    /// - Parameter fallback: the interval to expect of a register that was seen once.
    public func reading(now: Duration, fallback: Duration) -> Reading? {
        guard let newest else { return nil }
        if isNewest(now: now, fallback: fallback) { return newest }
        let (now, fallback) = (now.wholeMilliseconds, fallback.wholeMilliseconds)
        let registers = entries.map { entry in
            guard isStale(entry, now: now, fallback: fallback) else { return entry.register }
            var register = entry.register
            register.value = .unavailable
            return register
        }
        return newest.merged(registers, keys, mapping.values(of: registers, medium: newest.device.medium))
    }

    /// Whether the merged reading is the newest one, which has everything that is known, and all of it good: most meters
    /// have one list.
    public func isNewest(now: Duration, fallback: Duration) -> Bool {
        guard newest?.registerKeys == keys, let newestSeen else { return false }
        let (now, fallback) = (now.wholeMilliseconds, fallback.wholeMilliseconds)
        return entries.allSatisfy { $0.seen == newestSeen && !isStale($0, now: now, fallback: fallback) }
    }

    /// How many registers are unknown by now: a change of this number is a change of the state.
    public func staleCount(now: Duration, fallback: Duration) -> Int {
        let (now, fallback) = (now.wholeMilliseconds, fallback.wholeMilliseconds)
        return entries.count { isStale($0, now: now, fallback: fallback) }
    }

    private func isStale(_ entry: Entry, now: Int64, fallback: Int64) -> Bool {
        // Meters jitter, so an interval shorter than a second counts as one.
        now - entry.seen > max(entry.interval ?? fallback, 1000) * Self.patience
    }
}
