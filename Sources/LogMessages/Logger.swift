public import Logging

/// A log line of a message that has an id. Handlers that have no place for ids leave it out.
extension Logger {
    /// The key of the metadata that carries the id to a handler.
    public static let messageIDKey = "message_id"

    /// - Parameter message: what the line is about; nil for one that nobody searches for.
    public func log(
        level: Level, _ message: LogMessage?, _ text: @autoclosure () -> Message,
        metadata: @autoclosure () -> Metadata = [:],
        file: String = #fileID, function: String = #function, line: UInt = #line
    ) {
        log(
            level: level, text(),
            metadata: message.map { message in
                metadata().merging([Self.messageIDKey: "\(message.id)"]) { _, id in id }
            } ?? metadata(),
            file: file, function: function, line: line)
    }

    public func info(
        _ message: LogMessage, _ text: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata = [:],
        file: String = #fileID, function: String = #function, line: UInt = #line
    ) {
        log(level: .info, message, text(), metadata: metadata(), file: file, function: function, line: line)
    }

    public func notice(
        _ message: LogMessage, _ text: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata = [:],
        file: String = #fileID, function: String = #function, line: UInt = #line
    ) {
        log(level: .notice, message, text(), metadata: metadata(), file: file, function: function, line: line)
    }

    public func warning(
        _ message: LogMessage, _ text: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata = [:],
        file: String = #fileID, function: String = #function, line: UInt = #line
    ) {
        log(level: .warning, message, text(), metadata: metadata(), file: file, function: function, line: line)
    }

    public func error(
        _ message: LogMessage, _ text: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata = [:],
        file: String = #fileID, function: String = #function, line: UInt = #line
    ) {
        log(level: .error, message, text(), metadata: metadata(), file: file, function: function, line: line)
    }
}
