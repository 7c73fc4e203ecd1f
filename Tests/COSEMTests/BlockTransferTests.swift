import COSEM
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Block transfer")
struct BlockTransferTests {
    private static let message = Sample.notification(
        "02 04 09 06 01 00 01 08 00 FF 06 00 12 D6 87 09 06 01 00 02 08 00 FF 06 00 01 5B B4")
    private static let blocks = Sample.blocks(message, count: 4)
    private static let telegram = Sample.decode(blocks).telegrams

    private static func decode(_ order: [Int]) -> Sample.Result {
        Sample.decode(order.map { blocks[$0 - 1] })
    }

    @Test("a message may have any number of blocks", arguments: [1, 2, 3, 4, 10, message.count])
    func counts(count: Int) throws {
        #expect(try #require(Self.telegram.first).registers.map(\.value) == [.number(1_234_567), .number(89_012)])
        let result = Sample.decode(Sample.blocks(Self.message, count: count))
        #expect(result.telegrams == Self.telegram)
        #expect(result.errors == [])
    }

    @Test(
        "an exact repetition is ignored",
        arguments: [[1, 1, 2, 3, 4], [1, 2, 2, 3, 4], [1, 2, 3, 3, 4], [1, 1, 1, 2, 2, 3, 3, 3, 4]])
    func repeated(order: [Int]) {
        let result = Self.decode(order)
        #expect(result.telegrams == Self.telegram)
        #expect(result.errors == [])
    }

    @Test("the last block sent twice is no error and no second telegram")
    func lastBlockRepeated() {
        let result = Self.decode([1, 2, 3, 4, 4])
        #expect(result.telegrams == Self.telegram)
        #expect(result.errors == [])
        let again = Self.decode([1, 2, 3, 4, 4, 1, 2, 3, 4])
        #expect(again.telegrams == Self.telegram + Self.telegram)
        #expect(again.errors == [])
    }

    @Test(
        "a lost or misplaced block drops the message, and the next message is read",
        arguments: [
            [2, 3, 4], [1, 3, 4], [1, 2, 4], [3], [4], [2], [1, 4], [1, 3, 2, 4], [2, 1, 3, 4], [1, 2, 2, 4, 3],
            [4, 3, 2, 1], [1, 4, 3, 2], [1, 2, 1, 4], [1, 2, 3, 2, 4], [1, 3, 1, 3],
        ])
    func dropped(order: [Int]) {
        let result = Self.decode(order)
        #expect(result.telegrams == [])
        #expect(!result.errors.isEmpty)
        #expect(result.codes.allSatisfy { $0 == .framing || $0 == .truncated })
        let followed = Self.decode(order + [1, 2, 3, 4])
        #expect(followed.telegrams == Self.telegram)
    }

    @Test("a gap is reported once", arguments: [[1, 3, 4], [2, 3, 4], [1, 4], [3, 4]])
    func oneReport(order: [Int]) {
        #expect(Self.decode(order).codes == [.framing])
    }

    @Test("a damaged block is one damage, however many blocks its message has", arguments: 0..<4)
    func damaged(place: Int) {
        var chunks = Self.blocks
        chunks[place][chunks[place].count - 5] ^= 0x10
        let result = Sample.decode(chunks + Self.blocks)
        #expect(result.telegrams == Self.telegram)
        // Where the first one is damaged, nothing says that the others belong to it.
        #expect(result.codes == (place == 0 ? [.checksum, .framing] : [.checksum]))
    }

    @Test("a first block begins anew, and the message before it is reported")
    func restart() {
        let other = Sample.blocks(Sample.notification("02 01 06 00000001"), count: 3)
        let result = Sample.decode([other[0], other[1]] + Self.blocks)
        #expect(result.telegrams == Self.telegram)
        #expect(result.codes == [.truncated])
    }

