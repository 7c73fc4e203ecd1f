import OBIS
import Wire

/// Cuts and decodes the text messages of IEC 62056-21: readouts of modes A, B, C and D, and the messages of
/// programming mode. See `MessageScanner` for their shapes.
///
/// Characters that arrive with their even parity bit lose it. A block from STX to ETX counts only with its right block
/// check character; lines without one count only when there is no fault in any of them, and where parity bits arrive
/// all of these have to be right. Whatever is refused, the search goes on at the next identification line.
public struct ReadoutDecoder: Framer {
    public typealias Frame = Telegram

    /// Where the bytes come from, and thus how much can be missing without damage.
    public enum Source: Sendable, Hashable {
        /// A recording. Its tools drop things: a block may lack ETX and the check character behind its end line,
        /// and the whole input may be nothing but data lines. Both give a warning.
        case recording
        /// A line. What is missing there was lost.
        case line
    }

    private let source: Source
    private let requiresBlockCheck: Bool
    private var buffer = CharacterBuffer()
    private var message: MessageScanner?
    private var gap: Gap
    /// Who sent the last readout with a block check. On a line the next one of that meter has it as well, or lost it.
    private var checkedMeter: Identification?
    private var outputs: [FramerOutput<Telegram>] = []
    private var isFinished = false

    /// - Parameters:
    ///   - requiresBlockCheck: whether a readout without STX, ETX and BCC is refused, as mode C always has them.
    public init(source: Source = .recording, requiresBlockCheck: Bool = false) {
        self.source = source
        self.requiresBlockCheck = requiresBlockCheck
        gap = Gap(keepsBareLines: source == .recording)
    }

    public var isIdle: Bool { buffer.isEmpty && !gap.hasSubstance && outputs.isEmpty }

    public mutating func append(_ bytes: [UInt8]) {
        isFinished = false
        buffer.append(bytes)
    }

    public mutating func finish() {
        isFinished = true
    }

    /// A readout may be cut into several datagrams; its own end or the silence behind it ends it.
    public mutating func endBurst() {}

    public mutating func next() -> FramerOutput<Telegram>? {
        while outputs.isEmpty {
            let progress = message == nil ? seek() : readMessage()
            if !progress { break }
        }
        if outputs.isEmpty, isFinished { finishGap() }
        return outputs.isEmpty ? nil : outputs.removeFirst()
    }

    private mutating func finishGap() {
        if let sets = gap.takeBareLines() {
            let count = gap.count
            let offset = gap.offset
            gap = Gap(keepsBareLines: false)
            let warning = "There is no identification line: who sent this and where it begins is not certain."
            emit(identification: nil, sets: sets, warnings: [warning], offset: offset, count: count)
        } else if let output: FramerOutput<Telegram> = gap.take() {
            outputs.append(output)
        }
    }
}

// MARK: - Between messages

extension ReadoutDecoder {
    /// Gives bytes to the gap until a message starts.
    ///
    /// - Returns: whether anything changed.
    private mutating func seek() -> Bool {
        var consumed = 0
        defer { buffer.consume(consumed) }
        while let byte = buffer[consumed] {
            switch MessageStart(byte, at: consumed, in: buffer) {
            case .message(let scanner):
                message = scanner
                if let output: FramerOutput<Telegram> = gap.take() { outputs.append(output) }
                return true
            case .echo(let length):
                gap.dropBareLines()
                consumed += length
            case .incomplete where !isFinished:
                return consumed > 0
            case .incomplete, .nothing:
                if case .incomplete = Identification.match(in: buffer, at: consumed), buffer.count - consumed > 4 {
                    let count = buffer.count - consumed
                    reject(
                        WireError(.truncated, "the input ends in an identification line"),
                        offset: buffer.streamOffset + consumed, count: count)
                    consumed += count
                    return true
                }
                gap.append(byte, at: buffer.streamOffset + consumed)
                consumed += 1
                // A line that gives nothing but noise is told of while it does.
                if gap.count > Limits.readout, let output: FramerOutput<Telegram> = gap.take() {
                    outputs.append(output)
                    return true
                }
            }
        }
        return consumed > 0
    }
}

// MARK: - One message

