import Wire

/// Finds the end of one telegram that starts at the front of a buffer, byte by byte as they come:
///
///     /MMMZ… CR LF  lines  ! CCCC
///     /MMMZ… CR LF  lines  ! CCC CR LF
///     /MMMZ… CR LF  lines  ! CR LF
///
/// Structure is looked for behind parity bits; the digits of the check are not, since a telegram that has them has
/// eight data bits.
struct P1Scanner {
    /// With the line end; 0 before it came.
    private(set) var identificationLength = 0

    private enum Phase { case identification, lines, end }
    private var phase = Phase.identification
    /// The next byte to look at.
    private var position = 0
    private var lineStart = 0
    /// Where an identification line began inside of the telegram, which is possible anywhere when bytes were lost.
    private var head: Int?
    private var mark = 0
    private var digits = (value: UInt16(0), count: 0)

    enum Finding {
        /// More bytes are needed.
        case wait
        /// What begins at the front is no telegram.
        case noTelegram
        /// `!` is at `mark`, the check behind it is `sent`, and `end` is behind that.
        case end(mark: Int, sent: UInt16?, end: Int)
        /// An identification line begins at this index.
        case interrupted(at: Int)
        /// The bytes before this index are no telegram.
        case broken(WireError, before: Int)
    }

    mutating func scan(_ buffer: LinkBuffer) -> Finding {
        let bytes = buffer.bytes
        while position < bytes.byteCount {
            // Most characters are in the middle of a line.
            if phase == .lines, head == nil, position > lineStart { skipText(bytes) }
            guard position < bytes.byteCount else { break }
            let byte = bytes[byte: position]
            let character = Parity.stripped(byte)
            let finding: Finding?
            switch phase {
            case .identification: finding = identify(character)
            case .lines: finding = scanLine(character)
            case .end: finding = scanEnd(character, raw: byte)
            }
            if let finding { return finding }
            position += 1
        }
        return .wait
    }

    /// Passes over what neither ends the line nor begins an identification.
    private mutating func skipText(_ bytes: RawSpan) {
        let end = min(bytes.byteCount, Limits.p1Telegram)
        var index = position
        while index < end {
            let byte = bytes[byte: index]
            guard byte < 0x80, byte != UInt8(ascii: "/"), !byte.isLineEnd else { break }
            index += 1
        }
        position = index
    }

    /// What there is when nothing more will come.
    func finish() -> Finding {
        switch phase {
        case .identification where position <= 4: .noTelegram
        case .end where digits.count == 0: .end(mark: mark, sent: nil, end: mark + 1)
        case .identification, .lines, .end: .wait
        }
    }

    // MARK: Phases

    private mutating func identify(_ character: UInt8) -> Finding? {
        if character.isLineEnd {
            guard position > 4 else { return .noTelegram }
            phase = .lines
            identificationLength = position + 1
            lineStart = position + 1
        } else if !Self.isAllowed(character, at: position) {
            return .noTelegram
        }
        return nil
    }

    private mutating func scanLine(_ character: UInt8) -> Finding? {
        if position >= Limits.p1Telegram {
            let error = WireError(.limit, "no end of the telegram within \(Limits.p1Telegram) bytes")
            return .broken(error, before: head ?? position)
        }
        if character.isLineEnd {
            if let head, position - head > 4 { return .interrupted(at: head) }
            head = nil
            lineStart = position + 1
        } else if character == UInt8(ascii: "!"), position == lineStart {
            phase = .end
            mark = position
        } else if character == UInt8(ascii: "/") {
            head = position
        } else if let start = head, !Self.isAllowed(character, at: position - start) {
            head = nil
        }
        return nil
    }

    /// Four digits or a line end. Some meters leave zeros in front out. Anything else is damage, and could be damage to a
    /// digit.
    private mutating func scanEnd(_ character: UInt8, raw: UInt8) -> Finding? {
        if character.isLineEnd {
            return .end(mark: mark, sent: digits.count == 0 ? nil : digits.value, end: position + 1)
        }
        guard let digit = raw.hexDigitValue else {
            let error = WireError(.malformed, "neither four digits nor a line end behind the mark !", offset: position)
            return .broken(error, before: position)
        }
        digits = (digits.value << 4 | UInt16(digit), digits.count + 1)
        return digits.count == 4 ? .end(mark: mark, sent: digits.value, end: position + 1) : nil
    }

    // MARK: Characters

    /// As in IEC 62056-21, and STX: some tools write `\2` as the one character 02.
    private static func isAllowed(_ character: UInt8, at position: Int) -> Bool {
        switch position {
        case 0: character == UInt8(ascii: "/")
        case 1...3: character.isLetter
        case ..<Limits.identification:
            character.isOfIdentification || character == Control.stx
        default: false
        }
    }
}