    @Test("a message that ends in the middle is reported when the line falls silent")
    func silence() {
        for count in 1..<4 {
            var decoder = PushDecoder()
            decoder.append(Self.blocks.prefix(count).flatMap { $0 })
            while decoder.next() != nil {}
            #expect(!decoder.isIdle)
            decoder.finish()
            guard case .rejected(let error, _)? = decoder.next() else {
                Issue.record("nothing was reported")
                continue
            }
            #expect(error.code == .truncated)
            #expect(decoder.next() == nil)
            #expect(decoder.isIdle)
        }
    }

    @Test("the rest of a message does not join a new one after the silence")
    func noMixture() {
        for count in 1..<4 {
            var decoder = PushDecoder()
            decoder.append(Self.blocks.prefix(count).flatMap { $0 })
            while decoder.next() != nil {}
            decoder.finish()
            while decoder.next() != nil {}
            decoder.append(Self.blocks.dropFirst(count).flatMap { $0 })
            var codes: [WireError.Code] = []
            while let output = decoder.next() {
                if case .rejected(let error, _) = output { codes.append(error.code) }
                if case .frame = output { Issue.record("a telegram out of two halves") }
            }
            #expect(codes == [.framing])
        }
    }

    @Test("any order of blocks gives the message or nothing")
    func randomOrders() {
        var random = SeededGenerator(seed: 40)
        for _ in 0..<1000 {
            let order = (0..<Int.random(in: 1...9, using: &random)).map { _ in Int.random(in: 1...4, using: &random) }
            let result = Self.decode(order)
            #expect(result.telegrams.allSatisfy { [$0] == Self.telegram }, "\(order)")
            #expect(Self.decode(order + [1, 2, 3, 4]).telegrams.last == Self.telegram.first, "\(order)")
        }
    }

    @Test("a repeated number with other data is a gap")
    func sameNumberOtherData() {
        let other = Sample.frame(Sample.block(2, isLast: false, [1, 2, 3]))
        let result = Sample.decode([Self.blocks[0], Self.blocks[1], other, Self.blocks[2], Self.blocks[3]])
        #expect(result.telegrams == [])
        #expect(result.codes == [.framing])
    }

    @Test("another message between the blocks ends the transfer")
    func interrupted() {
        let result = Sample.decode([Self.blocks[0], Sample.bareValues, Self.blocks[1], Self.blocks[2], Self.blocks[3]])
        #expect(result.telegrams.count == 1)
        #expect(result.codes == [.truncated, .framing])
    }

    @Test("block 0 and blocks without data are no way around the rules")
    func oddBlocks() {
        #expect(
            Sample.decode(Sample.frame(Sample.header + Sample.block(0, isLast: true, Self.message))).telegrams == [])
        #expect(Sample.decode(Sample.frame(Sample.header + Sample.block(0, isLast: false, []))).telegrams == [])
        let empty = Sample.frame(Sample.header + Sample.block(1, isLast: true, []))
        #expect(Sample.decode(empty).telegrams == [])
        let padded = [1, 2, 3].map { Sample.frame(Sample.block($0, isLast: false, $0 == 1 ? Self.message : [])) }
        let last = Sample.frame(Sample.block(4, isLast: true, []))
        #expect(Sample.decode(padded + [last]).telegrams == Self.telegram)
    }

    @Test("a message longer than the limit is dropped, and the next one is read")
    func tooLong() {
        let data = Array(repeating: UInt8(0), count: 1900)
        let blocks = (1...40).map { Sample.frame(Sample.block($0, isLast: $0 == 40, data)) }
        let result = Sample.decode(blocks + Self.blocks)
        #expect(result.codes == [.limit])
        #expect(result.telegrams == Self.telegram)
    }

    @Test("a block whose length is wrong is refused")
    func lengths() {
        for length in [[0x05], [0x82, 0x40, 0x00], [0x84, 0xFF, 0xFF, 0xFF, 0xFF], [0x80], [0x85, 0, 0, 0, 0, 0]]
            as [[UInt8]]
        {
            let bytes = Sample.header + [0xE0, 0xC0, 0, 1, 0, 0] + length + [1, 2, 3]
            let result = Sample.decode(Sample.frame(bytes))
            #expect(result.telegrams == [])
            #expect(result.errors.count == 1)
        }
    }

    @Test(
        "a transfer inside of a transfer is refused, with a header in front or not",
        arguments: [[], Sample.header] as [[UInt8]])
    func nested(header: [UInt8]) {
        let inner = header + Sample.block(1, isLast: true, Self.message)
        let outer = Sample.header + Sample.block(1, isLast: true, inner)
        let result = Sample.decode(Sample.frame(outer))
        #expect(result.telegrams == [])
        #expect(result.codes == [.malformed])
    }

    @Test("transfers inside of each other to any depth are refused and no trap")
    func deeplyNested() {
        var message = Self.message
        while message.count < Limits.apdu - 20 { message = Sample.header + Sample.block(1, isLast: true, message) }
        let result = Sample.decode(message)
        #expect(result.telegrams == [])
        #expect(!result.errors.isEmpty)
        #expect(Sample.decode(Sample.wrapper(message)).telegrams == [])
    }

    @Test("a block number that runs over begins nothing new")
    func numberOverflow() {
        let blocks = (1...65_535).map { Sample.frame(Sample.block(UInt16($0), isLast: false, [])) }
        let behind = [0, 1, 2].map { Sample.frame(Sample.block($0, isLast: $0 == 2, $0 == 0 ? Self.message : [])) }
        var decoder = PushDecoder()
        var telegrams = 0
        for frame in blocks.suffix(3) + behind {
            decoder.append(frame)
            while let output = decoder.next() { if case .frame = output { telegrams += 1 } }
        }
        #expect(telegrams == 0)
    }
}

