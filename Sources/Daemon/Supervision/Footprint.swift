import CLinux

/// When the process gives back memory that it does not need.
///
/// What the heap holds free: without it, pieces that stay lie between others that came and went, and a process that has
/// taken a million readings is several mebibytes larger than one that has taken a tenth. And, once, the pages of the
/// program that the start has read.
struct Footprint {
    private static let interval = Duration.seconds(60)
    /// While the heap is trimmed nothing else goes on: at most so much of the time.
    private static let share = 10_000
    /// When the start and what follows it at once, as the first connection to the broker, are over.
    private static let settling = Duration.seconds(5)

    private var trimDue: Duration
    /// Nil: it was done.
    private var releaseDue: Duration?

    init(since now: Duration) {
        trimDue = now + Self.interval
        releaseDue = now + Self.settling
    }

    /// - Parameters:
    ///   - now: the time by a clock that runs evenly.
    ///   - trim: gives back what the heap holds free.
    ///   - release: lets go of the program's pages.
    mutating func look(
        at now: () -> Duration, trim: () -> Void = obisd_trim_heap, release: () -> Void = obisd_release_program
    ) {
        let begin = now()
        if let due = releaseDue, begin >= due {
            releaseDue = nil
            release()
        }
        guard begin >= trimDue else { return }
        trim()
        let end = now()
        trimDue = end + max(Self.interval, (end - begin) * Self.share)
    }
}
