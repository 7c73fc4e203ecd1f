public import Logging
import Synchronization

/// A logger that holds back what it has said a moment ago, and counts it: for whatever a meter, a broker or a stranger
/// can cause without end. One for each of them, so that nobody's lines hold back those of another.
public final class PacedLog: Sendable {
    private let logger: Logger
    private let now: @Sendable () -> Duration
    private let limiter = Mutex(LogLimiter())

    /// - Parameter now: monotonic.
    public init(_ logger: Logger, now: @escaping @Sendable () -> Duration = PacedLog.sinceStart()) {
        self.logger = logger
        self.now = now
    }

    public static func sinceStart() -> @Sendable () -> Duration {
        let start = ContinuousClock.now
        return { start.duration(to: .now) }
    }

    /// Says the sentence, unless one of its kind was said a moment ago.
    ///
    /// - Parameters:
    ///   - kind: what is held back together; where it is made of foreign text, `LogLimiter.capacity` bounds the number.
    ///   - message: what the line is about; nil for one that nobody searches for.
    ///   - text: a whole sentence.
    public func say(
        _ kind: String, _ level: Logger.Level, _ message: LogMessage?, _ text: @autoclosure () -> String,
        metadata: @autoclosure () -> Logger.Metadata = [:],
        file: String = #fileID, function: String = #function, line: UInt = #line
    ) {
        guard let suppressed = limiter.withLock({ $0.admit(kind, now: now()) }) else { return }
        guard suppressed > 0 else {
            return logger.log(
                level: level, message, "\(text())", metadata: metadata(), file: file, function: function, line: line)
        }
        logger.log(
            level: level, message, "\(text()) (\(suppressed) more like this since the last line)",
            metadata: metadata().merging(["suppressed": "\(suppressed)"]) { _, count in count },
            file: file, function: function, line: line)
    }

    /// It is no longer so: the next line of this kind is news again.
    public func over(_ kind: String) {
        limiter.withLock { $0.over(kind) }
    }

    /// The same for every kind that begins so.
    public func over(beginning prefix: String) {
        limiter.withLock { $0.over(beginning: prefix) }
    }
}
