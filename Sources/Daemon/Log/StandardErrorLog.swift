import Glibc
public import Logging
import OBIS

/// Writes log lines to standard error: with the priority prefix that the service manager's journal understands
/// (sd-daemon(3)) where that reads them, else with time and level for a person.
public struct StandardErrorLog: LogHandler {
    public var metadata: Logger.Metadata = [:]
    public var logLevel: Logger.Level
    private let isJournal: Bool
    private let clock = SystemClock()

    public init(level: Logger.Level = .info) {
        logLevel = level
        isJournal = Self.isJournal()
    }

    /// The service manager names the device and inode of the stream that it connected to the journal. Standard
    /// error may have been redirected since.
    static func isJournal() -> Bool {
        // The text is copied before anything else can change the environment.
        guard let stream = unsafe getenv("JOURNAL_STREAM").map({ unsafe String(cString: $0) }) else { return false }
        var status = stat()
        // The structure lives across the call.
        guard unsafe fstat(STDERR_FILENO, &status) == 0 else { return false }
        return stream == "\(status.st_dev):\(status.st_ino)"
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        write(LogText(event, metadata), event.level)
    }

    func write(_ text: LogText, _ level: Logger.Level) {
        let head = isJournal ? "<\(level.priority)>" : "\(clock.now) \(level.rawValue.uppercased()) "
        let bytes = Array((head + text.line + "\n").utf8)
        // One call for one line, so that lines of several threads do not mix. The buffer lives across it.
        unsafe bytes.withUnsafeBytes { buffer in
            // The journal's stream is a socket: a journal that stands still must not hold up a meter.
            let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
            if isJournal, unsafe send(STDERR_FILENO, buffer.baseAddress, buffer.count, flags) >= 0 { return }
            if isJournal, errno != ENOTSOCK { return }
            _ = unsafe Glibc.write(STDERR_FILENO, buffer.baseAddress, buffer.count)
        }
    }
}
