import OBIS

/// The entries of one answer of a load profile, in the order in which they come, and which of them are taken.
struct ProfileAnswer: Sendable {
    /// What is asked for beside the chunk, by a zone that is wrong by an hour and by a change of time, and the same again.
    private static let margin: Int64 = 2 * 3_600_000  // ms

    let chunk: Backfill.Chunk
    private var newest: Timestamp?
    /// Entries that are not later than the one before: the meter's clock was set back. Their intervals overlap others.
    private(set) var setBack = 0

    init(_ chunk: Backfill.Chunk) {
        self.chunk = chunk
    }

    /// When the interval ended; nil for an entry that is not taken.
    ///
    /// An entry is later than the one before: that decides in the hour that comes twice, where the meter says nothing.
    mutating func time(of end: MeterTime, by clock: MeterClock) -> Timestamp? {
        let possible = clock.intervalEnds(end).filter(isNear)
        guard !possible.isEmpty else { return nil }
        guard let time = possible.first(where: { time in newest.map { $0 < time } ?? true }) else {
            setBack += 1
            return nil
        }
        newest = time
        return chunk.after < time && time <= chunk.through ? time : nil
    }

    /// What is far from the chunk was not asked for, and must not shadow what was.
    private func isNear(_ time: Timestamp) -> Bool {
        Timestamp.milliseconds(from: time, to: chunk.after) <= Self.margin
            && Timestamp.milliseconds(from: chunk.through, to: time) <= Self.margin
    }
}
