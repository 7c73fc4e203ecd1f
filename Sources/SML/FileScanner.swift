import Wire

/// Finds where SML files begin and end in bytes that stand still until they are taken (SML 1.04, transport
/// protocol, version 1).
///
///     1B1B1B1B 01010101 | messages, filled up with 00 | 1B1B1B1B 1A, fill bytes 1, checksum 2
///
/// `1B1B1B1B` inside of the messages is sent twice. So a run of `1B` in a whole file has 0 to 3 bytes beyond a multiple
/// of eight where it is content, and 4 where an escape sequence closes it. No byte is looked at twice.
struct FileScanner {
    static let escape: UInt8 = 0x1B
    static let startLength = 8
    static let endLength = 8

    enum Finding: Equatable {
        /// A start sequence that nothing else can be, at this place.
        case start(at: Int)
        /// An end sequence closes the file after so many bytes.
        case end(length: Int)
        /// The file is longer than `Limits.smlFile`.
        case overlong
        case needsMore
    }

    /// Whether the first byte is the first of a file.
    private(set) var isInFile = false
    /// Whether something is sent twice.
    private(set) var hasLiterals = false
    /// A start sequence that is content if the file around it is whole, and a start if that broke off inside of an
    /// escape sequence. The last one.
    private(set) var innerStart: Int?
    /// Bytes that were looked at.
    private var scanned = 0
    /// Bytes `1B` in front of the next one to look at.
    private var run = 0

    /// Goes on where it stopped.
    mutating func scan(_ bytes: RawSpan) -> Finding {
        let end = isInFile ? min(bytes.byteCount, Limits.smlFile) : bytes.byteCount
        while scanned < end {
            if run == 0 {
                scanned = bytes.place(of: Self.escape, from: scanned, to: end)
                guard scanned < end else { break }
            }
            if bytes[byte: scanned] == Self.escape {
                run += 1
            } else if run > 0 {
                if run >= 4, let finding = escapeSequence(bytes) { return finding }
                if run >= 8 { hasLiterals = true }
                run = 0
            }
            scanned += 1
        }
        return isInFile && scanned >= Limits.smlFile ? .overlong : .needsMore
    }

    /// What the run of `1B` means with the bytes behind it; nil for content.
    private mutating func escapeSequence(_ bytes: RawSpan) -> Finding? {
        let isEscape = run % 8 >= 4
        let available = bytes.byteCount - scanned
        switch bytes[byte: scanned] {
        case 0x01:
            var ones = 1
            while ones < min(4, available), bytes[byte: scanned + ones] == 0x01 { ones += 1 }
            if ones < 4 { return ones == available ? .needsMore : nil }
            if isEscape || !isInFile { return .start(at: scanned - 4) }
            innerStart = scanned - 4
            return nil
        case 0x1A where isEscape && isInFile:
            return available < 4 ? .needsMore : .end(length: scanned + 4)
        default: return nil
        }
    }

    /// The last of the bytes that were looked at, if a start sequence may begin with them.
    var possibleStart: Int { min(run, 4) }

    /// All others that were looked at.
    var noise: Int { scanned - possibleStart }

    // MARK: Taking

    /// The bytes in front of a start sequence were taken: a file begins with the first byte.
    mutating func beginFile() {
        self = FileScanner()
        isInFile = true
        scanned = Self.startLength
    }

    /// The bytes in front of `innerStart` were taken: that is where the file begins. What was looked at stays so.
    mutating func beginInnerFile() {
        guard let start = innerStart else { return }
        scanned -= start
        innerStart = nil
    }

    /// All bytes were taken but the last `rest` of those looked at, which are `1B` alone.
    mutating func leaveFile(rest: Int = 0) {
        self = FileScanner()
        scanned = rest
        run = rest
    }

    /// What was sent twice, once.
    static func withoutDoubles(_ body: RawSpan) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(body.byteCount)
        var run = 0
        for index in 0..<body.byteCount {
            let byte = body[byte: index]
            run = byte == escape ? run + 1 : 0
            // The second four of eight.
            if run > 4 {
                if run == 8 { run = 0 }
                continue
            }
            result.append(byte)
        }
        return result
    }
}
