import Glibc
public import Logging

/// Writes log lines to the service manager's journal in its native protocol, so that each detail is a field of its own
/// to search by (systemd.journal-fields(7)).
///
/// `MESSAGE` is the whole line as it stands on standard error. Beside it: `PRIORITY`, `SYSLOG_IDENTIFIER`,
/// `MESSAGE_ID` for the messages that have one, `CODE_FILE` and `CODE_LINE`, and `OBISD_<NAME>` for every detail. The
/// names come from the program alone, and values have no line end. An entry is one datagram of at most 24 KiB, see
/// `LogText` for what is cut. What the journal does not take at once goes to standard error.
public struct JournaldLog: LogHandler {
    /// Where the service manager's journal listens.
    public static let standardPath = "/run/systemd/journal/socket"

    private let socket: JournaldSocket
    private var standardError: StandardErrorLog

    /// - Returns: nil where nobody listens at the path.
    public init?(path: String = Self.standardPath, level: Logger.Level = .info) {
        guard let socket = JournaldSocket(path: path) else { return nil }
        self.socket = socket
        standardError = StandardErrorLog(level: level)
    }

    public var metadata: Logger.Metadata {
        get { standardError.metadata }
        set { standardError.metadata = newValue }
    }

    public var logLevel: Logger.Level {
        get { standardError.logLevel }
        set { standardError.logLevel = newValue }
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let text = LogText(event, metadata)
        if socket.send(Self.entry(event, text)) { return }
        standardError.write(text, event.level)
    }

    /// One entry: a line for each field, `NAME=value`.
    static func entry(_ event: LogEvent, _ text: LogText) -> [UInt8] {
        var fields = [
            "MESSAGE=\(text.line)", "PRIORITY=\(event.level.priority)", "SYSLOG_IDENTIFIER=obisd",
            "CODE_FILE=\(event.file)", "CODE_LINE=\(event.line)",
        ]
        if let id = text.messageID { fields.append("MESSAGE_ID=\(id)") }
        for (name, value) in text.values {
            if let field = fieldName(name) { fields.append("\(field)=\(value)") }
        }
        return Array((fields.joined(separator: "\n") + "\n").utf8)
    }

    /// The journal drops an entry with a name that is not of capital letters, digits and underscores, at most 64.
    private static func fieldName(_ name: String) -> String? {
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
            default: false
            }
        }
        return isPlain && (1...48).contains(name.utf8.count) ? "OBISD_\(name.uppercased())" : nil
    }
}

extension Logger {
    /// The daemon's own: to the journal where standard error leads there and it can be reached, else to standard error.
    ///
    /// - Parameter journal: the socket of the service manager's journal.
    public static func daemon(level: Level, journal: String = JournaldLog.standardPath) -> Logger {
        let journald = StandardErrorLog.isJournal() ? JournaldLog(path: journal, level: level) : nil
        return Logger(label: "obisd") { _ -> any LogHandler in
            if let journald { return journald }
            return StandardErrorLog(level: level)
        }
    }
}
