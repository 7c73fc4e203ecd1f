import OBIS
import Wire

/// Which check stands behind the end mark of a P1 telegram.
public enum P1Checksum: String, Sendable, Hashable, CaseIterable {
    /// CRC-16/ARC or CRC-16/X-25 where digits stand behind `!`, no check where nothing stands there.
    case auto
    /// CRC-16/ARC (DSMR 4.0, 5.2 and later). A telegram without digits is refused.
    case arc
    /// CRC-16/X-25, as some makers compute it. A telegram without digits is refused.
    case x25
    /// Digits are not looked at (DSMR 2.2 and 3.0 have none).
    case none
}

/// Cuts and decodes P1 telegrams (DSMR 5.0.2, 6.2) of all national forms:
///
///     /MMMZ… CR LF  CR LF  data sets  ! C C C C CR LF
///
/// `CCCC` is a CRC-16 in hexadecimal digits over everything from `/` to `!`, both included. A telegram that fails its
/// check is refused whole. A new identification line, wherever it stands, ends a telegram whose end was lost.
///
/// Telegrams without a check are taken as they are; parity bits of `7E1` count as a check where they arrive. On a link
/// on which a meter had a check once, `auto` refuses a telegram of the same meter without one.
public struct P1Decoder: Framer {
    public typealias Frame = Telegram

    private let checksum: P1Checksum
    private var buffer = LinkBuffer()
    private var scanner: P1Scanner?
    private var outputs: [FramerOutput<Telegram>] = []
    private var isFinished = false
    /// Bytes since the last telegram from the first one that is more than line end or filling.
    private var gap = 0
    /// The identification line of the last telegram whose check was right, and the kind of the check.
    private var known: (line: [UInt8], kind: P1Checksum)?

    public init(checksum: P1Checksum = .auto) {
        self.checksum = checksum
    }

    public var isIdle: Bool { buffer.isEmpty && gap == 0 && outputs.isEmpty }

    public mutating func append(_ bytes: [UInt8]) {
        isFinished = false
        buffer.append(bytes)
    }

    public mutating func finish() {
        isFinished = true
    }

    /// A telegram may be cut into several datagrams; its own end or the silence behind it ends it.
    public mutating func endBurst() {}

    public mutating func next() -> FramerOutput<Telegram>? {
        while outputs.isEmpty {
            let progress = scanner == nil ? seek() : readTelegram()
            if !progress { break }
        }
        if outputs.isEmpty, isFinished { endGap() }
        return outputs.isEmpty ? nil : outputs.removeFirst()
    }
}

// MARK: - Between telegrams

extension P1Decoder {
    /// Gives bytes to the gap until one could begin a telegram.
    ///
    /// - Returns: whether anything changed.
    private mutating func seek() -> Bool {
        var consumed = 0
        while let byte = buffer[consumed], Parity.stripped(byte) != UInt8(ascii: "/") {
            consumed += 1
            skip(byte)
        }
        buffer.consume(consumed)
        if !buffer.isEmpty { scanner = P1Scanner() }
        return consumed > 0 || scanner != nil
    }

    private mutating func skip(_ byte: UInt8) {
        if gap > 0 || !Parity.stripped(byte).isFiller { gap += 1 }
        // A line that gives nothing but noise is told of while it does.
        if gap >= Limits.p1Telegram { endGap() }
    }

    private mutating func endGap() {
        if gap > 0 { outputs.append(.noise(gap)) }
        gap = 0
    }
}

// MARK: - One telegram

extension P1Decoder {
    /// Looks for the end of the telegram at the front of the buffer, and judges it.
    ///
    /// - Returns: whether anything changed.
    private mutating func readTelegram() -> Bool {
        guard var scanner else { return false }
        // The scanner looks at each byte once; the buffer is not copied, it is lent.
        var finding = scanner.scan(buffer)
        self.scanner = scanner
        if case .wait = finding {
            guard isFinished else { return false }
            finding = scanner.finish()
        }
        switch finding {
        case .noTelegram:
            let byte = buffer[0]
            end(consuming: 1)
            if let byte { skip(byte) }
        case .end(let mark, let sent, let end):
            endGap()
            judge(scanner, mark: mark, sent: sent, end: end)
            self.end(consuming: end)
        case .interrupted(let index):
            refuse(WireError(.truncated, "a new telegram begins before this one ends"), consuming: index)
        case .broken(let error, let index):
            refuse(error, consuming: index)
        case .wait:
            refuse(WireError(.truncated, "the telegram ends before it is complete"), consuming: buffer.count)
        }
        return true
    }

