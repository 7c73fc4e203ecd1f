import Foundation
import OBIS

/// When a meter was not read, and how far its load profile has filled that. Time is passed in.
///
/// It is journaled together with every reading that changes it: an entry and the cursor behind it are there both or not at
/// all, so that no entry is lost or taken twice, whenever the process ends.
///
/// Wall clocks jump. A reading makes a hole only where the host's clock is right: synchronised, or confirmed by the meter's.
/// Where it is not, nothing is known but that one may have begun, and the next reading with a right clock ends it. As long as the monotonic clock has seen the
/// meter all the time there is no hole, whatever the other says. A clock that is set back makes none either, and what was
/// once a hole is never one again, since its entries are journaled.
package struct Backfill: Sendable, Equatable {
    /// A time in which nobody read the meter: entries whose intervals end after `after` and not after `through` are missing.
    /// `after` follows what is journaled.
    package struct Hole: Sendable, Equatable {
        var after: Timestamp
        let through: Timestamp

        // What is forgotten at a restart.
        /// Chunks in a row that failed.
        var failures = 0
        /// Monotonic; nil: it does not rest.
        var restsUntil: Duration?
        /// Whether its end was asked for before a meter whose clock is late had it.
        var wasAskedEarly = false
    }

    /// What is asked for at once, a part of one hole.
    package struct Chunk: Sendable, Equatable {
        /// The end of its hole, which no other has.
        let hole: Timestamp
        package let after: Timestamp
        package let through: Timestamp
    }

    /// What a reading has shown.
    package struct Finding: Sendable, Equatable {
        var hole: Hole
        /// One too many, and the oldest.
        var givenUp: Hole?
    }

    static let longestChunk = Duration.seconds(6 * 3600)
    static let longestHole = Duration.seconds(400 * 86_400)
    static let mostHoles = 64
    static let failuresBeforeRest = 3
    static let rest = Duration.seconds(3600)
    /// By how much a meter's clock may be late and count as right: `clock-drift` begins there.
    static let settling = Duration.seconds(300)
    /// A clock that goes back by more was wrong before, and so is every time that it gave.
    private static let longestStepBack = Duration.seconds(86_400)

    /// Of the physical meter that all this is about.
    private(set) var epoch: Int
    /// When the meter was last read, good or not; nil before that.
    private(set) var lastRead: Timestamp?
    /// In the order of time; they do not overlap.
    private(set) var holes: [Hole] = []
    /// The end of the latest hole that there ever was.
    private var covered: Timestamp?

    // What is forgotten at a restart.
    /// The newest reading; monotonic.
    private var heard: Duration?
    /// Whether a hole may have begun while nobody knew the time.
    private var hasUndatedHole = false

    init(epoch: Int) {
        self.epoch = epoch
    }

    // MARK: Holes

    /// The meter was read.
    ///
    /// - Parameters:
    ///   - isSynchronized: whether `time` can be believed.
    ///   - patience: after how long without a reading the meter is offline.
    package mutating func read(
        at time: Timestamp, monotonic: Duration, isSynchronized: Bool, epoch: Int, patience: Duration
    ) -> Finding? {
        if epoch != self.epoch { begin(epoch) }
        let isSeenThroughout = heard.map { monotonic - $0 <= patience } ?? false
        heard = monotonic
        guard isSynchronized else {
            if !isSeenThroughout { hasUndatedHole = true }
            return nil
        }
        let mayBeHole = !isSeenThroughout || hasUndatedHole
        defer {
            lastRead = time
            hasUndatedHole = false
        }
        guard let lastRead else { return nil }
        if time + Self.longestStepBack < lastRead { forgetTimes(after: time) }
        guard mayBeHole, lastRead + patience < time else { return nil }
        return open(after: max(lastRead, covered ?? lastRead, time - Self.longestHole), through: time)
    }

    private mutating func open(after: Timestamp, through: Timestamp) -> Finding? {
        guard after < through else { return nil }
        let hole = Hole(after: after, through: through)
        holes.append(hole)
        covered = through
        return Finding(hole: hole, givenUp: holes.count > Self.mostHoles ? holes.removeFirst() : nil)
    }

    private mutating func forgetTimes(after time: Timestamp) {
        holes.removeAll { $0.through > time }
        covered = nil
    }

    /// Another physical meter: the profile of the one before is gone with it.
    package mutating func begin(_ epoch: Int) {
        self = Backfill(epoch: epoch)
    }

    // MARK: Filling them

    /// What to ask for now: of the oldest hole that does not rest. Nil where there is none.
    package func nextChunk(at now: Timestamp, monotonic: Duration) -> Chunk? {
        let hole = holes.first { hole in
            let rests = hole.restsUntil.map { monotonic < $0 } ?? false
            return !rests && (!hole.wasAskedEarly || hole.through + Self.settling <= now)
        }
        return hole.map {
            Chunk(hole: $0.through, after: $0.after, through: min($0.through, $0.after + Self.longestChunk))
        }
    }

    /// Everything of the chunk up to this time is journaled.
    mutating func took(through time: Timestamp, of chunk: Chunk) {
        change(chunk) { $0.after = max($0.after, min(time, chunk.through)) }
    }

    /// All of the chunk was answered, be it that there was nothing: then the meter was dead as well.
    ///
    /// The newest entry may be missing where the meter's clock is late; that is asked for once more, when it must be there.
    package mutating func finished(_ chunk: Chunk, at now: Timestamp) {
        let certain = now - Self.settling
        change(chunk) { hole in
            hole.after = max(hole.after, min(chunk.through, certain))
            hole.wasAskedEarly = certain < chunk.through
            hole.failures = 0
            hole.restsUntil = nil
        }
    }

    /// - Returns: whether the hole rests now.
    @discardableResult
    package mutating func failed(_ chunk: Chunk, monotonic: Duration) -> Bool {
        var rests = false
        change(chunk) { hole in
            hole.failures += 1
            rests = hole.failures >= Self.failuresBeforeRest
            guard rests else { return }
            hole.failures = 0
            hole.restsUntil = monotonic + Self.rest
        }
        return rests
    }

    /// The meter has no load profile.
    mutating func giveUp() {
        holes = []
    }

    private mutating func change(_ chunk: Chunk, _ body: (inout Hole) -> Void) {
        guard let index = holes.firstIndex(where: { $0.through == chunk.hole }) else { return }
        body(&holes[index])
        if holes[index].after >= holes[index].through { holes.remove(at: index) }
    }
}

