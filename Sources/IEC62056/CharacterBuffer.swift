import Wire

/// Bytes as they came, read as characters: without their parity bits. See `Parity`.
struct CharacterBuffer: Sendable {
    private var buffer = LinkBuffer()

    var count: Int { buffer.count }
    var isEmpty: Bool { buffer.isEmpty }
    /// Bytes consumed so far: the stream offset of the first waiting one.
    var streamOffset: Int { buffer.streamOffset }

    /// The waiting bytes with their parity bits.
    var bytes: [UInt8] { (0..<buffer.count).compactMap { buffer[$0] } }

    /// The waiting character at `index`; nil behind the end. From `80` on it is a damaged one.
    subscript(index: Int) -> UInt8? { buffer[index].map(Parity.stripped) }

    mutating func append(_ bytes: [UInt8]) {
        buffer.append(bytes)
    }

    mutating func consume(_ count: Int) {
        buffer.consume(count)
    }

    /// Whether one of these characters is damaged by its parity. Where no byte has bit 7 set, the port took the
    /// parity bits away and nothing can be said; where one has, all of them must be even.
    func hasWrongParity(in range: Range<Int>) -> Bool {
        var carriesParity = false
        var hasOdd = false
        for index in range {
            guard let byte = buffer[index] else { break }
            if byte >= 0x80 { carriesParity = true }
            if !byte.nonzeroBitCount.isMultiple(of: 2) { hasOdd = true }
        }
        return carriesParity && hasOdd
    }
}
