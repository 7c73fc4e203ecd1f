import OBIS
import Wire

/// Cuts and decodes SML files of transport protocol version 1: what German meters push on their optical interface.
///
///     1B1B1B1B 01010101 | messages, filled up with 00 | 1B1B1B1B 1A, fill bytes 1, checksum 2
///
/// Each list response with a right checksum, in a file with a right checksum, is one telegram. A file without a list
/// response is nothing that is told of: it is neither a telegram nor noise. See `FileScanner` for how files are found,
/// `Messages` for what stands in them and `Quirks` for what certain meters do otherwise.
public struct SMLDecoder: Framer {
    public typealias Frame = Telegram

    private var buffer = LinkBuffer()
    private var scanner = FileScanner()
    /// What the last file gave and was not told yet, from its end.
    private var findings: [FramerOutput<Telegram>] = []
    private var isFinishing = false

    /// A decoder that knows of no bytes yet.
    public init() {}

    public var isIdle: Bool { buffer.isEmpty && findings.isEmpty }

    public mutating func append(_ bytes: [UInt8]) {
        buffer.append(bytes)
    }

    public mutating func finish() {
        isFinishing = true
    }

    /// A file may be cut into several datagrams. The next start sequence ends what broke off, and so does silence.
    public mutating func endBurst() {}

    public mutating func next() -> FramerOutput<Telegram>? {
        while true {
            if let finding = findings.popLast() { return finding }
            switch scan() {
            case .start(let offset):
                if let output = begin(at: offset) { return output }
            case .end(let length):
                if let output = close(length: length) { return output }
            case .overlong:
                return overlong()
            case .needsMore:
                return rest()
            }
        }
    }

    private mutating func scan() -> FileScanner.Finding {
        // A copy: the bytes are lent by this decoder, which may not change meanwhile.
        var scanner = scanner
        let finding = scanner.scan(buffer.bytes)
        self.scanner = scanner
        return finding
    }

    // MARK: Files

    private mutating func begin(at offset: Int) -> FramerOutput<Telegram>? {
        let isCut = scanner.isInFile
        let streamOffset = buffer.streamOffset
        buffer.consume(offset)
        scanner.beginFile()
        guard isCut else { return offset > 0 ? .noise(offset) : nil }
        let text = "another SML file begins \(offset) bytes behind the start of one"
        return .rejected(WireError(.truncated, text, offset: streamOffset), discarded: offset)
    }

    /// An end sequence closes the file, or the one that began inside of what broke off.
    private mutating func close(length: Int) -> FramerOutput<Telegram>? {
        guard let findings = Self.findings(in: buffer, length: length, hasLiterals: scanner.hasLiterals) else {
            return innerFile() ?? damagedFile(length: length)
        }
        self.findings = findings.count > 1 ? findings.reversed() : findings
        buffer.consume(length)
        scanner.leaveFile()
        return nil
    }

    /// - Returns: what stands in the file at the start of the buffer; nil where its checksum is wrong.
    private static func findings(
        in buffer: borrowing LinkBuffer, length: Int, hasLiterals: Bool
    ) -> [FramerOutput<Telegram>]? {
        let file = buffer.bytes.extracting(0..<length)
        let content = file.extracting(0..<(length - 2))
        let sent = UInt16(file[byte: length - 2]) | UInt16(file[byte: length - 1]) << 8
        let isX25 = sent == Checksum.x25(content)
        guard isX25 || sent == Checksum.kermit(content) else { return nil }

        let body = file.extracting(FileScanner.startLength..<(length - FileScanner.endLength))
        let origin = buffer.streamOffset + FileScanner.startLength
        let messages =
            hasLiterals
            ? Messages(FileScanner.withoutDoubles(body).rawSpan, origin: origin) : Messages(body, origin: origin)
        return isX25 || messages.mayUseKermit ? messages.findings : nil
    }

    /// Goes on with the start sequence that would have been content of a whole file.
    private mutating func innerFile() -> FramerOutput<Telegram>? {
        guard let offset = scanner.innerStart else { return nil }
        let error = WireError(.truncated, "an SML file broke off", offset: buffer.streamOffset)
        buffer.consume(offset)
        scanner.beginInnerFile()
        return .rejected(error, discarded: offset)
    }

    /// If the checksum itself was lost, the first bytes of the next file stand in its place. They are kept.
    private mutating func damagedFile(length: Int) -> FramerOutput<Telegram> {
        let error = WireError(.checksum, "the checksum of an SML file is wrong", offset: buffer.streamOffset)
        var rest = 0
        while rest < 3, buffer[length - 1 - rest] == FileScanner.escape { rest += 1 }
        buffer.consume(length - rest)
        scanner.leaveFile(rest: rest)
        return .rejected(error, discarded: length - rest)
    }

    private mutating func overlong() -> FramerOutput<Telegram> {
        if let output = innerFile() { return output }
        let error = WireError(
            .limit, "an SML file of more than \(Limits.smlFile) bytes", offset: buffer.streamOffset)
        return .rejected(error, discarded: giveUp())
    }

    // MARK: Between files

    /// All that waits is looked at, and nothing whole is in it.
    private mutating func rest() -> FramerOutput<Telegram>? {
        if isFinishing { return finishRest() }
        guard !scanner.isInFile, scanner.noise > 0 else { return nil }
        return .noise(giveUp())
    }

    private mutating func finishRest() -> FramerOutput<Telegram>? {
        isFinishing = false
        guard !buffer.isEmpty else { return nil }
        let error = WireError(.truncated, "an SML file ends after \(buffer.count) bytes", offset: buffer.streamOffset)
        let count = buffer.count
        buffer.consume(count)
        defer { scanner.leaveFile() }
        return scanner.isInFile ? .rejected(error, discarded: count) : .noise(count)
    }

    /// What was looked at is given up, but for what may be the beginning of a start sequence.
    private mutating func giveUp() -> Int {
        let count = scanner.noise
        let rest = scanner.possibleStart
        buffer.consume(count)
        scanner.leaveFile(rest: rest)
        return count
    }
}
