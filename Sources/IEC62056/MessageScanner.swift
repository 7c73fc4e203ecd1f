import Wire

/// Finds the end of one message that starts at the front of a buffer, byte by byte as they come:
///
///     /MMMZ… CR LF  [06 V Z Y CR LF]  STX  data sets  ! CR LF  ETX  BCC       readout (IEC 62056-21, 6.3)
///     /MMMZ… CR LF  CR LF                  data sets  ! CR LF                 readout without block check (modes A, D)
///                                     STX  data sets           ETX  BCC       answer in programming mode, or EOT
///                   SOH  P 0  STX  ( … )                       ETX  BCC       command, password request
struct MessageScanner {
    let identification: Identification?
    /// The length of the identification line; 0 without one.
    let identificationLength: Int
    /// The index of STX or SOH; nil until one came.
    private(set) var blockStart: Int?
    /// The index behind the identification line, of the first data line, or behind STX.
    private(set) var dataStart: Int
    /// Bytes between identification and STX that belong to nothing: what a line gives while its rate changes.
    private(set) var noise = 0
    /// The next byte to look at.
    private(set) var position: Int

    private enum Phase { case behindIdentification, block, lines }
    private var phase: Phase
    private var lineStart: Int
    /// Whether the lines so far hold a value, or the beginning of another message.
    private var hasSubstance = false
    private var mark = EndMark()

    enum Finding {
        /// More bytes are needed.
        case wait
        /// ETX or EOT is at this index, BCC one behind it.
        case block(end: Int)
        /// The end line `!` is complete and this index is behind it; there is no block check.
        case lines(end: Int)
        /// The end line `!` is not followed by ETX. This index is behind it.
        case noBlockEnd(Int)
        /// What is at this index cannot be part of the message.
        case broken(Int)
    }

    /// A readout.
    init(identification: Identification, length: Int) {
        self.identification = identification
        identificationLength = length
        phase = .behindIdentification
        dataStart = length
        lineStart = length
        position = length
    }

    /// A message whose first byte is STX or SOH.
    init(block: Void) {
        identification = nil
        identificationLength = 0
        phase = .block
        blockStart = 0
        dataStart = 1
        lineStart = 1
        position = 1
    }

    mutating func scan(_ buffer: CharacterBuffer) -> Finding {
        while position <= Limits.readout {
            // Most of a block is text.
            if phase == .block, !mark.isSet, position > dataStart {
                position = buffer.endOfText(from: position, limit: Limits.readout)
            }
            guard let byte = buffer[position] else { break }
            let finding: Finding?
            switch phase {
            case .behindIdentification: finding = scanBehindIdentification(byte, buffer)
            case .block: finding = scanBlock(byte, buffer)
            case .lines: finding = scanLine(byte, buffer)
            }
            if let finding { return finding }
        }
        return .wait
    }

    /// What there is when nothing more will come.
    func finish(_ buffer: CharacterBuffer) -> Finding {
        // A byte that was not passed is ETX without BCC, or the limit.
        guard buffer[position] == nil else { return .wait }
        switch phase {
        case .block: return mark.isSet ? .noBlockEnd(mark.index) : .wait
        case .lines, .behindIdentification:
            return endsWithMark(buffer, from: lineStart) ? .lines(end: position) : .wait
        }
    }

    // MARK: Behind the identification

    /// Blank lines and the echo of the acknowledgement are skipped. Then comes STX, or the first data line.
    private mutating func scanBehindIdentification(_ byte: UInt8, _ buffer: CharacterBuffer) -> Finding? {
        switch byte {
        case Control.stx, Control.soh:
            startBlock(buffer)
        case _ where byte.isLineEnd:
            let isBlank = (dataStart..<position).allSatisfy { buffer[$0]?.isFiller != false }
            let isEcho = buffer[dataStart] == Control.ack && position - dataStart == 4
            if isBlank || isEcho {
                position += 1
                dataStart = position
                lineStart = position
            } else {
                phase = .lines
                position = dataStart
            }
        case UInt8(ascii: "!") where position == dataStart:
            phase = .lines
        default:
            position += 1
        }
        return nil
    }

    private mutating func startBlock(_ buffer: CharacterBuffer) {
        noise = (dataStart..<position).count { buffer[$0]?.isFiller == false }
        phase = .block
        blockStart = position
        position += 1
        dataStart = position
        mark = EndMark()
    }

    // MARK: STX … ETX BCC

    private mutating func scanBlock(_ byte: UInt8, _ buffer: CharacterBuffer) -> Finding? {
        if byte == Control.etx || byte == Control.eot {
            return buffer[position + 1] == nil ? .wait : .block(end: position)
        }
        if mark.isSet, !byte.isFiller, mark.isClosed || byte == UInt8(ascii: "/") { return .noBlockEnd(mark.index) }
        mark.consume(byte, at: position, behind: position == dataStart ? Control.lineFeed : buffer[position - 1])
        position += 1
        return nil
    }

    // MARK: Lines up to "!"

    private mutating func scanLine(_ byte: UInt8, _ buffer: CharacterBuffer) -> Finding? {
        switch byte {
        case Control.stx where !hasSubstance:
            // These were no data lines: a damaged echo, or the line while its rate changed.
            startBlock(buffer)
            return nil
        case Control.stx, Control.soh, Control.etx, Control.eot:
            return .broken(position)
        case UInt8(ascii: "/") where endsWithMark(buffer, from: lineStart):
            return .lines(end: position)
        case _ where byte.isLineEnd:
            let end = position
            position += 1
            if endsWithMark(buffer, from: lineStart, to: end) { return .lines(end: end) }
            let isUnknownEnd = buffer[lineStart] == UInt8(ascii: "!")
            lineStart = position
            return isUnknownEnd ? .broken(end) : nil
        default:
            if byte == UInt8(ascii: "(") || byte == UInt8(ascii: "/") { hasSubstance = true }
            position += 1
            return nil
        }
    }

    /// Whether `!` is the last character of a line, alone or behind a data set.
    private func endsWithMark(_ buffer: CharacterBuffer, from start: Int, to end: Int? = nil) -> Bool {
        let last = (end ?? position) - 1
        guard last >= start, buffer[last] == UInt8(ascii: "!") else { return false }
        return last == start || buffer[last - 1] == UInt8(ascii: ")")
    }
}

/// Follows the end line `!` inside a block: alone on its line or behind a data set, then a line end.
private struct EndMark {
    /// Whether `!` came, and only filling since.
    private(set) var isSet = false
    /// Whether its line ended as well.
    private(set) var isClosed = false
    /// The index behind it.
    private(set) var index = 0

    mutating func consume(_ byte: UInt8, at position: Int, behind previous: UInt8?) {
        if byte == UInt8(ascii: "!") {
            isSet = previous == UInt8(ascii: ")") || previous?.isLineEnd == true
            isClosed = false
            index = position + 1
        } else if isSet, byte.isLineEnd {
            isClosed = true
            index = position + 1
        } else if !byte.isFiller {
            isSet = false
        }
    }
}