@Suite("HDLC segmentation")
struct SegmentationTests {
    private static let message = Sample.notification("02 02 09 06 01 00 01 08 00 FF 06 00 12 D6 87")
    private static let telegram = Sample.decode(Sample.frame(Sample.header + message)).telegrams

    /// The message in `count` frames of which only the first has a header.
    private static func segments(_ count: Int) -> [[UInt8]] {
        let whole = Sample.header + message
        let size = (whole.count + count - 1) / count
        return (0..<count).map { index in
            Sample.frame(Array(whole.dropFirst(index * size).prefix(size)), isSegmented: index < count - 1)
        }
    }

    @Test("segments are put together", arguments: [1, 2, 3, 5])
    func whole(count: Int) {
        let segments = Self.segments(count)
        #expect(Self.telegram.first?.registers.map(\.value) == [.number(1_234_567)])
        for chunks in [segments, [segments.flatMap { $0 }], segments.flatMap { $0 }.map { [$0] }] {
            let result = Sample.decode(chunks)
            #expect(result.telegrams == Self.telegram)
            #expect(result.errors == [])
        }
        #expect(Sample.decode(segments.flatMap { [Sample.beat, $0] }).telegrams == Self.telegram)
    }

    @Test("a lost segment drops the message, and the next one is read", arguments: 0..<4)
    func lost(missing: Int) {
        var segments = Self.segments(4)
        segments.remove(at: missing)
        let result = Sample.decode(segments + Self.segments(4))
        #expect(result.telegrams == Self.telegram)
        #expect(!result.errors.isEmpty)
    }

    @Test("a message that begins while another waits drops the waiting one")
    func restart() {
        let result = Sample.decode(Array(Self.segments(3).prefix(2)) + [Sample.bareValues])
        #expect(result.telegrams.count == 1)
        #expect(result.codes == [.truncated])
    }

    @Test("a missing last segment is reported when the line falls silent")
    func silence() {
        let result = Sample.decode(Array(Self.segments(3).prefix(2)))
        #expect(result.telegrams == [])
        #expect(result.codes == [.truncated])
    }

    @Test("segments beyond the limit are dropped, and the next message is read")
    func tooLong() {
        let segment = Sample.frame(Array(repeating: 0, count: 2000), isSegmented: true)
        let first = Sample.frame(Sample.header + Array(repeating: 0, count: 1900), isSegmented: true)
        let result = Sample.decode([first] + Array(repeating: segment, count: 16) + Self.segments(2))
        #expect(result.codes.contains(.limit))
        #expect(result.telegrams == Self.telegram)
    }
}
