import Wire

/// What may start at a byte between two messages.
enum MessageStart {
    case message(MessageScanner)
    /// Something of the reader that is no part of a message: its request, its acknowledgement.
    case echo(length: Int)
    case nothing
    /// More bytes are needed to tell.
    case incomplete

    /// - Parameter byte: the one at `index`.
    init(_ byte: UInt8, at index: Int, in buffer: CharacterBuffer) {
        switch byte {
        case UInt8(ascii: "/"):
            switch Identification.match(in: buffer, at: index) {
            case .complete(let identification, let length):
                self = .message(MessageScanner(identification: identification, length: length))
            case .incomplete: self = .incomplete
            case .none: self = Self.request(at: index, in: buffer)
            }
        case Control.stx: self = .message(MessageScanner(block: ()))
        case Control.soh: self = Self.command(at: index, in: buffer)
        case Control.ack: self = Self.acknowledgement(at: index, in: buffer)
        default: self = .nothing
        }
    }

    /// `/?address!` and a line end.
    private static func request(at start: Int, in buffer: CharacterBuffer) -> MessageStart {
        guard let mark = buffer[start + 1] else { return .incomplete }
        guard mark == UInt8(ascii: "?") else { return .nothing }
        for index in (start + 2)...(start + 3 + SignOn.longestAddress) {
            guard let byte = buffer[index] else { return .incomplete }
            if byte.isLineEnd {
                return buffer[index - 1] == UInt8(ascii: "!") ? .echo(length: index + 1 - start) : .nothing
            }
            guard byte.isPrintable else { return .nothing }
        }
        return .nothing
    }

    /// `06 V Z Y` and a line end.
    private static func acknowledgement(at start: Int, in buffer: CharacterBuffer) -> MessageStart {
        for index in (start + 1)...(start + 3) {
            guard let byte = buffer[index] else { return .incomplete }
            guard byte.isPrintable else { return .nothing }
        }
        guard let end = buffer[start + 4] else { return .incomplete }
        return end.isLineEnd ? .echo(length: 5) : .nothing
    }

    /// SOH and the two characters of a command.
    private static func command(at start: Int, in buffer: CharacterBuffer) -> MessageStart {
        guard let command = buffer[start + 1] else { return .incomplete }
        guard commands.contains(command) else { return .nothing }
        guard let type = buffer[start + 2] else { return .incomplete }
        return type.isDigit ? .message(MessageScanner(block: ())) : .nothing
    }

    /// Password, write, read, execute, break.
    private static let commands = Set("PWREB".utf8)
}
