import Wire

/// What the bytes of a line tell of its settings, whatever they mean.
struct LineEvidence: Sendable, Hashable {
    private(set) var count = 0
    private var withHighBit = 0
    private var withOddParity = 0
    private var zeros = 0
    private var levelChanges = 0
    private var readable = 0
    private var readableInverted = 0

    mutating func add(_ bytes: [UInt8]) {
        for byte in bytes {
            count += 1
            if byte >= 0x80 { withHighBit += 1 }
            if !byte.nonzeroBitCount.isMultiple(of: 2) { withOddParity += 1 }
            if byte == 0 { zeros += 1 }
            levelChanges += Self.levelChanges(in: byte)
            if Self.isReadable(byte) { readable += 1 }
            if Self.isReadable(~byte) { readableInverted += 1 }
        }
    }

    /// Of a character on the line: start bit, eight bits from the lowest one, stop bit.
    private static func levelChanges(in byte: UInt8) -> Int {
        let bits = UInt16(byte) << 1 | 0x200
        return ((bits ^ (bits >> 1)) & 0x1FF).nonzeroBitCount
    }

    private static func isReadable(_ byte: UInt8) -> Bool {
        (0x20...0x7E).contains(byte) || byte == 0x0D || byte == 0x0A
    }

    // MARK: Judgement

    private var isEnough: Bool { count >= 16 }

    /// The parity of what looks like seven data bits and a parity bit, heard as eight data bits without one. Nil where it
    /// does not: of other bytes, half have a wrong parity.
    var sevenBitParity: LineSettings.Parity? {
        guard isEnough, withHighBit * 10 >= count else { return nil }
        if withOddParity * 50 <= count { return .even }
        return (count - withOddParity) * 50 <= count ? .odd : nil
    }

    /// Whether the sender is slower than the line on which it was heard: each of its bits is several of the receiver's.
    var isSlowerSender: Bool { isEnough && levelChanges * 10 < count * 25 }

    /// A port that checks parity gives a 0 for each character whose parity is wrong.
    var hasParityErrors: Bool { isEnough && zeros * 4 >= count }

    var looksInverted: Bool { isEnough && readableInverted * 10 >= count * 9 && readable * 2 < count }
}

extension LineSettings {
    /// The line on which a probe hears this one: seven data bits and a parity bit as eight data bits, since these take the
    /// same time and then tell their parity.
    var heardAs: LineSettings {
        guard dataBits == 7, parity != .none else { return self }
        return LineSettings(baud: baud, dataBits: 8, parity: .none, stopBits: stopBits)
    }

    /// This line, as one of seven data bits where the bytes look like it.
    func corrected(by evidence: LineEvidence) -> LineSettings {
        guard dataBits == 8, parity == .none, let found = evidence.sevenBitParity else { return self }
        return LineSettings(baud: baud, dataBits: 7, parity: found, stopBits: stopBits)
    }
}
