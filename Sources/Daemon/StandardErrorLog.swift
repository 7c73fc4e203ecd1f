import Glibc
import Logging
import OBIS

/// Writes log lines to standard error: with the priority prefix that journald understands where the service
/// manager reads them, else with time and level for a person.
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
    private static func isJournal() -> Bool {
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
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let details = all.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        // One line is one entry; a line end inside would begin another one with a forged priority.
        let text = "\(event.message)\(details.isEmpty ? "" : " [\(details)]")".map { $0.isNewline ? " " : $0 }
        let head = isJournal ? "<\(event.level.priority)>" : "\(clock.now) \(event.level.rawValue.uppercased()) "
        let bytes = Array((head + String(text) + "\n").utf8)
        // One call for one line, so that lines of several threads do not mix.
        _ = unsafe bytes.withUnsafeBytes { buffer in unsafe write(STDERR_FILENO, buffer.baseAddress, buffer.count) }
    }
}

extension Logger.Level {
    /// The priorities of syslog (RFC 5424, 6.2.1).
    var priority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