extension ReadoutDecoder {
    /// Looks for the end of the message at the front of the buffer, and judges it.
    ///
    /// - Returns: whether anything changed.
    private mutating func readMessage() -> Bool {
        guard var scanner = message else { return false }
        // The scanner looks at each byte once; the buffer is not copied, it is lent.
        var finding = scanner.scan(buffer)
        message = scanner
        var isAtEnd = false
        if case .wait = finding, isFinished {
            isAtEnd = true
            finding = scanner.finish(buffer)
        }
        switch finding {
        case .block(let end) where end <= Limits.readout:
            judgeBlock(scanner, end: end)
        case .lines(let end) where end <= Limits.readout:
            judgeLines(scanner, end: end)
        case .noBlockEnd(let end) where end <= Limits.readout:
            judgeUncheckedBlock(scanner, end: end, isFollowedByMessage: isAtEnd || buffer[end] == UInt8(ascii: "/"))
        case .broken(let end) where end <= Limits.readout:
            refuse(faultInLines(at: end), consuming: end, at: end)
        case .wait where scanner.position <= Limits.readout:
            guard isAtEnd else { return false }
            refuse(WireError(.truncated, "the readout ends before it is complete"), consuming: buffer.count)
        default:
            refuse(
                WireError(.limit, "no end of the readout within \(Limits.readout) bytes"), consuming: scanner.position)
        }
        return true
    }

    /// What a line without an own meaning is about. P1 telegrams have four digits behind the end mark.
    private func faultInLines(at end: Int) -> WireError {
        let checksum = bytes(from: max(0, end - 5), to: end)
        if checksum.count == 5, checksum.first == UInt8(ascii: "!"), checksum.dropFirst().allSatisfy(\.isHexDigit) {
            return WireError(.unsupported, "this is a P1 telegram with a checksum: read it as protocol dsmr-p1")
        }
        return WireError(.malformed, "a character that cannot stand here in a readout")
    }

    /// STX … ETX BCC or SOH … ETX BCC.
    private mutating func judgeBlock(_ scanner: MessageScanner, end: Int) {
        guard let start = scanner.blockStart, let sent = buffer[end + 1] else { return }
        let content = bytes(from: start + 1, to: end)
        let computed = Checksum.bcc(content.rawSpan) ^ (buffer[end] ?? 0)
        guard !buffer.hasWrongParity(in: start + 1..<end), sent < 0x80 else {
            return refuse(
                WireError(.checksum, "a character with a wrong parity bit in the block"), consuming: end + 2, at: start)
        }
        guard computed == sent else {
            return refuse(
                WireError(.checksum, "the block check character is \(hex(sent)), computed \(hex(computed))"),
                consuming: end + 2, at: end + 1)
        }
        // Seven bits of check let one of 128 joined halves pass.
        guard buffer[start] == Control.soh || !content.contains(Control.stx) else {
            return refuse(
                WireError(.framing, "a readout begins inside of another one, whose end is missing"), consuming: end + 2,
                at: start)
        }
        var warnings: [String] = []
        if buffer[end] == Control.eot { warnings.append("This is a partial block: more of them follow.") }
        if scanner.noise > 0 { outputs.append(.noise(scanner.noise)) }
        if buffer[start] == Control.soh {
            emitCommand(content, scanner, warnings: warnings, count: end + 2)
        } else {
            if source == .line, let meter = scanner.identification { checkedMeter = meter }
            finishMessage(
                scanner, sets: DataSets(content), warnings: warnings, count: end + 2, told: scanner.noise)
        }
    }

    /// A command of the reader is no reading; only P0 carries something of the meter, the operand for a password.
    private mutating func emitCommand(_ content: [UInt8], _ scanner: MessageScanner, warnings: [String], count: Int) {
        let command = content.prefix(2).text
        let data = Array(content.dropFirst(2).drop { $0 == Control.stx })
        if command == "P0" {
            let warning = "This is the meter's request for a password (P0)."
            finishMessage(
                scanner, sets: DataSets(data), warnings: warnings + [warning], count: count, told: scanner.noise)
        } else {
            let warning = "This is a command of the reader (\(command)) and holds no values."
            outputs.append(.frame(Telegram(warnings: warnings + [warning])))
            endMessage(consuming: count)
        }
    }