    /// - Parameters:
    ///   - mark: the index of `!`.
    ///   - sent: the check behind it; nil where there is none.
    ///   - end: the index behind all of it.
    private mutating func judge(_ scanner: P1Scanner, mark: Int, sent: UInt16?, end: Int) {
        do throws(WireError) {
            let raw = bytes(from: 0, to: mark + 1)
            let line = Array(raw.prefix(scanner.identificationLength))
            var warnings: [String] = []
            var content = raw
            if let sent, checksum != .none {
                let isShort = buffer[end - 1].map { Parity.stripped($0).isLineEnd } ?? false
                warnings += try verify(raw, line: line, sent: sent, isShort: isShort)
            } else {
                content = try unchecked(raw, line: line)
            }
            if end == mark + 1, checksum == .auto {
                warnings.append("The input ends at the mark !: a check behind it may have been lost.")
            }
            let telegram = try P1Content.telegram(
                content, identificationLength: scanner.identificationLength,
                lacksCheck: sent == nil && checksum == .auto, warnings: warnings)
            outputs.append(.frame(telegram))
        } catch {
            reject(error, count: end)
        }
    }

    /// - Parameter isShort: whether the check has fewer than four digits: right where those in front are zeros.
    /// - Returns: warnings about what was sent otherwise than the meter sent it.
    private mutating func verify(
        _ raw: [UInt8], line: [UInt8], sent: UInt16, isShort: Bool
    ) throws(WireError) -> [String] {
        let expected = known?.line == line && checksum == .auto ? known?.kind : nil
        let check = P1Check(raw)
        guard let kind = check.kind(of: sent, allowing: expected ?? checksum) else {
            // What was taken for this meter's kind was chance.
            if check.kind(of: sent, allowing: checksum) != nil { known = nil }
            guard !isShort else {
                throw WireError(.malformed, "neither four digits nor a line end behind the mark !", offset: raw.count)
            }
            throw check.error(for: sent, as: expected ?? checksum, at: raw.count)
        }
        known = (line, kind)
        return check.hasRestoredLineEnds
            ? ["Line ends were LF and not CR LF: something on the way changes characters."] : []
    }

    /// What is under no check but that of parity bits.
    private func unchecked(_ raw: [UInt8], line: [UInt8]) throws(WireError) -> [UInt8] {
        if checksum == .arc || checksum == .x25 {
            throw WireError(.checksum, "no check stands behind the mark !", offset: raw.count - 1)
        }
        if checksum == .auto, let known, known.line == line {
            throw WireError(.checksum, "this meter sends a check, and none stands here", offset: raw.count - 1)
        }
        guard raw.contains(where: { $0 >= 0x80 }) else { return raw }
        guard let damaged = raw.firstIndex(where: { !$0.nonzeroBitCount.isMultiple(of: 2) }) else {
            return raw.map(Parity.stripped)
        }
        throw WireError(.checksum, "a character with a wrong parity bit", offset: damaged)
    }

    // MARK: Giving up

    private mutating func refuse(_ error: WireError, consuming count: Int) {
        endGap()
        reject(error, count: count)
        end(consuming: count)
    }

    private mutating func reject(_ error: WireError, count: Int) {
        var error = error
        error.offset = buffer.streamOffset + (error.offset ?? 0)
        outputs.append(.rejected(error, discarded: count))
    }

    private mutating func end(consuming count: Int) {
        scanner = nil
        buffer.consume(count)
    }

    private func bytes(from start: Int, to end: Int) -> [UInt8] {
        let end = min(end, buffer.count)
        return start < end ? buffer.bytes.extracting(start..<end).array : []
    }
}
