import CLinux

/// When the heap gives back what it holds free. Without it, pieces that stay lie between others that came and went, and
/// a process that has taken a million readings is several mebibytes larger than one that has taken a tenth.
struct HeapTrim {
    private static let interval = Duration.seconds(60)
    /// While it lasts nothing else goes on: at most so much of the time.
    private static let share = 10_000

    private var due: Duration

    init(since now: Duration) {
        due = now + Self.interval
    }

    /// - Parameters:
    ///   - now: the time by a clock that runs evenly.
    ///   - trim: gives back what is free.
    mutating func look(at now: () -> Duration, trim: () -> Void = obisd_trim_heap) {
        let begin = now()
        guard begin >= due else { return }
        trim()
        let end = now()
        due = end + max(Self.interval, (end - begin) * Self.share)
    }
}