    /// The lines of modes A and D: no check protects them, so there may be no fault in them at all.
    private mutating func judgeLines(_ scanner: MessageScanner, end: Int) {
        let sets = DataSets(bytes(from: scanner.dataStart, to: end))
        let fault = faultInLines(scanner, end: end) ?? UncheckedReadout.fault(in: sets, isFromLine: source == .line)
        if let fault {
            refuse(fault, consuming: end, at: scanner.dataStart)
        } else {
            finishMessage(scanner, sets: sets, warnings: [], count: end)
        }
    }

    private func faultInLines(_ scanner: MessageScanner, end: Int) -> WireError? {
        let hasBlocks = checkedMeter != nil && checkedMeter == scanner.identification
        if requiresBlockCheck || hasBlocks {
            return WireError(
                .framing, "the readout has no block check (STX, ETX and BCC); its beginning was lost")
        }
        // Each part for itself: a session has taken the identification apart before.
        if buffer.hasWrongParity(in: 0..<scanner.identificationLength)
            || buffer.hasWrongParity(in: scanner.dataStart..<end + 1)
        {
            return WireError(.checksum, "a character with a wrong parity bit in the readout")
        }
        // A port gives NUL for a character with a wrong parity bit.
        if (scanner.dataStart..<end).contains(where: { buffer[$0] == Control.nul || buffer[$0] == Control.delete }) {
            return WireError(.malformed, "a NUL or 7F among the data sets: a character was lost")
        }
        return nil
    }

    /// A block of which only the end line came: some recordings stop there.
    private mutating func judgeUncheckedBlock(_ scanner: MessageScanner, end: Int, isFollowedByMessage: Bool) {
        let sets = DataSets(bytes(from: scanner.dataStart, to: end))
        guard source == .recording, scanner.identification != nil, isFollowedByMessage, sets.isWellFormed else {
            return refuse(
                WireError(.truncated, "ETX and the block check character do not follow the end line"),
                consuming: end, at: end)
        }
        finishMessage(
            scanner, sets: sets, warnings: ["No block check was sent: damage would not have been noticed."], count: end)
    }

    /// - Parameter told: how many of the bytes have been told of as noise, and are not given up once more.
    private mutating func finishMessage(
        _ scanner: MessageScanner, sets: DataSets, warnings: [String], count: Int, told: Int = 0
    ) {
        emit(
            identification: scanner.identification, sets: sets, warnings: warnings, offset: buffer.streamOffset,
            count: count - told)
        endMessage(consuming: count)
    }

    private mutating func emit(
        identification: Identification?, sets: DataSets, warnings: [String], offset: Int, count: Int
    ) {
        do throws(WireError) {
            outputs.append(
                .frame(try Readout.telegram(identification: identification, sets: sets, warnings: warnings)))
        } catch {
            reject(error, offset: offset, count: count)
        }
    }

    // MARK: Giving up

    /// Gives up the message and goes on at the last identification line inside it: bytes were lost, and a new
    /// readout began before the old one ended. Only the last can still be whole, since no end came after it.
    ///
    /// - Parameters:
    ///   - count: bytes that were looked at.
    ///   - index: the byte that the error is about; the first where it is about all of them.
    private mutating func refuse(_ error: WireError, consuming count: Int, at index: Int = 0) {
        let discarded = lastIdentification(before: count) ?? count
        reject(error, offset: buffer.streamOffset + index, count: discarded)
        endMessage(consuming: discarded)
    }

    private func lastIdentification(before end: Int) -> Int? {
        for index in stride(from: end - 1, to: 0, by: -1) where buffer[index] == UInt8(ascii: "/") {
            switch Identification.match(in: buffer, at: index) {
            case .complete: return index
            case .incomplete where !isFinished: return index
            case .incomplete, .none: continue
            }
        }
        return nil
    }

    private mutating func reject(_ error: WireError, offset: Int, count: Int) {
        var error = error
        error.offset = offset
        outputs.append(.rejected(error, discarded: count))
    }

    private mutating func endMessage(consuming count: Int) {
        gap.dropBareLines()
        message = nil
        buffer.consume(count)
    }

    private func bytes(from start: Int, to end: Int) -> [UInt8] {
        buffer.characters(from: start, to: end)
    }

    private func hex(_ byte: UInt8) -> String {
        Hex.string([byte]).uppercased()
    }
}
