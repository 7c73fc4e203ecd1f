import TestSupport
import Testing
import Wire

@Suite("WireReader")
struct WireReaderTests {
    private static let bytes: [UInt8] = [0x81, 0x02, 0x03, 0x84, 0x05, 0x06, 0x07, 0x08, 0xF9]

    /// The number that the bytes from `offset` on are; nil where they end too early.
    private static func bigEndian(_ bytes: [UInt8], at offset: Int, count: Int) -> UInt64? {
        guard offset + count <= bytes.count else { return nil }
        return bytes[offset..<(offset + count)].reduce(0) { $0 << 8 | UInt64($1) }
    }

    private enum Size: Int, CaseIterable {
        case one = 1
        case two = 2
        case four = 4
        case eight = 8
    }

    private static func read(_ size: Size, _ reader: inout WireReader) throws(WireError) -> UInt64 {
        switch size {
        case .one: UInt64(try reader.uint8())
        case .two: UInt64(try reader.uint16())
        case .four: UInt64(try reader.uint32())
        case .eight: try reader.uint64()
        }
    }

    @Test("numbers at every offset of every length are read whole, or not at all", arguments: 0...9)
    func numbers(length: Int) {
        let bytes = Array(Self.bytes.prefix(length))
        for offset in 0...length {
            for size in Size.allCases {
                var reader = WireReader(bytes.rawSpan).rewound(to: offset)
                let expected = Self.bigEndian(bytes, at: offset, count: size.rawValue)
                do throws(WireError) {
                    let number = try Self.read(size, &reader)
                    let position = reader.offset
                    #expect(number == expected)
                    #expect(position == offset + size.rawValue)
                } catch {
                    let position = reader.offset
                    #expect(expected == nil)
                    #expect(error.code == .truncated)
                    #expect(error.offset == offset)
                    #expect(position == offset, "a failed read moves nothing")
                }
            }
        }
    }

    @Test("numbers of any width are read in both orders, or not at all", arguments: 0...9)
    func anyWidth(length: Int) {
        // Nine bytes and eight more: words are loaded far from the end, single bytes near it.
        for rest in [0, 8] {
            let bytes = Array(Self.bytes.prefix(length)) + Array(repeating: 0xAA, count: rest)
            for (offset, count) in (0...bytes.count).flatMap({ offset in (0...8).map { (offset, $0) } }) {
                let expected = Self.bigEndian(bytes, at: offset, count: count)
                let reversed = offset + count <= bytes.count ? Array(bytes[offset..<(offset + count)].reversed()) : []
                for isReversed in [true, false] {
                    var reader = WireReader(bytes.rawSpan).rewound(to: offset)
                    let number = try? reader.number(count, isReversed: isReversed)
                    let position = reader.offset
                    #expect(number == (isReversed ? expected : Self.bigEndian(reversed, at: 0, count: count)))
                    #expect(position == (expected == nil ? offset : offset + count))
                }
            }
        }
    }

    @Test("a byte is found at its first place within bounds")
    func place() {
        var random = SeededGenerator(seed: 12)
        for _ in 0..<2000 {
            // Neighbours of the byte that is sought carry and borrow.
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                ([0x1A, 0x1B, 0x1C, 0x00, 0x9B, 0xFF] as [UInt8]).randomElement(using: &random) ?? 0
            }
            let start = Int.random(in: 0...bytes.count, using: &random)
            let end = Int.random(in: start...bytes.count, using: &random)
            let expected = bytes[start..<end].firstIndex(of: 0x1B) ?? end
            #expect(bytes.rawSpan.place(of: 0x1B, from: start, to: end) == expected)
        }
    }

    @Test("a signed byte is signed")
    func signed() throws {
        var reader = WireReader(Self.bytes.rawSpan)
        let first = try reader.int8()
        let second = try reader.int8()
        #expect(first == -127)
        #expect(second == 2)
    }

    @Test("runs of bytes of every length from every offset stay inside", arguments: 0...9)
    func runs(offset: Int) {
        let counts = [Int.min, -1] + Array(0...10) + [Int.max - 1, Int.max]
        for count in counts {
            let isInside = count >= 0 && count <= Self.bytes.count - offset
            var skipping = WireReader(Self.bytes.rawSpan).rewound(to: offset)
            var copying = skipping
            var taking = skipping
            let skipped: Void? = try? skipping.skip(count)
            let copied = try? copying.bytes(count)
            var taken: [UInt8]?
            if let view = try? taking.take(count) { taken = view.array }
            let expected = isInside ? Array(Self.bytes[offset..<(offset + count)]) : nil
            let positions = [skipping.offset, copying.offset, taking.offset]
            #expect((skipped != nil) == isInside)
            #expect(copied == expected)
            #expect(taken == expected)
            #expect(positions == Array(repeating: isInside ? offset + count : offset, count: 3))
        }
    }

    @Test("looking ahead never leaves the bytes")
    func peeking() {
        for offset in 0...9 {
            let reader = WireReader(Self.bytes.rawSpan).rewound(to: offset)
            for distance in [Int.min, -1, 0, 1, 5, 8, 9, 10, .max] {
                let seen = reader.peek(ahead: distance)
                let expected = distance >= 0 && distance < 9 - offset ? Self.bytes[offset + distance] : nil
                #expect(seen == expected)
            }
            let seen = reader.peek()
            #expect(seen == (offset < 9 ? Self.bytes[offset] : nil))
        }
    }

    @Test(
        "rewinding stops at both ends", arguments: [(Int.min, 0), (-1, 0), (0, 0), (4, 4), (9, 9), (10, 9), (.max, 9)])
    func rewinding(to target: Int, expected: Int) {
        let reader = WireReader(Self.bytes.rawSpan).rewound(to: target)
        let (offset, remaining, isAtEnd) = (reader.offset, reader.remaining, reader.isAtEnd)
        #expect(offset == expected)
        #expect(remaining == 9 - expected)
        #expect(isAtEnd == (expected == 9))
    }

    @Test("nothing at all is at its end")
    func empty() {
        let bytes: [UInt8] = []
        var reader = WireReader(bytes.rawSpan)
        let isAtEnd = reader.isAtEnd
        let none = try? reader.bytes(0)
        let seen = reader.peek()
        #expect(isAtEnd)
        #expect(none == [])
        #expect(seen == nil)
    }
}
