import LogMessages
import Logging
import OBIS

/// What a log line says, as every handler writes it: one line, without anything that moves a terminal's cursor or
/// begins another line. Meters, brokers and callers word parts of it.
struct LogText {
    /// Without the message's id.
    let details: Logger.Metadata
    /// 32 hexadecimal digits.
    let messageID: String?
    private let sentence: String

    /// Of a sentence and of a value, in bytes of UTF-8. What is longer is cut, and ends in `…`.
    static let sentenceLimit = 4096
    static let valueLimit = 512
    static let detailsLimit = 16

    /// - Parameter metadata: of the handler; that of the event goes before.
    init(_ event: LogEvent, _ metadata: Logger.Metadata) {
        var details = metadata.merging(event.metadata ?? [:]) { _, new in new }
        messageID = details.removeValue(forKey: Logger.messageIDKey).map { "\($0)" }
        self.details = details
        sentence = Self.clean("\(event.message)", limit: Self.sentenceLimit)
    }

    /// Names and cleaned values in the order of the names.
    var values: [(name: String, value: String)] {
        details.sorted { $0.key < $1.key }.prefix(Self.detailsLimit).map { name, value in
            (Self.clean(name, limit: 64), Self.clean("\(value)", limit: Self.valueLimit))
        }
    }

    /// The sentence, with its details in brackets.
    var line: String {
        let details = values.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
        return details.isEmpty ? sentence : "\(sentence) [\(details)]"
    }

    static func clean(_ text: String, limit: Int) -> String {
        var result = String.UnicodeScalarView()
        var room = limit
        for scalar in text.unicodeScalars {
            room -= UTF8.width(scalar)
            guard room >= 0 else {
                result.append("…")
                break
            }
            result.append(isPlain(scalar) ? scalar : " ")
        }
        return String(result)
    }

    /// Neither a control character nor an end of a line, nor one that turns the direction of the text.
    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return scalar.value >= 0x20 && scalar.value != 0x7F }
        return switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: false
        default: true
        }
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
