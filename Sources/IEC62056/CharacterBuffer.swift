import Wire

/// Bytes as they came, read as characters: without their parity bits. See `Parity`.
struct CharacterBuffer: Sendable {
    private var buffer = LinkBuffer()

    var count: Int { buffer.count }
    var isEmpty: Bool { buffer.isEmpty }
    /// Bytes consumed so far: the stream offset of the first waiting one.
    var streamOffset: Int { buffer.streamOffset }

    /// The waiting bytes with their parity bits.
    var bytes: [UInt8] { buffer.bytes.array }

    /// The waiting character at `index`; nil behind the end. From `80` on it is a damaged one.
    subscript(index: Int) -> UInt8? { buffer[index].map(Parity.stripped) }

    mutating func append(_ bytes: [UInt8]) {
        buffer.append(bytes)
    }

    mutating func consume(_ count: Int) {
        buffer.consume(count)
    }

    /// A copy of the waiting characters from `start` to `end`.
    func characters(from start: Int, to end: Int) -> [UInt8] {
        guard start >= 0, start < min(end, buffer.count) else { return [] }
        let bytes = buffer.bytes.extracting(start..<min(end, buffer.count)).array
        return Self.carriesParity(bytes) ? bytes.map(Parity.stripped) : bytes
    }

    /// The first index from `start` on of a character that is no text: a control character but for line ends, `!`, and
    /// whatever has a parity bit; at most `limit`.
    func endOfText(from start: Int, limit: Int) -> Int {
        let bytes = buffer.bytes
        let end = min(limit, bytes.byteCount)
        var index = start
        while index < end {
            let byte = bytes[byte: index]
            guard byte < 0x80, byte > UInt8(ascii: "!") || byte == 0x20 || byte.isLineEnd else { break }
            index += 1
        }
        return index
    }

    /// Whether one of these characters is damaged by its parity. Where no byte has bit 7 set, the port took the
    /// parity bits away and nothing can be said; where one has, all of them must be even.
    func hasWrongParity(in range: Range<Int>) -> Bool {
        let range = range.clamped(to: 0..<buffer.count)
        let bytes = buffer.bytes.extracting(range).array
        return Self.carriesParity(bytes) && bytes.contains { !$0.nonzeroBitCount.isMultiple(of: 2) }
    }

    private static func carriesParity(_ bytes: [UInt8]) -> Bool {
        var all: UInt8 = 0
        for byte in bytes { all |= byte }
        return all >= 0x80
    }
}
