import Journal
import OBIS

/// Which readings are journaled where not all are: the last of each window. Windows are whole multiples of their length
/// since 1970, on the clock that stamps the readings; when that jumps, a window only ends early.
struct Thinning {
    /// More than zero.
    let every: Duration
    private var held: (draft: ReadingDraft, window: Int64)?

    init(every: Duration) {
        self.every = every
    }

    /// Holds a reading back until a later one takes its place or its window is over.
    ///
    /// - Returns: the last of an earlier window, which is to be journaled now.
    mutating func hold(_ draft: ReadingDraft) -> ReadingDraft? {
        let due = due(at: draft.capturedAt)
        held = (draft, window(of: draft.capturedAt))
        return due
    }

    /// - Returns: the reading whose window is over, once.
    mutating func due(at now: Timestamp) -> ReadingDraft? {
        guard let held, held.window != window(of: now) else { return nil }
        return end()
    }

    /// - Returns: what is held back, once: nothing comes any more.
    mutating func end() -> ReadingDraft? {
        defer { held = nil }
        return held?.draft
    }

    private func window(of time: Timestamp) -> Int64 {
        let length = max(1, every.wholeMilliseconds)
        let (whole, rest) = time.milliseconds.quotientAndRemainder(dividingBy: length)
        return rest < 0 ? whole - 1 : whole
    }
}