// MARK: - In the journal

/// Times are in ms since 1970.
private struct StoredBackfill: Codable {
    struct Hole: Codable {
        var after: Int64
        var through: Int64
    }

    var epoch: Int
    var read: Int64?
    var covered: Int64?
    var holes: [Hole]
}

extension Backfill {
    /// - Returns: nil for bytes that are no such state.
    package init?(stored bytes: [UInt8]) {
        guard let stored = try? JSONDecoder().decode(StoredBackfill.self, from: Data(bytes)) else { return nil }
        self.init(epoch: max(1, clamped(stored.epoch)))
        lastRead = stored.read.map { Timestamp(milliseconds: $0) }
        covered = stored.covered.map { Timestamp(milliseconds: $0) }
        for hole in stored.holes.suffix(Self.mostHoles) {
            let hole = Hole(
                after: Timestamp(milliseconds: hole.after), through: Timestamp(milliseconds: hole.through))
            guard hole.after < hole.through, holes.last.map({ $0.through <= hole.after }) ?? true else { continue }
            holes.append(hole)
        }
    }

    package var stored: [UInt8] {
        let stored = StoredBackfill(
            epoch: epoch, read: lastRead?.milliseconds, covered: covered?.milliseconds,
            holes: holes.map { .init(after: $0.after.milliseconds, through: $0.through.milliseconds) })
        return (try? JSONEncoder().encode(stored)).map { [UInt8]($0) } ?? []
    }
}

extension Timestamp {
    /// At the ends of the range where it would not fit.
    fileprivate static func + (time: Timestamp, duration: Duration) -> Timestamp {
        let (sum, overflow) = time.milliseconds.addingReportingOverflow(duration.wholeMilliseconds)
        return Timestamp(milliseconds: overflow ? (duration < .zero ? .min : .max) : sum)
    }

    fileprivate static func - (time: Timestamp, duration: Duration) -> Timestamp { time + (.zero - duration) }
}
