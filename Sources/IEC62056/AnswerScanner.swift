import Wire

/// What a meter answers in programming mode (IEC 62056-21, 6.3):
///
///     ACK    NAK    STX data ETX BCC    STX data EOT BCC    SOH C d [STX data] ETX BCC
enum Answer: Equatable {
    case acknowledged
    /// The meter asks for the message again.
    case refused
    /// Data; after a partial block more of them are waiting.
    case data([UInt8], isPartial: Bool)
    /// `P0` and the operand, or `B0`.
    case command([UInt8])
    /// It arrived, and not as it was sent.
    case damaged(WireError)
}

/// Finds one answer among the characters as they come.
struct AnswerScanner {
    private enum Place { case before, data, command, check(end: UInt8, isCommand: Bool) }
    private var place = Place.before
    private var content: [UInt8] = []
    private var check: UInt8 = 0
    private var carriesParity = false
    private var hasOdd = false
    /// Whether a single ACK or NAK is an answer, or noise.
    private let takesAcknowledgement: Bool
    /// Characters before the answer that belong to nothing.
    private(set) var noise = 0

    init(takesAcknowledgement: Bool = false) {
        self.takesAcknowledgement = takesAcknowledgement
    }

    /// Whether an answer began and has not ended.
    var isInside: Bool { if case .before = place { false } else { true } }

    /// - Parameter byte: as it came, with its parity bit.
    mutating func consume(_ byte: UInt8) -> Answer? {
        let character = Parity.stripped(byte)
        if byte >= 0x80 { carriesParity = true }
        if !byte.nonzeroBitCount.isMultiple(of: 2) { hasOdd = true }
        switch place {
        case .before: return begin(character, byte)
        case .check(let end, let isCommand): return judge(character, end: end, isCommand: isCommand)
        case .data, .command: return collect(character)
        }
    }

    private mutating func begin(_ character: UInt8, _ byte: UInt8) -> Answer? {
        switch character {
        case Control.stx: place = .data
        case Control.soh: place = .command
        case Control.nak where noise == 0: return .refused
        case Control.ack where takesAcknowledgement: return .acknowledged
        default:
            if !character.isFiller { noise += 1 }
            return nil
        }
        carriesParity = byte >= 0x80
        hasOdd = !byte.nonzeroBitCount.isMultiple(of: 2)
        return nil
    }

    private mutating func collect(_ character: UInt8) -> Answer? {
        check ^= character
        if character == Control.etx || character == Control.eot {
            if case .command = place {
                place = .check(end: character, isCommand: true)
            } else {
                place = .check(end: character, isCommand: false)
            }
        } else {
            content.append(character)
        }
        guard content.count <= Limits.programmingAnswer else {
            return .damaged(WireError(.limit, "no end of the answer within \(Limits.programmingAnswer) characters"))
        }
        return nil
    }

    private func judge(_ sent: UInt8, end: UInt8, isCommand: Bool) -> Answer {
        guard !(carriesParity && hasOdd), sent < 0x80 else {
            return .damaged(WireError(.checksum, "a character with a wrong parity bit in the answer"))
        }
        guard sent == check else {
            return .damaged(WireError(.checksum, "the block check character of the answer is wrong"))
        }
        guard !isCommand else { return .command(content.filter { $0 != Control.stx }) }
        return content.contains(Control.stx)
            ? .damaged(WireError(.framing, "an answer begins inside of another one, whose end is missing"))
            : .data(content, isPartial: end == Control.eot)
    }
}
